"""Outputs of a command: what it will write, beside what, and whether that can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ..errors import OutputExistsError, UnsupportedError, UsageError
from ..files import written_whole
from ..formats import FORMATS, format_of_suffix
from ..renderer.panes import to_bytes
from ..renderer.video import write_image


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


def preview_path(target: Path) -> Path:
    """OUT.preview.png: what an unfinished OUT looks like."""
    return target.with_name(target.name + ".preview.png")


def write_preview(target: Path) -> Callable[[Tensor], None]:
    """What writes an image [H, W, 3] in [0, 1] as the preview of OUT."""

    def write(image: Tensor) -> None:
        with written_whole(preview_path(target)) as partial:
            write_image(partial, to_bytes(image))

    return write


def receipt_path(target: Path) -> Path:
    """OUT.receipt.json beside OUT."""
    return target.with_name(target.name + ".receipt.json")
