"""Students of forward-facing and of unbounded teachers live in the same space, and learn it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nerfconvert.adapters import ADAPTERS
from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.metrics.evaluation import HELD_OUT_BAND, TEACHING_BAND
from nerfconvert.metrics.image_metrics import mean_psnr
from nerfconvert.renderer.drawn_cameras import drawn_cameras
from nerfconvert.renderer.image import render_image
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.students.student_box import student_info
from nerfconvert.volume import Aabb, Contraction, FieldInfo, Frustum

CONFIGS = {
    "hashgrid": {"n_levels": 4, "log2_table_size": 12, "finest_resolution": 48},
    "vm": {"resolution": 32, "density_components": 4, "appearance_components": 6},
}
SPACES = {
    "ndc": FieldInfo(
        aabb=Aabb((-1.5, -1.5, -1.0), (1.5, 1.5, 1.0)),
        frame="ndc",
        frustum=Frustum(width=40, height=30, focal=35.0),
        background="black",
    ),
    "contracted": FieldInfo(
        aabb=Aabb((-2.0,) * 3, (2.0,) * 3, Contraction("inf")), background="black"
    ),
}
SPACES["ndc directions"] = dataclasses.replace(SPACES["ndc"], view_directions="ndc")
NEAR = {"kind": "ellipsoid", "center": (0.1, 0, 0), "size": (0.5, 0.4, 0.4), "softness": 0.1}
WALL = {"kind": "blob", "center": (0, 0, 0.6), "size": (1.0, 0.9, 0.12), "density": 30.0}
STEPS = {"ndc directions": 80}  # its directions differ little, and are learnt more slowly
LEAST = 20.0  # dB after a few steps; an empty field has 5 at most
FAR = {"kind": "blob", "center": (14, 0, 2), "size": (3, 6, 5), "density": 1.5}


def teacher(space: str) -> AnalyticField:
    """Something near, and something behind it that fills much of the view."""
    behind = FAR if space == "contracted" else WALL
    bodies = ({**NEAR, "density": 20.0, "color": (1.0, 0.5, 0.2)},)
    bodies += ({**behind, "color": (0.2, 0.4, 0.9)},)
    field = AnalyticField(AnalyticConfig(primitives=bodies), SPACES[space])
    build_occupancy(field, resolution=32)
    return field


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_student_learns_its_teacher_in_the_same_space(architecture, space):
    field = teacher(space)
    info = student_info(field)
    assert (info.frame, info.frustum) == (field.info.frame, field.info.frustum)
    assert info.view_directions == field.info.view_directions
    assert info.aabb.contraction == field.aabb.contraction
    torch.manual_seed(0)
    student = ADAPTERS[architecture](ADAPTERS[architecture].Config(**CONFIGS[architecture]), info)
    draw, size = torch.Generator().manual_seed(0), (24, 18)
    teaching = drawn_cameras(field, TEACHING_BAND, 40, size, draw)
    distill(
        field,
        student,
        teaching,
        DistillConfig(seconds=None, steps=STEPS.get(space, 60), memory_mb=64),
    )
    views = drawn_cameras(field, HELD_OUT_BAND, 3, size, draw)
    images = [
        torch.stack([render_image(f, views, view) for view in range(3)]) for f in (field, student)
    ]
    assert float(images[0].std()) > 0.1
    assert mean_psnr(images[1], images[0]) > LEAST
