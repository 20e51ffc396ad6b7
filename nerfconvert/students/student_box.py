"""The box of a student: that of what its teacher shows."""

from __future__ import annotations

import dataclasses

from ..volume import Aabb, FieldInfo, RadianceField

# How programs' frames lie in the world, or the field in a program's.
PLACED = {"ngp_scale", "ngp_offset", "ngp_axes", "dataparser_transform", "dataparser_scale"}
MARGIN = 0.05  # of the occupied box's edges, added on each side of a student's box


def student_info(teacher: RadianceField) -> FieldInfo:
    """The FieldInfo of a student: its teacher's, with the box shrunk to the occupied cells plus
    `MARGIN`; a contraction stays, and where programs' frames lie."""
    box = teacher.occupied_box()
    pads = [MARGIN * edge for edge in box.size]
    low = [max(a - p, o) for a, p, o in zip(box.low, pads, teacher.aabb.low, strict=True)]
    high = [min(a + p, o) for a, p, o in zip(box.high, pads, teacher.aabb.high, strict=True)]
    aabb = Aabb(tuple(low), tuple(high), box.contraction)
    placed = {k: v for k, v in teacher.info.provenance.items() if k in PLACED}
    return dataclasses.replace(teacher.info, aabb=aabb, provenance=placed)
