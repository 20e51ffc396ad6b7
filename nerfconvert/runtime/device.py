"""Where a run happens: device, backend of the kernels, processor, versions."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..distiller import parallel
from ..errors import BackendError
from ..kernels.backends import BACKENDS
from ..kernels.dispatch import backend_info, use_backend
from ..kernels.precision import trained_in

try:
    import resource
except ImportError:  # Windows
    resource = None


def pick_device(name: str) -> torch.device:
    """The device of `auto`, `cpu` or `cuda`. Raises BackendError where CUDA is not available."""
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
        "processes": parallel.count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "backend": backend(device),
        "networks": trained_in(device),
        **peak_memory(),
    }


def peak_memory() -> dict[str, float | str | None]:
    """`peak_memory_mb`: most memory (MB) that this process has held; None with a reason where the
    system does not report it."""
    status = Path("/proc/self/status")  # Linux; getrusage there counts the process that started us
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return {"peak_memory_mb": int(line.split()[1]) * 1024 / 1e6}
    if resource is None:
        return {"peak_memory_mb": None, "peak_memory_mb_reason": "this system does not tell"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_memory_mb": peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6}


def backend(device: torch.device) -> str:
    """Which kernels run on `device`: "native v3" (compiled, with its level) or "reference"; after
    the backend that was requested, as in "tcnn, native cuda"."""
    info = backend_info()
    asked = info["backend"]
    library, level = (
        ("cuda_library", "cuda") if device.type == "cuda" else ("cpu_library", info["isa_level"])
    )
    compiled = info[library] and asked != "reference"
    own = f"native {level}" if compiled else "reference"
    return own if asked in (None, "native", "reference") else f"{asked}, {own}"


def processor() -> str:
    """The processor's name as the system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def with_backend(pipeline: Callable) -> Callable:
    """`pipeline(options, ...)` on the backend of `options.where`. It raises BackendError, before
    anything is read, where the backend cannot run."""

    @functools.wraps(pipeline)
    def run(options: Any, **how: Any) -> Any:
        where = options.where
        if where.backend == "native":  # the default: references run where nothing is compiled
            return pipeline(options, **how)
        with use_backend(where.backend, pick_device(where.device)):
            return pipeline(options, **how)

    return run


def backends() -> dict[str, dict[str, Any]]:
    """For each backend that needs a package: `version` (None: not installed), `works`, `reason`."""
    return {name: found.examine() for name, found in BACKENDS.items() if found.package}
