"""export: the same field in another program's file, without distillation; how far it differs."""

from __future__ import annotations

import logging
import shlex
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..adapters import TRAINABLE
from ..errors import UnsupportedError
from ..formats import FORMATS, load, save
from ..formats.rounding import round_to_half
from ..options.per_command import ExportOptions
from ..renderer.crop import crop_occupancy
from ..renderer.occupancy import build_occupancy
from ..report.receipt import describe_file, strict
from ..runtime.inputs import open_crop, written_beside
from ..runtime.outputs import files_of
from ..volume import Aabb, OccupancyGrid, RadianceField
from ..volume.occupancy import dilate
from .checks import check_export

log = logging.getLogger(__name__)
SCHEMA = "nerfconvert.export/1"
CELLS, SHOWN = 128, 0.01  # optical depth of a cell, of so many along the box, that can be seen
NEAR = 4  # cells of an occupancy that a file with coarser ones may add
POINTS = 1 << 14  # in occupied cells, and as many anywhere in the box


def export(options: ExportOptions) -> dict[str, Any]:
    """The account of an export; writes OUT, reads it back and compares.

    Raises UsageError, FormatError, OutputExistsError, and UnsupportedError where the file cannot
    hold the field, with the command that makes one which it can.
    """
    check_export(options)
    field = load(options.source)
    source = describe_file(options.source, field)  # now: OUT may replace it
    refuse_other(options, field)
    crop, written = open_crop(options.crop), load(options.source)
    if crop:
        _crop(options, field, crop)
        written.occupancy = field.occupancy
    if options.precision == "half":
        round_to_half(written)
    save(written, options.target, options.format, overwrite=True)
    again = load(options.target)
    warn_of_lost_occupancy(options, field)
    found = differences(field.requires_grad_(False), again.requires_grad_(False))
    return strict(
        {
            "schema": SCHEMA,
            "version": __version__,
            "source": source,
            "crop": [crop.low, crop.high] if crop else None,
            "target": describe_file(options.target, again),
            "exact": not any(found.values()),
            "max_difference": found,
            "points": 2 * POINTS,
        }
    )


def refuse_other(options: ExportOptions, field: RadianceField) -> None:
    """Raises UnsupportedError unless OUT can hold `field` as it is."""
    name, files = files_of(options.target, options.format, field.architecture)
    if field.architecture in files.writes:
        try:
            FORMATS[name]().check(field.config)
            FORMATS[name]().refuse_space(field.info)
            return
        except UnsupportedError as problem:
            why, to = problem.message, field.architecture
    else:
        held = " or ".join(files.writes)
        why = f"{options.source} is a {field.architecture}; {name} files hold {held}"
        to = next((a for a in files.writes if a in TRAINABLE), None)
    if to in TRAINABLE:
        format = ["--format", options.format] if options.format else []
        words = [str(options.source), str(options.target), "--to", to, *format]
        why += f"; `nerfconvert convert {shlex.join(words)}` trains one that it can hold"
    raise UnsupportedError(why)


def _crop(options: ExportOptions, field: RadianceField, box: Aabb) -> None:
    """Empties `field` outside of `box`. Raises UnsupportedError where OUT would show what is there,
    or the field has no place in the world; NerfConvertError where nothing is left."""
    if field.info.frame == "ndc" and field.info.frustum is None:
        raise UnsupportedError(
            f"--crop: {options.source} does not tell the camera of its forward-facing scene: no "
            "box of the world lies anywhere in it"
        )
    if field.occupancy.full:  # of a file without
        build_occupancy(field)
    crop_occupancy(field, box)
    with written_beside(field, options.target, options.format) as trial:
        lost = _shows_more(load(trial), field)
    if lost:
        name, _ = files_of(options.target, options.format, field.architecture)
        raise UnsupportedError(
            f"--crop: {name} files keep no occupancy, so that more of the field would be there; a "
            ".safetensors file does, and `nerfconvert convert --crop` makes others"
        )


@torch.no_grad()
def _shows_more(again: RadianceField, field: RadianceField) -> bool:
    """Whether `again` has density in cells that are more than `NEAR` from those of `field`."""
    known = OccupancyGrid(field.occupancy.resolution)
    known.assign(dilate(field.occupancy.dense(), NEAR))
    unit = places(again)
    unit = unit[~known.query(unit) & again.occupancy.query(unit)]
    density = again.density_at(again.aabb.from_unit(unit))
    return bool((density * min(again.aabb.size) / CELLS > SHOWN).any())


@torch.no_grad()
def warn_of_lost_occupancy(options: ExportOptions, field: RadianceField) -> None:
    """Logs which part of the box shows density that the occupancy of `field` hides, where OUT keeps
    no occupancy."""
    name, files = files_of(options.target, options.format, field.architecture)
    if files.shows != "everywhere":
        return
    positions = field.aabb.from_unit(places(field)[POINTS:])
    hidden = ~field.occupancy.query(field.aabb.to_unit(positions))
    depth = field.density_at(positions) * min(field.aabb.size) / CELLS
    shown = float((hidden & (depth > SHOWN)).float().mean())
    if shown:
        log.warning(
            "%s: %s files keep no occupancy: %.2g %% of the box shows density that it hides in %s; "
            "`nerfconvert convert` teaches a field to be empty there",
            options.target, name, 100 * shown, options.source,
        )  # fmt: skip


@torch.no_grad()
def differences(field: RadianceField, other: RadianceField) -> dict[str, float]:
    """The worst differences of `other`: of density, as a part of the largest one, and of color
    (0 to 1) where there is density. A place that an occupancy excludes has none."""
    positions = field.aabb.from_unit(places(field))
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(len(positions), 3, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=-1)
    density, rgb = answers(field, positions, directions)
    again, rgb_again = answers(other, positions, directions)
    largest = float(density.max()) or 1.0
    shown = (density > 0) & (again > 0)
    return {
        "density": float((again - density).abs().max()) / largest,
        "color": float((rgb_again - rgb)[shown].abs().max()) if shown.any() else 0.0,
    }


def answers(field: RadianceField, positions: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Density [N] and color [N, 3]."""
    density, rgb = field.decode(field.encode(positions), directions)
    return density * field.occupancy.query(field.aabb.to_unit(positions)), rgb


def places(field: RadianceField) -> Tensor:
    """[2 * POINTS, 3] in the unit cube: as many in occupied cells as anywhere."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(2 * POINTS, 3, generator=generator)
    cells = field.occupancy.dense().nonzero()
    if len(cells):
        chosen = cells[torch.randint(len(cells), (POINTS,), generator=generator)]
        unit[:POINTS] = (chosen + unit[:POINTS]) / field.occupancy.resolution
    return unit
