"""Where a run happens: device, processor, versions."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from ..errors import BackendError
from ..kernels.backend import backend_info


def pick_device(name: str) -> torch.device:
    """The device of `auto`, `cpu` or `cuda`. Raises BackendError where CUDA is asked in vain."""
    if name == "cuda" and not torch.cuda.is_available():
        raise BackendError(
            "--device cuda: torch sees no CUDA device on this machine; use --device cpu, "
            "or install a CUDA build of torch (`nerfconvert doctor` says what is there)"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def machine(device: torch.device) -> dict[str, Any]:
    """The `machine` block of every document: what figures were measured on."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cpu": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "backend": backend(device),
    }


def backend(device: torch.device) -> str:
    """Which kernels run on `device`: "native v3" (compiled, with its level) or "reference"."""
    info = backend_info()
    if device.type == "cuda":
        return "native cuda" if info["cuda_library"] else "reference"
    return f"native {info['isa_level']}" if info["cpu_library"] else "reference"


def processor() -> str:
    """The processor's name as the system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
