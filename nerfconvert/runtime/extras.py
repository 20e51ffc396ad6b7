"""Packages that only some commands need, each an extra of nerfconvert. Imports no torch."""

from __future__ import annotations

import importlib.util

from ..errors import BackendError


def require(package: str, *, extra: str, of: str) -> None:
    """Raises BackendError where `package` is not installed, which the command `of` needs."""
    if importlib.util.find_spec(package) is None:
        raise BackendError(
            f"{of} needs the package {package}, which is not installed: `pip install {package}`, "
            f"or install nerfconvert with its extra '{extra}' (`pip install '.[{extra}]'`)"
        )
