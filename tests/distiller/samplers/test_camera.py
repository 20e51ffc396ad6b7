"""Camera sampler: scores stay with their cameras, new rays come from near them, nothing is lost."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch

from nerfconvert.distiller.samplers.camera import TILES, UNIFORM, CameraSampler
from nerfconvert.distiller.streams import stream
from nerfconvert.volume import Aabb, FieldInfo
from tests.distiller.scene import cameras, filled_buffer, filled_sampler, seeded

BOX = Aabb((-1, -1, -1), (1, 1, 1))
VIEWS, COUNT = 8, 20_000
HARD = (5 * TILES + 2) * TILES + 1  # view 5, third row of tiles, second column


def learn(sampler: CameraSampler, regions: torch.Tensor, errors: torch.Tensor) -> None:
    """Tells `sampler` of rays of `regions`, of whom it asks nothing else."""
    answers = SimpleNamespace(regions=regions)
    sampler.learn_rays(SimpleNamespace(chosen=SimpleNamespace(answers=answers)), errors)


def sampler_with_one_hard_region() -> CameraSampler:
    """All regions have been seen, in an order of no meaning; one of them was wrong."""
    sampler = CameraSampler(cameras(VIEWS), FieldInfo(aabb=BOX))
    regions = torch.randperm(VIEWS * TILES**2, generator=seeded(2))
    for _ in range(60):
        learn(sampler, regions, torch.where(regions == HARD, 40.0, 0.5))
    return sampler


def test_hard_rays_come_from_near_the_camera_that_was_wrong():
    sampler = sampler_with_one_hard_region()
    new = sampler.draw_new_rays(0, COUNT, seeded())
    rays, regions = new.rays, new.regions
    chosen = regions == HARD
    share = (1 - UNIFORM) * 40 / (40 + 0.5 * (VIEWS * TILES**2 - 1))
    assert abs(float(chosen.float().mean()) - share - UNIFORM / (VIEWS * TILES**2)) < 0.02
    eye = sampler.cameras.poses[5, :3, 3]
    cosine = torch.nn.functional.cosine_similarity(rays.origins, eye[None], dim=-1)
    near = cosine.clamp(-1, 1).acos()
    assert float((near[chosen] < math.radians(15)).float().mean()) > 0.95
    assert float((near[chosen] > math.radians(1)).float().mean()) > 0.3  # not the camera itself
    distance = rays.origins[chosen].norm(dim=-1)
    assert float((distance - eye.norm()).abs().median()) < 1e-4  # on its sphere


def test_they_look_where_the_region_looks():
    """Through the same tile of the hard camera, seen from there: the point next to the center."""
    sampler = sampler_with_one_hard_region()
    new = sampler.draw_new_rays(0, COUNT, seeded())
    rays, regions = new.rays, new.regions
    chosen = rays[regions == HARD]
    seen = chosen.origins - (chosen.origins * chosen.directions).sum(-1, True) * chosen.directions
    pose = sampler.cameras.poses[5]
    local = (seen - pose[:3, 3]) @ pose[:3, :3]
    column = 12 - sampler.cameras.focal * local[:, 0] / local[:, 2]
    row = 12 + sampler.cameras.focal * local[:, 1] / local[:, 2]
    tile = 24 / TILES
    inside = ((column - 1.5 * tile).abs() < 0.8 * tile) & ((row - 2.5 * tile).abs() < 0.8 * tile)
    assert float(inside.float().mean()) > 0.9


def test_importance_gives_every_region_its_share_back():
    sampler = sampler_with_one_hard_region()
    total = torch.zeros(VIEWS * TILES**2)
    for chunk in range(10):
        new = sampler.draw_new_rays(chunk, COUNT, seeded(chunk))
        assert float(new.importance.max()) <= 1 / UNIFORM
        total.index_add_(0, new.regions, new.importance)
    share = total / total.mean()
    assert abs(float(total.sum()) / (10 * COUNT) - 1) < 0.01
    assert float((share - 1).abs().max()) < 0.12
    assert abs(float(share[HARD]) - 1) < 0.02


def test_half_are_fresh_and_fresh_without_scores_is_uniform():
    sampler = CameraSampler(cameras(VIEWS), FieldInfo(aabb=BOX))
    new = sampler.draw_new_rays(0, COUNT, seeded())
    assert torch.equal(new.importance, torch.ones(COUNT))
    counts = torch.bincount(new.regions, minlength=VIEWS * TILES**2)
    assert float((counts / counts.float().mean() - 1).abs().max()) < 0.35


def test_a_chunk_that_is_drawn_again_is_the_same(monkeypatch):
    sampler, buffer = sampler_with_one_hard_region(), filled_buffer(monkeypatch, 1)
    first = sampler.draw_new_rays(7, 500, seeded(1))
    learn(sampler, torch.arange(VIEWS), torch.full((VIEWS,), 9.0))
    again = sampler.draw_new_rays(7, 500, seeded(1))
    assert torch.equal(first.rays.directions, again.rays.directions)
    assert torch.equal(first.regions, again.regions)
    restored = CameraSampler(cameras(VIEWS), FieldInfo(aabb=BOX))
    buffer.made, buffer.numbers = 8, [7]
    restored.restore(sampler.state(buffer))
    assert torch.equal(restored.draw_new_rays(7, 500, seeded(1)).rays.origins, first.rays.origins)
    buffer.made, buffer.numbers = 9, [8]
    assert not sampler.state(buffer)["used"]


def test_the_buffer_keeps_regions_and_importance_with_their_rays(monkeypatch):
    batches = filled_sampler(monkeypatch, 1, ("camera",))
    sampler, answers = batches.active["camera"], batches.buffer.chunks[0]
    regions = sampler.draw_new_rays(0, 256, stream("bank", 0, 0)).regions
    assert len(answers.regions) == len(answers.importance) == len(answers) < 256
    part = answers.part(3, 9)
    assert torch.equal(part.regions, answers.regions[3:9])
    views = answers.regions // TILES**2
    eyes = sampler.cameras.poses[views, :3, 3]
    cosine = torch.nn.functional.cosine_similarity(answers.rays.origins, eyes, dim=-1)
    assert float((cosine > math.cos(math.radians(15))).float().mean()) > 0.6
    assert set(answers.regions.tolist()) <= set(regions.tolist())
