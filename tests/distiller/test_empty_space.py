"""EmptySpace: a student learns to be empty where its teacher is, in its box and around it."""

from __future__ import annotations

import math

import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.empty_space import EmptySpace
from nerfconvert.volume import Aabb, FieldInfo
from tests.distiller.scene import INFO, cameras, seeded, teacher

STEP = 0.02
TINY = MlpConfig(depth=2, width=32, skips=(), position_octaves=5, head_width=16)


def block(low: float, high: float) -> AnalyticField:
    """Density 50 in a cube of a much larger box."""
    center, size = ((low + high) / 2,) * 3, ((high - low) / 2,) * 3
    cube = Primitive(kind="box", center=center, size=size, density=50.0, color=(1, 1, 1))
    box = FieldInfo(aabb=Aabb((-9.0,) * 3, (9.0,) * 3))
    return AnalyticField(AnalyticConfig(primitives=(cube,)), box)


def loss(student, number: int = 0, everywhere: bool = True) -> float:
    student.info = INFO  # the box, that of the teacher
    space = EmptySpace(student, teacher(), 20_000, STEP, everywhere)
    return float(space.loss(seeded(number)))


def test_density_where_the_teacher_has_some_costs_nothing():
    assert loss(teacher()) < 1e-4  # of the rim of its cells


def test_density_beside_it_costs_in_the_box_and_around():
    all_of_it = (1 - math.exp(-50 * STEP)) ** 2 + 0.01 * math.log1p(50 * STEP / 1e-3) ** 2
    assert math.isclose(loss(block(-9.0, 9.0)), all_of_it, rel_tol=1e-3)
    corner, outside = loss(block(-1.0, -0.5)), loss(block(1.0, 3.0))
    share = (1 + 1 / 27) / 4 / 64  # of the places in the box, and those around that are in it
    assert math.isclose(corner, all_of_it * share, rel_tol=0.25)
    assert math.isclose(outside, all_of_it / 4 / 27, rel_tol=0.25)


def test_what_cells_of_a_file_show_is_next_to_those_of_the_teacher():
    near = {"everywhere": False}
    assert loss(block(-1.0, -0.7), **near) + loss(block(1.2, 3.0), **near) < 1e-9
    assert loss(block(-9.0, 9.0), **near) > loss(block(-0.6, 0.6), **near) > 0.1


def test_every_step_draws_other_places():
    student = block(-1.0, -0.5)
    assert loss(student, 0) != loss(student, 1)


def stray(empty: str) -> float:
    """Largest optical depth of a step beside the teacher's cells, of a student taught 200 steps."""
    torch.manual_seed(0)
    known, student = teacher(), MlpField(TINY, INFO)
    config = DistillConfig(seconds=None, steps=200, memory_mb=64, empty=empty)
    distill(known, student, cameras(), config)
    unit = torch.rand(20_000, 3, generator=seeded())
    unit = unit[~known.occupancy.query(unit)]
    with torch.no_grad():
        density = student.density(student.encode(INFO.aabb.from_unit(unit)))
    return float(density.quantile(0.99)) * STEP


def test_a_student_is_empty_where_it_was_taught_to_be():
    assert stray("everywhere") < 0.01 < 0.1 < stray("nowhere")
