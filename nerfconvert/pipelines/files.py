"""Files of a pipeline: fields come in ready to render, and nothing is overwritten unasked."""

from __future__ import annotations

from pathlib import Path

import torch

from ..errors import NerfConvertError, OutputExistsError, UnsupportedError, UsageError
from ..formats import FORMATS, format_of_suffix, load
from ..renderer.occupancy import build_occupancy
from ..volume import RadianceField


def open_field(path: Path, device: torch.device) -> RadianceField:
    """The field in `path` on `device`, without gradients; its occupancy is built if it has none.

    Raises FormatError, NerfConvertError for an empty field, and UnsupportedError for a
    forward-facing one: its rays need the focal length of the capture, which its file does not hold.
    """
    field = load(path).to(device).eval().requires_grad_(False)
    if field.info.frame == "ndc":
        raise UnsupportedError(
            f"{path} lives in normalised device coordinates (a forward-facing capture): this "
            "release reads and re-saves such fields, but does not render or convert them yet"
        )
    if bool((field.occupancy.words == -1).all()):
        try:
            build_occupancy(field)
        except NerfConvertError as error:
            raise NerfConvertError(f"{path}: {error}") from error
    return field


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
