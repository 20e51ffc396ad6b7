"""doctor: what this machine can do, and what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import imageio_ffmpeg
import torch

from .. import __version__
from ..kernels import KERNELS
from ..kernels.dispatch import backend_info
from ..runtime.device import backends, processor

PACKAGES = ("torch", "numpy", "safetensors", "opencv-python-headless", "pytorch-msssim")


def doctor() -> dict[str, Any]:
    """The `doctor` document; `problems` names what is missing and how to get it."""
    kernels = backend_info()
    return {
        "schema": "nerfconvert.doctor/1",
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": processor(),
        "threads": torch.get_num_threads(),
        **_cuda(),
        "packages": {name: _version(name) for name in PACKAGES},
        "ffmpeg": _ffmpeg(),
        "backends": backends(),
        "kernels": {"names": list(KERNELS), **kernels},
        "problems": _problems(kernels),
    }


def _cuda() -> dict[str, str | None]:
    """`cuda`: the device's name; None with a reason where torch can use none."""
    if torch.cuda.is_available():
        return {"cuda": torch.cuda.get_device_name()}
    built = torch.version.cuda
    reason = (
        f"torch is built for CUDA {built}, but sees no device"
        if built
        else f"this torch ({torch.__version__}) is built without CUDA"
    )
    return {"cuda": None, "cuda_reason": reason}


def _problems(kernels: dict[str, Any]) -> list[str]:
    found = []
    if kernels["cpu_library"] is None:
        found.append(
            "the kernels are not compiled for this CPU, so everything is several times slower: "
            "install a C++ compiler and cmake, then `pip install --force-reinstall --no-deps .`, "
            "or scripts/build_native.sh for a source tree that is run as it is"
        )
    if torch.cuda.is_available() and kernels["cuda_library"] is None:
        found.append("CUDA works but the CUDA kernels are not compiled: nvcc was not found")
    if _ffmpeg() is None:
        found.append("no ffmpeg: videos cannot be written (`pip install imageio-ffmpeg`)")
    return found


def _ffmpeg() -> str | None:
    try:
        return imageio_ffmpeg.get_ffmpeg_version()
    except (RuntimeError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
