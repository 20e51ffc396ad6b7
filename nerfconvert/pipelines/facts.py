"""Facts about the field in a checkpoint: what it is, and what is wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ..formats import load
from ..volume import RadianceField

ASSUMED = "assumed"  # begins what a reader's provenance says of a guess
SEEN = "Look at it with render, or measure it with compare --data."
UNTOLD = {  # by key of the provenance
    "frame_from": (
        "how the scene lies in the world",
        "Put the run's settings file beside it where there is one; where pictures are empty or "
        "shifted, this is wrong: look at it with render, or measure it with compare --data.",
    ),
    "scale_from": ("the scale of the scene", SEEN),
    "aabb_from": ("the box of the scene", "What lies outside is lost: look at it with render."),
    "clamps_from": ("the limits of its density", SEEN),
    "settings_from": ("the settings of its run", "Put its config.yml where the program had it."),
    "frustum_from": (
        "the camera of the capture",
        "Give its cameras with --data or --cameras, or pictures may be stretched.",
    ),
}
HALF = (
    "all its numbers fit into 16 bits: it was stored in half precision, which cannot be undone; "
    "--precision half keeps files small and loses nothing more"
)


def facts(path: Path) -> dict[str, Any]:
    """What `info` tells of the field in a file. Raises as `formats.load` does."""
    field = load(path)
    return {
        "architecture": field.architecture,
        "parameters": field.parameter_count,
        "aabb": [list(field.aabb.low), list(field.aabb.high)],
        "contraction": _contraction(field),
        "frame": field.info.frame,
        "background": field.info.background,
        **_occupancy(field),
        "config": dataclasses.asdict(field.config),
        "provenance": dict(field.info.provenance),
        "problems": problems(field),
    }


def _contraction(field: RadianceField) -> dict[str, Any] | None:
    contraction = field.aabb.contraction
    return dataclasses.asdict(contraction) if contraction else None


def _occupancy(field: RadianceField) -> dict[str, Any]:
    """Occupied part of the box, 0 to 1; None where the file leaves nothing out, or stores none."""
    fraction = field.occupancy.fraction()
    if fraction < 1:
        return {"occupancy": fraction}
    reason = "the file leaves no cell out; it is found when the field is first used"
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
    return found + list(_assumed(field)) + list(_rounded(field))


def _assumed(field: RadianceField) -> Iterator[str]:
    """What its file does not tell, what was taken instead, and how to see whether that is right."""
    for key, value in field.info.provenance.items():
        if key.endswith("_from") and str(value).startswith(ASSUMED):
            what, remedy = UNTOLD.get(key, (key.removesuffix("_from"), SEEN))
            yield f"not in the file: {what}; {value}. {remedy}"


def _rounded(field: RadianceField) -> Iterator[str]:
    """Whether 16 bits hold all its numbers, as where a program stored them so."""
    numbers = [p for p in field.parameters() if p.is_floating_point() and p.numel()]
    if numbers and all(torch.equal(p.half().to(p.dtype), p) for p in numbers):
        yield HALF
