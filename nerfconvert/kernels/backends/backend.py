"""Backend: a set of implementations of kernels, and what it needs to run."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from ...errors import BackendError
from .. import KERNELS


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Implementations of some or all kernels.

    `implementations` maps a name of `KERNELS` to a function with the arguments and results of that
    kernel, which returns None for what it cannot compute. A backend that is `cuda_only` computes
    float32 on CUDA.
    """

    name: str
    implementations: Mapping[str, Callable]
    cuda_only: bool = False
    package: str | None = None  # import name of the third-party package that it needs
    install: str = ""  # how to get the package
    probe: Callable[[ModuleType], None] | None = None  # raises unless the package works

    def run(self, kernel: str, arguments: tuple) -> Any | None:
        """Result of `kernel` on `arguments`; None where this backend cannot compute it."""
        like = arguments[0]
        if self.cuda_only and (like.device.type == "cpu" or like.dtype != torch.float32):
            return None
        function = self.implementations.get(kernel)
        return function(*arguments) if function else None

    def require(self, device: torch.device | None = None) -> None:
        """Raises BackendError where the package is missing or fails, or `device` is unsupported."""
        if self.package and importlib.util.find_spec(self.package) is None:
            raise BackendError(
                f"--backend {self.name} needs the package {self.package}, which is not installed: "
                f"{self.install}; --backend native needs nothing"
            )
        if self.cuda_only and device is not None and device.type == "cpu":
            raise BackendError(f"--backend {self.name} runs on CUDA only, got --device {device}")
        try:
            if self.package:
                importlib.import_module(self.package)
        except Exception as error:  # a third-party package may raise anything
            raise BackendError(f"--backend {self.name}: {self.package} fails: {error}") from error

    def examine(self) -> dict[str, Any]:
        """`version` of the package (None: not installed), `works`, and why not as `reason`."""
        if importlib.util.find_spec(self.package) is None:
            return {"version": None, "works": False, "reason": "not installed"}
        try:
            version = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # some packages print on import
                self.probe(importlib.import_module(self.package))
        except Exception as error:  # a third-party package may raise anything
            text = (str(error).strip().splitlines() or [""])[0]
            reason = f"{type(error).__name__}: {text}".rstrip(": ")
            return {"version": version, "works": False, "reason": reason}
        return {"version": version, "works": True, "reason": None}


class OfEveryKernel(Mapping[str, Callable]):
    """Implementations of all `KERNELS`: `make(name)`, called on first use."""

    def __init__(self, make: Callable[[str], Callable]):
        self._make = functools.cache(make)

    def __getitem__(self, name: str) -> Callable:
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(KERNELS)

    def __len__(self) -> int:
        return len(KERNELS)
