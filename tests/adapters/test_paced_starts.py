"""Starts in closed form without time: less exact, but whole fields that resemble the teacher."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.adapters import ADAPTERS
from nerfconvert.formats import load
from nerfconvert.renderer.camera_paths import orbit
from nerfconvert.renderer.image import render_image
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.renderer.visibility import estimate_visibility
from nerfconvert.students.presets import field_config
from nerfconvert.students.student_box import student_info
from nerfconvert.volume import Pace
from nerfconvert.volume.occupancy import transfer_occupancy

SETTINGS = {
    "vm": ("resolution=32", "density_components=4", "appearance_components=6"),
    "cp": ("resolution=32", "density_components=16", "appearance_components=24"),
    "tensorial": ("resolution=64",),
}


@pytest.mark.parametrize("architecture", SETTINGS)
def test_a_start_without_time_is_whole_and_says_what_it_does(scenes, architecture):
    teacher = load(scenes / "blobs.toml")
    build_occupancy(teacher, resolution=32)
    config = field_config(architecture, "small", SETTINGS[architecture])
    student = ADAPTERS[architecture](config, student_info(teacher))
    transfer_occupancy(student, teacher)
    cameras, heard = orbit(teacher, 4, size=(24, 24)), []
    pace = Pace(0.0, lambda what, part: heard.append((what, part)))
    visibility = estimate_visibility(teacher, cameras, pace=pace)
    student.initialize_from(teacher, visibility, pace)
    assert all(torch.isfinite(p).all() for p in student.parameters())
    assert heard
    assert all(0 <= part <= 1 for _, part in heard)
    images = [render_image(field, cameras, 0) for field in (student, teacher)]
    white = (1 - images[1]).square().mean()
    assert (images[0] - images[1]).square().mean() < 0.5 * white
