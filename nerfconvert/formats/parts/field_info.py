"""FieldInfo as JSON, and back with every value checked."""

from __future__ import annotations

import json
import math
from typing import Any

from ...volume import Aabb, FieldInfo

FRAMES, BACKGROUNDS = ("world", "ndc"), ("white", "black")


def info_to_document(info: FieldInfo) -> dict[str, Any]:
    """The info as JSON values."""
    document = {
        "aabb": [list(info.aabb.low), list(info.aabb.high)],
        "frame": info.frame,
        "background": info.background,
        "provenance": info.provenance,
    }
    return document | ({"pixel_shift": info.pixel_shift} if info.pixel_shift else {})


def info_from_document(document: Any) -> FieldInfo:
    """Inverse of `info_to_document`. Raises ValueError naming the invalid value."""
    keys = {"aabb", "frame", "background", "provenance"}
    if not isinstance(document, dict) or document.keys() - {"pixel_shift"} != keys:
        raise ValueError(f"info should hold exactly {', '.join(sorted(keys))}")
    for name, known in (("frame", FRAMES), ("background", BACKGROUNDS)):
        if document[name] not in known:
            raise ValueError(f"{name} is {document[name]!r}; expected {' or '.join(known)}")
    if not isinstance(document["provenance"], dict):
        raise ValueError("provenance should be an object")
    corners = document["aabb"]
    if not (isinstance(corners, list) and len(corners) == 2 and all(map(is_triple, corners))):
        raise ValueError(f"aabb is {corners!r}; expected two triples of finite numbers")
    shift = document.get("pixel_shift", 0.0)
    if type(shift) not in (int, float) or not abs(shift) <= 1:
        raise ValueError(f"pixel_shift is {shift!r}; expected a number in -1..1")
    return FieldInfo(
        aabb=Aabb(*corners),
        frame=document["frame"],
        background=document["background"],
        provenance=document["provenance"],
        pixel_shift=shift,
    )


def is_triple(value: Any) -> bool:
    """Whether `value` is a list of three finite numbers."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    )


def strict_json(text: str) -> Any:
    """`json.loads` without NaN and infinities. Raises ValueError."""

    def refuse(constant: str):
        raise ValueError(f"{constant} is not a number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
