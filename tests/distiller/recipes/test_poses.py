"""Poses of the published recipes, and the pools of hard poses and rays."""

import math

import pytest
import torch

from nerfconvert.distiller.recipes.pvd.pools import HARD_POSES, PosePool, RayPool, tilted
from nerfconvert.distiller.recipes.pvd.poses import EPOCH, PoseSource, elevation_bands
from nerfconvert.renderer.cameras import Cameras, look_at
from nerfconvert.volume import Aabb, Rays

HARD_RAYS = 409  # of 4096
BOX = Aabb((-1, -1, 0), (1, 1, 2))
CENTER = torch.tensor([0.0, 0.0, 1.0])


def ring(radii: list[float]) -> Cameras:
    eyes = CENTER + torch.tensor([[r, 0.0, 0.0] for r in radii])
    return Cameras(look_at(eyes, CENTER), 40, 30, 50.0)


def elevations(poses: torch.Tensor) -> torch.Tensor:
    offset = poses[:, :3, 3] - CENTER
    return torch.rad2deg(torch.asin(offset[:, 2] / offset.norm(dim=-1)))


def test_an_epoch_has_312_poses_mostly_low_ones(generator):
    bands = elevation_bands()
    assert len(bands) == EPOCH == 312
    assert bands[0] == (0, 0)
    assert max(high for _, high in bands) == 79
    poses = torch.cat([PoseSource.fixed(ring([4.0]), BOX).epoch(generator) for _ in range(20)])
    found = elevations(poses)
    assert float(found.mean()) == pytest.approx(28, abs=0.5)
    for part, degrees in ((0.05, 0.5), (0.5, 25), (0.95, 67)):
        assert float(found.quantile(part)) == pytest.approx(degrees, abs=1)


def test_poses_look_at_the_center_from_the_median_distance(generator):
    source = PoseSource.fixed(ring([3.0, 4.0, 9.0]), BOX)
    poses = source.epoch(generator)
    offset = poses[:, :3, 3] - CENTER
    torch.testing.assert_close(offset.norm(dim=-1), torch.full((EPOCH,), 4.0))
    ahead = -poses[:, :3, 2]
    torch.testing.assert_close(ahead, -offset / 4.0, atol=1e-5, rtol=0)
    camera = source.camera(poses[3])
    assert (len(camera), camera.width, camera.height, camera.focal) == (1, 40, 30, 50.0)


def test_active_learning_draws_distances_between_those_of_the_cameras(generator):
    poses = PoseSource.ranged(ring([3.0, 5.0]), BOX).epoch(generator)
    distance = (poses[:, :3, 3] - CENTER).norm(dim=-1)
    assert 2.99 <= float(distance.min()) < 3.1
    assert 4.9 < float(distance.max()) <= 5.01


def test_tilted_poses_still_look_at_the_center(generator):
    poses = PoseSource.fixed(ring([4.0]), BOX).epoch(generator)[:50]
    turned = tilted(poses, CENTER, generator)
    offset = turned[:, :3, 3] - CENTER
    torch.testing.assert_close(offset.norm(dim=-1), torch.full((50,), 4.0))
    torch.testing.assert_close(turned[:, :3, 2], offset / 4.0, atol=1e-5, rtol=0)
    cosine = (turned[:, :3, 2] * poses[:, :3, 2]).sum(-1)
    assert float(cosine.min()) > math.cos(math.radians(3 * 9))
    assert float(cosine.max()) < 1


def turn(pool: PosePool, epoch: int, errors: list[float]) -> torch.Tensor:
    """One epoch of a pool; its poses are marked by the epoch, those of the last one by its."""
    last, new = (torch.eye(4).repeat(EPOCH, 1, 1) * (e + 1) for e in (epoch - 1, epoch))
    for error in errors:
        pool.note(torch.tensor(error))
    return pool.turn(last, new, epoch, torch.zeros(3), seed=0)


def test_the_pose_pool_fills_from_epoch_4_and_acts_from_epoch_8():
    pool = PosePool()
    sizes = []
    for epoch in range(2, 9):
        poses = turn(pool, epoch, [0.1] * EPOCH)
        sizes.append(len(pool.poses))
        replaced = (poses[:, 3, 3] != epoch + 1).sum()
        assert int(replaced) == (HARD_POSES if epoch == 8 else 0)
    assert sizes == [0, 0, 31, 62, 93, 124, 124]


def test_the_largest_errors_choose_by_position_whatever_was_visited_there():
    pool = PosePool()
    last = torch.arange(EPOCH, dtype=torch.float32)[:, None, None] * torch.ones(4, 4)
    errors = torch.linspace(0, 1, EPOCH)
    for error in errors:
        pool.note(error)
    pool.turn(last, last, 4, torch.zeros(3), seed=0)
    assert sorted(pool.poses[:, 0, 0].tolist()) == list(range(EPOCH - HARD_POSES, EPOCH))


def batch(count: int, mark: float) -> Rays:
    origins = torch.full((count, 3), float(mark))
    return Rays.of(origins, torch.ones(count, 3))


def test_the_ray_pool_fills_with_the_worst_rays_and_then_replays_them(generator):
    pool = RayPool(capacity=1000)
    for step in range(3):
        rays = pool.extend(batch(4096, step), generator)
        assert len(rays) == 4096
        errors = torch.zeros(4096)
        errors[:HARD_RAYS] = 1.0
        rays.origins[:HARD_RAYS] += 0.5
        pool.keep(rays, errors)
    assert len(pool.origins) == 1000
    assert ((pool.origins[:, 0] % 1) == 0.5).all()
    rays = pool.extend(batch(4096, 7.0), generator)
    assert len(rays) == 4096 + HARD_RAYS == 4505
    pool.keep(rays, (rays.origins[:, 0] == 7.0).float())
    assert int((pool.origins[:, 0] == 7.0).sum()) == HARD_RAYS
    assert (pool.origins[pool.drawn, 0] == 7.0).all()


def test_a_closed_ray_pool_replays_the_rays_that_it_has(generator):
    pool = RayPool()
    pool.closed = True
    assert len(pool.extend(batch(4096, 0.0), generator)) == 4096
    pool.keep(batch(4096, 1.0), torch.ones(4096))
    assert len(pool.extend(batch(4096, 2.0), generator)) == 4096 + HARD_RAYS
