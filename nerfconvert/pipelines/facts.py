"""Facts about the field in a checkpoint: what it is, what it can be used for, what is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from ..formats import load
from ..volume import RadianceField


def facts(path: Path) -> dict[str, Any]:
    """What `info` tells of the field in a file. Raises as `formats.load` does."""
    field = load(path)
    return {
        "architecture": field.architecture,
        "parameters": field.parameter_count,
        "aabb": [list(field.aabb.low), list(field.aabb.high)],
        "frame": field.info.frame,
        "background": field.info.background,
        **_occupancy(field),
        "config": dataclasses.asdict(field.config),
        "provenance": dict(field.info.provenance),
        "can": ["convert", "render", "compare"],
        "cannot": [],
        "problems": problems(field),
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
    if field.info.frame == "ndc" and field.info.frustum is None:
        found.append(
            "forward-facing, and the file lacks the focal length of the capture: --data or "
            "--cameras gives it; without, that of LLFF's phones is assumed"
        )
    return found
