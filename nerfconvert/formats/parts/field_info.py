"""FieldInfo as JSON, and back with every value checked."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from ...volume import Aabb, Contraction, FieldInfo, Frustum

LATER = {"pixel_shift", "contraction", "frustum", "viewpoints", "view_directions"}  # if not usual
MOST_DIGITS = 20
FRAMES, BACKGROUNDS = ("world", "ndc"), ("white", "black")


def info_to_document(info: FieldInfo) -> dict[str, Any]:
    """The info as JSON values."""
    document = {
        "aabb": [list(info.aabb.low), list(info.aabb.high)],
        "frame": info.frame,
        "background": info.background,
        "provenance": info.provenance,
    }
    if info.pixel_shift:
        document["pixel_shift"] = info.pixel_shift
    if info.aabb.contraction:
        document["contraction"] = dataclasses.asdict(info.aabb.contraction)
    if info.frustum:
        document["frustum"] = dataclasses.asdict(info.frustum)
    if info.view_directions != "world":
        document["view_directions"] = info.view_directions
    if info.viewpoints:
        document["viewpoints"] = [list(pose) for pose in info.viewpoints]
    return document


def info_from_document(document: Any) -> FieldInfo:
    """Inverse of `info_to_document`. Raises ValueError naming the invalid value."""
    keys = {"aabb", "frame", "background", "provenance"}
    if not isinstance(document, dict) or document.keys() - LATER != keys:
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
    seen_along = document.get("view_directions", "world")
    if seen_along not in {"world", document["frame"]}:
        raise ValueError(f"view_directions is {seen_along!r}; expected world, or the frame ndc")
    return FieldInfo(
        aabb=Aabb(*corners, contraction_from(document.get("contraction"))),
        frame=document["frame"],
        background=document["background"],
        provenance=document["provenance"],
        pixel_shift=shift,
        frustum=frustum_from(document.get("frustum"), document["frame"]),
        view_directions=seen_along,
        viewpoints=viewpoints_from(document.get("viewpoints", [])),
    )


def contraction_from(values: Any) -> Contraction | None:
    """The contraction of JSON values; None for None. Raises ValueError naming the invalid value."""
    if values is None:
        return None
    if not isinstance(values, dict) or values.keys() != {"norm", "center", "radius"}:
        raise ValueError("contraction should hold exactly norm, center and radius")
    if not is_triple(values["center"]) or type(values["radius"]) not in (int, float):
        raise ValueError("contraction should have three finite numbers as center, one as radius")
    return Contraction(values["norm"], tuple(values["center"]), values["radius"])


def frustum_from(values: Any, frame: str) -> Frustum | None:
    """The frustum of JSON values; None for None. Raises ValueError naming the invalid value."""
    if values is None:
        return None
    names = {"width", "height", "focal", "near_plane"}
    if not isinstance(values, dict) or values.keys() != names or frame != "ndc":
        raise ValueError(f"frustum is of frame 'ndc' and holds {', '.join(sorted(names))}")
    if not all(type(value) in (int, float) for value in values.values()):
        raise ValueError("frustum should hold numbers")
    return Frustum(**values)


def viewpoints_from(values: Any) -> tuple[tuple[float, ...], ...]:
    """The poses of JSON values. Raises ValueError."""
    if not isinstance(values, list) or not all(is_list_of(12, pose) for pose in values):
        raise ValueError("viewpoints should be poses, each 12 finite numbers")
    return tuple(tuple(map(float, pose)) for pose in values)


def is_triple(value: Any) -> bool:
    """Whether `value` is a list of three finite numbers."""
    return is_list_of(3, value)


def is_list_of(count: int, value: Any) -> bool:
    """Whether `value` is a list of `count` finite numbers."""
    return (
        isinstance(value, list)
        and len(value) == count
        and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    )


def strict_json(text: str) -> Any:
    """`json.loads` without NaN, infinities and integers that no float holds. Raises ValueError."""

    def refuse(constant: str):
        raise ValueError(f"{constant} is not a number")

    def integer(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            raise ValueError(f"an integer has {len(digits)} digits")
        return int(digits)

    def finite(digits: str) -> float:
        if not math.isfinite(value := float(digits)):
            refuse(digits)
        return value

    try:
        return json.loads(text, parse_constant=refuse, parse_int=integer, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
