"""The backend that a pipeline runs its kernels through, and which of them work here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..kernels.backends import BACKENDS
from ..kernels.dispatch import use_backend
from .machine import pick_device


def with_backend(pipeline: Callable) -> Callable:
    """`pipeline(options, ...)` with the kernels that `options.where` asks for. Raises BackendError
    before anything is read where they cannot run."""

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
