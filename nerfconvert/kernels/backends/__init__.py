"""Kernels of other packages, where they are installed, or ours in half precision: run in place of
our own ones where they are asked for."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator

import torch

from ...errors import BackendError
from ...registry import Registry
from .. import backend

ACCELERATORS = Registry(
    "backend",
    {
        "half": "nerfconvert.kernels.accelerators.half:HALF",
        "nerfacc": "nerfconvert.kernels.accelerators.nerfacc:NERFACC",
        "tcnn": "nerfconvert.kernels.accelerators.tcnn:TCNN",
    },
)


@contextlib.contextmanager
def use_accelerator(name: str, device: torch.device) -> Iterator[None]:
    """Within the block the kernels that `name` ("native": none) has run through it on `device`.

    What it cannot compute (other sizes, float64, no points) runs through ours. Raises
    UnknownNameError, and BackendError where its package is missing or broken or `device` is not
    CUDA.
    """
    if name == "native":
        yield
        return
    accelerator = ACCELERATORS[name]
    package = accelerator.package
    if package and importlib.util.find_spec(package) is None:
        raise BackendError(
            f"--backend {name} needs the package {package}, which is not installed: "
            f"{accelerator.install}; --backend native needs nothing"
        )
    if device.type == "cpu":
        raise BackendError(f"--backend {name} runs on CUDA only, got --device {device}")
    try:
        if package:
            importlib.import_module(package)
    except Exception as error:  # whatever a foreign package raises is what we tell
        raise BackendError(f"--backend {name}: {package} fails: {error}") from error
    with backend.use_kernels(name, accelerator.kernels):
        yield
