"""KeptStart: a student never ends below its start in closed form."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.adapters.tensorial.field import TensorialConfig, TensorialField
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.kept_start import KeptStart, ray_error, starts_in_closed_form
from nerfconvert.distiller.optimizers import by_role
from nerfconvert.renderer.image import query, render_rays, render_samples
from nerfconvert.renderer.visibility import estimate_visibility
from nerfconvert.volume import Aabb, FieldInfo, OccupancyGrid, Pace, Role
from nerfconvert.volume.occupancy import LEAST_SHARE, covered_cells, transfer_occupancy

from . import scene


def started() -> TensorialField:
    """A student with its start in closed form."""
    teacher, field = scene.teacher(), TensorialField(TensorialConfig(resolution=16), scene.INFO)
    transfer_occupancy(field, teacher)
    field.initialize_from(teacher, estimate_visibility(teacher, scene.cameras()), Pace())
    return field


@pytest.mark.parametrize("worse", [True, False])
def test_the_better_of_start_and_end_is_kept(monkeypatch, worse):
    held_out = scene.filled_sampler(monkeypatch).buffer.held_out_rays(200)
    field = started()
    good = field.table.detach().clone()
    noisy = good + 20 * torch.randn(good.shape, generator=torch.Generator().manual_seed(0))
    begin, end = (good, noisy) if worse else (noisy, good)
    field.table.data.copy_(begin)
    start = KeptStart(field, held_out)
    field.table.data.copy_(end)
    assert start.put_back_if_better() == worse
    assert torch.equal(field.table, good)


def test_the_error_is_that_of_colors_on_black_and_on_white(monkeypatch):
    """Of a student that shows nothing."""
    held_out = scene.filled_sampler(monkeypatch).buffer.held_out_rays(200)
    field = started()
    field.table.data[:, 0] = -100
    missing = torch.cat([held_out.color, held_out.color - held_out.opacity[:, None]])
    assert ray_error(field, held_out) == pytest.approx(float(missing.square().mean()), rel=1e-4)


def test_a_soft_student_is_judged_as_it_is_rendered(monkeypatch):
    """Its light does not pass where the teacher's samples end."""
    held_out = scene.filled_sampler(monkeypatch).buffer.held_out_rays(200)
    field = started()
    field.table.data[:, 0] *= 0.3
    square = 0.0
    for background in (0.0, 1.0):
        shown = render_rays(field, held_out.rays, step=0.005, background=background).rgb
        wanted = held_out.color + (1 - held_out.opacity[:, None]) * background
        square += float((shown - wanted).square().mean()) / 2
    assert ray_error(field, held_out) == pytest.approx(square, rel=0.03)
    with torch.no_grad():
        answers = query(field, held_out.rays, held_out.samples)
    opacity = render_samples(*answers, held_out.samples, 1.0).opacity
    assert float((opacity - held_out.opacity).square().mean()) > 3 * square


def test_training_that_spoils_a_start_does_not_count(monkeypatch):
    make, rate = by_role.BY_ROLE[Role.ROW_TABLE]
    monkeypatch.setitem(by_role.BY_ROLE, Role.ROW_TABLE, (make, 1e5 * rate))
    field, starts = TensorialField(TensorialConfig(resolution=16), scene.INFO), []

    def probe() -> float:
        starts.append(field.table.detach().clone())
        return 0.0

    config = DistillConfig(seconds=None, steps=5)
    distill(scene.teacher(), field, scene.cameras(), config, probe=probe)
    assert torch.equal(field.table, starts[0])


def test_start_and_end_are_compared_in_the_cells_that_were_taught():
    """Beyond them training may leave haze, which made it look worse than its start. A cell of this
    student is as large as one of the teacher, and lies across several."""
    teacher, box = scene.teacher(), Aabb((-1.05, -1.03, -1.02), (1.01, 1.02, 1.04))
    field, seen = TensorialField(TensorialConfig(resolution=16), FieldInfo(aabb=box)), []
    field.occupancy = OccupancyGrid(32)
    distill(teacher, field, scene.cameras(), DistillConfig(seconds=None, steps=1),
            probe=lambda: seen.append(field.occupancy.dense()) or 0.0)  # fmt: skip
    known = teacher.occupancy.dense(), teacher.aabb, box, 32
    assert not bool((seen[0] & ~covered_cells(*known, LEAST_SHARE)).any())
    assert int(seen[0].sum()) < int(covered_cells(*known, 0.0).sum())


def test_architectures_without_a_start_keep_none():
    assert starts_in_closed_form(TensorialField(TensorialConfig(resolution=16), scene.INFO))
    assert not starts_in_closed_form(scene.student())
