"""info: what a checkpoint is, and what is wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..adapters import ARCHITECTURES, CHOICES, TRAINABLE
from ..errors import NerfConvertError
from ..formats import FORMATS, identify, load
from ..report.receipt import strict
from ..runtime.inputs import why_not_rendered
from ..volume import RadianceField


def info(paths: Sequence[Path]) -> dict[str, Any]:
    """The `info` document. A file that cannot be read has nulls and says why in `problems`."""
    return strict({"schema": "nerfconvert.info/1", "files": [_entry(Path(p)) for p in paths]})


def tables() -> dict[str, Any]:
    """What can be read and written: the document of `nerfconvert formats`."""
    formats = [
        {
            "name": name,
            "title": make.title,
            "suffixes": list(make.suffixes),
            "architectures": sorted(make.architectures),
            "write": make.can_write,
        }
        for name, make in FORMATS.items()
    ]
    architectures = [
        {
            "name": name,
            "sizes": sorted(CHOICES[name].presets) if name in TRAINABLE else [],
            "parameters": about.sizes,
            "settings": CHOICES[name].settings if name in TRAINABLE else [],
        }
        for name, about in ARCHITECTURES.items()
    ]
    return {
        "schema": "nerfconvert.formats/1",
        "formats": formats,
        "architectures": architectures,
    }


def _entry(path: Path) -> dict[str, Any]:
    names = ("format", "architecture", "parameters", "bytes", "aabb", "frame", "background")
    entry: dict[str, Any] = {"path": str(path), **dict.fromkeys((*names, "occupancy"))}
    if path.is_file():
        entry["bytes"] = path.stat().st_size
    try:
        entry["format"] = identify(path).name
        field = load(path)
    except NerfConvertError as error:
        return entry | {"problems": [str(error)], "exit_code": error.exit_code}
    return {
        **entry,
        "architecture": field.architecture,
        "parameters": field.parameter_count,
        "aabb": [list(field.aabb.low), list(field.aabb.high)],
        "frame": field.info.frame,
        "background": field.info.background,
        **_occupancy(field),
        "config": dataclasses.asdict(field.config),
        "provenance": dict(field.info.provenance),
        **_uses(field),
        "problems": problems(field),
    }


def _uses(field: RadianceField) -> dict[str, Any]:
    """Which commands take the field, and which do not, with the reason."""
    reason = why_not_rendered(field)
    return {
        "can": [] if reason else ["convert", "render", "compare"],
        "cannot": [f"convert, render, compare: it {reason}"] if reason else [],
    }


def _occupancy(field: RadianceField) -> dict[str, Any]:
    """Occupied part of the box, 0 to 1; None where the file stores no occupancy."""
    fraction = field.occupancy.fraction()
    if fraction < 1:
        return {"occupancy": fraction}
    reason = "the file stores none; it is found when the field is first used"
    return {"occupancy": None, "occupancy_reason": reason}


def problems(field: RadianceField) -> list[str]:
    """What a user should know before using the field; empty when all is well."""
    found = []
    for name, tensor in field.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            found.append(f"{name}: {bad} of {tensor.numel()} values are NaN or infinite")
    if field.occupancy.fraction() == 0:
        found.append("the occupancy is empty: nothing will be rendered")
    return found
