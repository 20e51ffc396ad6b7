"""Curriculum: which losses a student is trained by."""

from __future__ import annotations

import pytest

from nerfconvert.adapters.tensorial.field import TensorialConfig, TensorialField
from nerfconvert.distiller.stages import batch_samples, curriculum
from nerfconvert.students.planning import blueprint
from nerfconvert.students.presets import field_config
from nerfconvert.volume.occupancy import transfer_occupancy

from . import scene


def voxels(density: str) -> TensorialField:
    field = TensorialField(TensorialConfig(resolution=16, density_activation=density), scene.INFO)
    transfer_occupancy(field, scene.teacher())
    return field


@pytest.mark.parametrize(
    ("student", "stages"),
    [
        (scene.student(), ["points", "rays"]),
        (voxels("relu"), ["rays"]),
        (voxels("clamped_exp"), ["points", "rays"]),  # no closed form for that
    ],
    ids=["hashgrid", "voxels", "voxels of log density"],
)
def test_a_student_that_starts_fitted_has_rays_only(monkeypatch, student, stages):
    found = curriculum(student, scene.filled_sampler(monkeypatch))
    assert [stage.name for stage in found] == stages


def test_voxels_are_trained_by_the_colors_of_rays_alone(monkeypatch):
    """Others by what the teacher says of their samples, too."""
    sampler = scene.filled_sampler(monkeypatch)
    losses = {}
    for name, student in (("voxels", voxels("relu")), ("hashgrid", scene.student())):
        step = curriculum(student, sampler)[-1].loss(scene.seeded())
        losses[name] = float(step.loss.detach() - step.error)
    assert losses["voxels"] == 0
    assert losses["hashgrid"] > 0


@pytest.mark.parametrize(
    ("architecture", "size", "samples"),
    [
        ("mlp", "small", 4096),
        ("mlp", "base", 4096),
        ("hashgrid", "small", 8192),
        ("hashgrid", "base", 16384),  # of 5.8 M numbers
        ("cp", "base", 8192),
        ("tensorial", "base", 65536),
    ],
)
def test_a_step_is_as_large_as_a_student_needs(architecture, size, samples):
    student = blueprint(architecture, field_config(architecture, size, ()), scene.INFO)
    assert batch_samples(student) == samples
