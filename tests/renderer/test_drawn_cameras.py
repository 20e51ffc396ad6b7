"""Cameras drawn within an unbounded scene: between the viewpoints of its capture, or about it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.metrics.evaluation import HELD_OUT_BAND, TEACHING_BAND
from nerfconvert.renderer.camera_paths import Orbit, orbit
from nerfconvert.renderer.cameras import look_at, nearest_to_axes
from nerfconvert.renderer.drawn_cameras import drawn_cameras
from nerfconvert.volume import Aabb, Contraction, FieldInfo

BOX = Aabb((-4.0,) * 3, (4.0,) * 3, Contraction("inf", (0.0, 0.0, 0.0), 2.0))
MIDDLE = torch.tensor([0.3, -0.2, 0.5])


def capture(n: int = 20) -> torch.Tensor:
    """[n, 4, 4] poses on a circle of radius 3 that look at `MIDDLE`."""
    turn = torch.arange(n) * (2 * torch.pi / n)
    ring = torch.stack([3 * turn.cos(), 3 * turn.sin(), torch.full((n,), 1.5)], -1)
    return look_at(MIDDLE + ring, MIDDLE)


def field(poses: torch.Tensor | None = None) -> AnalyticField:
    seen = () if poses is None else tuple(map(tuple, poses[:, :3].flatten(1).tolist()))
    return AnalyticField(AnalyticConfig(primitives=()), FieldInfo(aabb=BOX, viewpoints=seen))


def test_teaching_is_from_viewpoints_and_measuring_from_between_them():
    poses = capture()
    for band, gap in ((TEACHING_BAND, 0.0), (HELD_OUT_BAND, 0.2)):
        draw = torch.Generator().manual_seed(2)
        cameras = drawn_cameras(field(poses), band, 60, (12, 8), draw)
        offset = cameras.poses[:, None, :3, 3] - poses[:, :3, 3]
        distance = offset.norm(dim=-1).amin(1)
        assert float(distance.min()) >= gap - 1e-6
        assert float(distance.max()) <= 3 * gap + 1e-6
        turned = cameras.poses[:, :3, :3]
        torch.testing.assert_close(turned.mT @ turned, torch.eye(3).expand(60, 3, 3))
        ahead = torch.nn.functional.normalize(MIDDLE - cameras.poses[:, :3, 3], dim=1)
        assert float((ahead * -cameras.poses[:, :3, 2]).sum(1).min()) > 0.99


def test_one_viewpoint_is_enough():
    draw = torch.Generator().manual_seed(2)
    cameras = drawn_cameras(field(capture(1)), HELD_OUT_BAND, 3, (12, 8), draw)
    torch.testing.assert_close(cameras.poses, capture(1).expand(3, 4, 4))


def test_without_viewpoints_cameras_stand_about_what_is_not_contracted():
    draw = torch.Generator().manual_seed(2)
    cameras = drawn_cameras(field(), HELD_OUT_BAND, 60, (12, 8), draw)
    distance = cameras.poses[:, :3, 3].norm(dim=1)
    ((low, high),) = HELD_OUT_BAND.shells
    assert float(distance.min()) >= 2 * low - 1e-5
    assert float(distance.max()) <= 2 * high + 1e-5
    assert float(cameras.poses[:, 2, 3].min()) > 0


def test_a_video_goes_round_where_the_viewpoints_look():
    poses = capture()
    torch.testing.assert_close(nearest_to_axes(poses[:, :3])[0], MIDDLE, rtol=0, atol=1e-4)
    cameras = orbit(field(poses), 8, size=(12, 8))
    offset = cameras.poses[:, :3, 3] - MIDDLE
    torch.testing.assert_close(offset[:, :2].norm(dim=1), torch.full((8,), 3.0))
    torch.testing.assert_close(offset[:, 2], torch.full((8,), 1.5))


def test_receipts_tell_where_cameras_stand():
    some = field(capture())
    assert "between viewpoints" in HELD_OUT_BAND.told(some)
    some.info = dataclasses.replace(some.info, viewpoints=())
    assert "not contracted" in HELD_OUT_BAND.told(some)


@pytest.mark.parametrize("count", [0, 5])
def test_as_many_as_asked(count):
    draw = torch.Generator().manual_seed(2)
    assert len(drawn_cameras(field(capture()), TEACHING_BAND, count, (12, 8), draw)) == count


def test_a_video_without_viewpoints_goes_round_within_the_scene():
    cameras = orbit(field(), 8, size=(12, 8))
    distance = cameras.poses[:, :3, 3].norm(dim=1)
    torch.testing.assert_close(distance, torch.full((8,), 2 * Orbit().radius_factor))
