"""Accelerators of others that may be installed beside our kernels: whether they work here, and
pipelines that run through them."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import io
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from ..kernels.accelerators import use_accelerator
from .machine import pick_device


def with_backend(pipeline: Callable) -> Callable:
    """`pipeline(options, ...)` with the kernels that `options.where` asks for. Raises BackendError
    before anything is read where they cannot run."""

    @functools.wraps(pipeline)
    def run(options: Any, **how: Any) -> Any:
        where = options.where
        if where.backend == "native":
            return pipeline(options, **how)
        with use_accelerator(where.backend, pick_device(where.device)):
            return pipeline(options, **how)

    return run


def accelerators() -> dict[str, dict[str, Any]]:
    """For each of `PROBES`: `version` (None: not installed), `works`, and why not as `reason`."""
    return {name: _examined(name, probe) for name, probe in PROBES.items()}


def _examined(name: str, probe: Callable[[ModuleType], None]) -> dict[str, Any]:
    if importlib.util.find_spec(name) is None:
        return {"version": None, "works": False, "reason": "not installed"}
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # both print when they are imported
            probe(importlib.import_module(name))
    except Exception as error:  # whatever a foreign package raises is what we tell
        text = (str(error).strip().splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {text}".rstrip(": ")
        return {"version": version, "works": False, "reason": reason}
    return {"version": version, "works": True, "reason": None}


def _probe_nerfacc(nerfacc: ModuleType) -> None:
    """Weights of two samples of a ray, without its CUDA part (that compiles for minutes)."""
    times = torch.tensor([[0.0, 1.0, 2.0]])
    weights = nerfacc.render_weight_from_density(times[:, :-1], times[:, 1:], torch.ones(1, 2))[0]
    expected = torch.tensor([[1.0, 0.36787944]]) * 0.63212056
    if not torch.allclose(weights, expected, atol=1e-5):
        raise ValueError(f"wrong weights {weights.tolist()}")


def _probe_tinycudann(tinycudann: ModuleType) -> None:
    """A hash grid at two points."""
    grid = {"otype": "HashGrid", "n_levels": 2, "log2_hashmap_size": 10, "base_resolution": 4}
    features = tinycudann.Encoding(3, grid)(torch.rand(2, 3, device="cuda"))
    if features.shape[0] != 2 or not bool(features.isfinite().all()):
        raise ValueError("a hash grid gave no numbers")


PROBES = {"nerfacc": _probe_nerfacc, "tinycudann": _probe_tinycudann}
