"""Inputs of a command: fields come in ready to render; an empty source is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import torch

from .. import formats
from ..errors import FormatError, NerfConvertError
from ..files import partial_path
from ..renderer.occupancy import build_occupancy
from ..renderer.scene import read_scene
from ..volume import Aabb, FieldInfo, Frustum, RadianceField
from ..volume.nan_masked import NanMaskedField
from .crop_file import read_crop

log = logging.getLogger(__name__)
LLFF = Frustum(width=504, height=378, focal=408)  # of its phones; the program's own units
THIN = 1e-3  # optical depth of the whole box below which nothing can be seen


def load(
    path: Path | str, device: torch.device | str = "cpu", cameras: Path | None = None
) -> RadianceField:
    """The field in a checkpoint of any known format on `device`, ready to render: its occupancy is
    built where the file has none, and a forward-facing field has a frustum: that of its file, else
    of the scene `cameras`, else the usual one of LLFF's captures.

    Raises FormatError, UnsupportedError, and NerfConvertError for an empty field.
    """
    field = formats.load(path).to(device).eval()
    if field.info.frame == "ndc" and field.info.frustum is None:
        field.info = with_frustum(field.info, cameras)
        log.info("%s: frustum %s", path, field.info.provenance["frustum_from"])
    if field.occupancy.full:
        try:
            build_occupancy(field)
        except NerfConvertError as error:
            raise NerfConvertError(f"{path}: {error}") from error
    return field


def open_field(path: Path, device: torch.device, cameras: Path | None = None) -> RadianceField:
    """The field in `path` as `load` gives it, without gradients. Raises what `load` does."""
    return load(path, device, cameras).requires_grad_(False)


def as_read(
    field: RadianceField, target: Path, format: str | None, cameras: Path | None = None
) -> RadianceField:
    """What a reader of `target` will find: `field` written beside it, opened, and removed. Formats
    round numbers, and some keep no occupancy. Where no reader finds anything, `field` itself."""
    try:
        with written_beside(field, target, format) as trial:
            return open_field(trial, field.device, cameras)
    except NerfConvertError as problem:
        log.warning("as it is written it cannot be read back: %s", problem)
        return field


@contextlib.contextmanager
def written_beside(field: RadianceField, target: Path, format: str | None) -> Iterator[Path]:
    """A file with `field` as `target` would be, under a name beside it; removed when the block
    ends. Raises what `formats.save` does."""
    partial = partial_path(target)
    try:
        formats.save(field, partial, format, overwrite=True)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def open_crop(path: Path | None) -> Aabb | None:
    """The box of the world in a crop file; None without one. Raises FormatError."""
    if path is None:
        return None
    low, high = read_crop(path)
    try:
        return Aabb(low, high)
    except ValueError as problem:  # too thin for float32
        raise FormatError(path, f"not a crop box: {problem}") from problem


def with_frustum(info: FieldInfo, cameras: Path | None) -> FieldInfo:
    """The info of a forward-facing field with the frustum of the scene `cameras`, or the usual one
    of LLFF's captures; its provenance tells which."""
    if cameras is None or cameras.suffix == ".toml":
        frustum, origin = LLFF, "assumed: a phone's camera, as LLFF's captures are made with"
    else:
        found = read_scene(cameras, images=False).cameras
        frustum = Frustum(width=found.width, height=found.height, focal=found.mean_focal)
        origin = f"cameras of {cameras.name}"
    told = info.provenance | {"frustum_from": origin}
    return dataclasses.replace(info, frustum=frustum, provenance=told)


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
