"""Camera level: scores stay with their cameras, new rays come from near them, nothing is lost."""

from __future__ import annotations

import math

import torch

from nerfconvert.distiller.active.cameras import TILES, UNIFORM, CameraLevel
from nerfconvert.distiller.streams import stream
from nerfconvert.volume import Aabb
from tests.distiller.scene import cameras, filled_bank, seeded

BOX = Aabb((-1, -1, -1), (1, 1, 1))
VIEWS, COUNT = 8, 20_000
HARD = (5 * TILES + 2) * TILES + 1  # view 5, third row of tiles, second column


def level_with_one_hard_region() -> CameraLevel:
    """All regions have been seen, in an order of no meaning; one of them was wrong."""
    level = CameraLevel(cameras(VIEWS), BOX)
    regions = torch.randperm(VIEWS * TILES**2, generator=seeded(2))
    for _ in range(60):
        level.learn(regions, torch.where(regions == HARD, 40.0, 0.5))
    return level


def test_hard_rays_come_from_near_the_camera_that_was_wrong():
    level = level_with_one_hard_region()
    rays, regions, _ = level.draw(0, COUNT, seeded())
    chosen = regions == HARD
    share = (1 - UNIFORM) * 40 / (40 + 0.5 * (VIEWS * TILES**2 - 1))
    assert abs(float(chosen.float().mean()) - share - UNIFORM / (VIEWS * TILES**2)) < 0.02
    eye = level.cameras.poses[5, :3, 3]
    cosine = torch.nn.functional.cosine_similarity(rays.origins, eye[None], dim=-1)
    near = cosine.clamp(-1, 1).acos()
    assert float((near[chosen] < math.radians(15)).float().mean()) > 0.95
    assert float((near[chosen] > math.radians(1)).float().mean()) > 0.3  # not the camera itself
    distance = rays.origins[chosen].norm(dim=-1)
    assert float((distance - eye.norm()).abs().median()) < 1e-4  # on its sphere


def test_they_look_where_the_region_looks():
    """Through the same tile of the hard camera, seen from there: the point next to the center."""
    level = level_with_one_hard_region()
    rays, regions, _ = level.draw(0, COUNT, seeded())
    chosen = rays[regions == HARD]
    seen = chosen.origins - (chosen.origins * chosen.directions).sum(-1, True) * chosen.directions
    pose = level.cameras.poses[5]
    local = (seen - pose[:3, 3]) @ pose[:3, :3]
    column = 12 - level.cameras.focal * local[:, 0] / local[:, 2]
    row = 12 + level.cameras.focal * local[:, 1] / local[:, 2]
    tile = 24 / TILES
    inside = ((column - 1.5 * tile).abs() < 0.8 * tile) & ((row - 2.5 * tile).abs() < 0.8 * tile)
    assert float(inside.float().mean()) > 0.9


def test_importance_gives_every_region_its_share_back():
    level = level_with_one_hard_region()
    total = torch.zeros(VIEWS * TILES**2)
    for chunk in range(10):
        _, regions, importance = level.draw(chunk, COUNT, seeded(chunk))
        assert float(importance.max()) <= 1 / UNIFORM
        total.index_add_(0, regions, importance)
    share = total / total.mean()
    assert abs(float(total.sum()) / (10 * COUNT) - 1) < 0.01
    assert float((share - 1).abs().max()) < 0.12
    assert abs(float(share[HARD]) - 1) < 0.02


def test_half_are_fresh_and_fresh_without_scores_is_uniform():
    level = CameraLevel(cameras(VIEWS), BOX)
    _, regions, importance = level.draw(0, COUNT, seeded())
    assert torch.equal(importance, torch.ones(COUNT))
    counts = torch.bincount(regions, minlength=VIEWS * TILES**2)
    assert float((counts / counts.float().mean() - 1).abs().max()) < 0.35


def test_a_chunk_that_is_drawn_again_is_the_same():
    level = level_with_one_hard_region()
    first, regions, _ = level.draw(7, 500, seeded(1))
    level.learn(torch.arange(VIEWS), torch.full((VIEWS,), 9.0))
    again, same, _ = level.draw(7, 500, seeded(1))
    assert torch.equal(first.directions, again.directions)
    assert torch.equal(regions, same)
    restored = CameraLevel(cameras(VIEWS), BOX)
    restored.restore(level.state(oldest=7))
    assert torch.equal(restored.draw(7, 500, seeded(1))[0].origins, first.origins)
    assert not level.state(oldest=8)["used"]


def test_the_bank_keeps_regions_and_importance_with_their_rays(monkeypatch):
    level = CameraLevel(cameras(), BOX)
    bank = filled_bank(monkeypatch, 1, level)
    lesson = bank.lessons[0]
    _, regions, _ = level.draw(0, 256, stream("bank", 0, 0))
    assert len(lesson.regions) == len(lesson.importance) == len(lesson) < 256
    part = lesson.part(3, 9)
    assert torch.equal(part.regions, lesson.regions[3:9])
    views = lesson.regions // TILES**2
    eyes = level.cameras.poses[views, :3, 3]
    cosine = torch.nn.functional.cosine_similarity(lesson.rays.origins, eyes, dim=-1)
    assert float((cosine > math.cos(math.radians(15))).float().mean()) > 0.6
    assert set(lesson.regions.tolist()) <= set(regions.tolist())
