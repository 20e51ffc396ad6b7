"""Outputs of a command: what it will write, beside what, and whether that can be."""

from __future__ import annotations

from pathlib import Path

from ..errors import OutputExistsError, UnsupportedError, UsageError
from ..formats import FORMATS, format_of_suffix


def check_output(path: Path, overwrite: bool) -> None:
    """Raises OutputExistsError for an output that is there, UsageError for a missing folder."""
    if path.exists() and not overwrite:
        raise OutputExistsError(path)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: the folder {path.absolute().parent} does not exist")


def check_holds(path: Path, format: str | None, architecture: str) -> None:
    """Raises UnsupportedError, before any work is spent, where `path` cannot hold the result."""
    chosen = FORMATS[format]() if format else format_of_suffix(path)
    if not chosen.can_write or architecture not in chosen.architectures:
        what = f"a {architecture}" if chosen.can_write else "anything (they are only read)"
        raise UnsupportedError(
            f"{path}: {chosen.title} files cannot hold {what}; name a .safetensors file instead"
        )


def state_path(target: Path) -> Path:
    """OUT.state: what an interrupted run needs to go on."""
    return target.with_name(target.name + ".state")


def receipt_path(target: Path) -> Path:
    """OUT.receipt.json beside OUT."""
    return target.with_name(target.name + ".receipt.json")
