"""Inputs of a command: fields come in ready to render; an empty source is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from .. import formats
from ..errors import NerfConvertError, UnsupportedError
from ..renderer.occupancy import build_occupancy
from ..volume import RadianceField
from ..volume.nan_masked import NanMaskedField

log = logging.getLogger(__name__)
THIN = 1e-3  # optical depth of the whole box below which nothing can be seen


def load(path: Path | str, device: torch.device | str = "cpu") -> RadianceField:
    """The field in a checkpoint of any known format on `device`, ready to render: its occupancy is
    built where the file has none (not that of a forward-facing field, which cannot be rendered).

    Raises FormatError, UnsupportedError, and NerfConvertError for an empty field.
    """
    field = formats.load(path).to(device).eval()
    unknown = bool((field.occupancy.words == -1).all())
    if unknown and why_not_rendered(field) is None:
        try:
            build_occupancy(field)
        except NerfConvertError as error:
            raise NerfConvertError(f"{path}: {error}") from error
    return field


def open_field(path: Path, device: torch.device) -> RadianceField:
    """The field in `path` as `load` gives it, without gradients.

    Raises what `load` does, and UnsupportedError for a forward-facing field: its rays need the
    focal length of the capture, which its file does not hold.
    """
    field = load(path, device).requires_grad_(False)
    if reason := why_not_rendered(field):
        raise UnsupportedError(f"{path} {reason}")
    return field


def why_not_rendered(field: RadianceField) -> str | None:
    """Why `field` can be neither rendered nor converted; None where it can."""
    if field.info.frame == "ndc":
        return (
            "lives in normalised device coordinates (a forward-facing capture): this release "
            "reads and re-saves such fields, but does not render or convert them yet"
        )
    return None


def refuse_empty(path: Path, field: NanMaskedField) -> None:
    """Raises NerfConvertError where `field` has no density, as far as it was asked."""
    if field.occupancy.bounds() is None:
        raise NerfConvertError(
            f"{path}: the field is empty: the occupancy in the file has no occupied cell"
        )
    n, invalid = field.asked["densities"], int(field.invalid["densities"])
    if n and float(field.densest) * field.aabb.diagonal < THIN:
        nan = f", {invalid:,} of them NaN" if invalid else ""
        raise NerfConvertError(
            f"{path}: the field is empty: it has no density at any of {n:,} places in its "
            f"occupied cells{nan}"
        )


def warn_of_invalid(path: Path, field: NanMaskedField) -> None:
    """Logs how many answers of `field` were NaN, if any."""
    found = field.counts()
    if found["densities"] or found["colors"]:
        log.warning(
            "%s: %d of %d densities and %d of %d colors were NaN; they counted as empty and black",
            path,
            *(found[k] for k in ("densities", "of_densities", "colors", "of_colors")),
        )
