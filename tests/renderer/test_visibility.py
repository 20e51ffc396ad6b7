"""look: directions that stand for the cameras; fronts are lit, backs and insides are dark."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.renderer.cameras import Cameras, around, look_at
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.renderer.visibility import estimate_visibility, spread
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1.0, -1.0, -1.0), (1.0, 1.0, 3.0)))
AXES = torch.cat([torch.eye(3), -torch.eye(3)])
CENTER, HALF = torch.tensor([0.1, 0.0, 1.0]), torch.tensor([0.4, 0.5, 0.3])


def body(density: float, kind: str = "box") -> AnalyticField:
    primitive = {
        "kind": kind,
        "center": CENTER.tolist(),
        "size": HALF.tolist(),
        "density": density,
        "color": (1.0, 1.0, 1.0),
        "softness": 1e-3,
    }
    field = AnalyticField(AnalyticConfig(primitives=(primitive,)), INFO)
    build_occupancy(field, resolution=64)
    return field


def from_axes(distance: float = 6.0) -> Cameras:
    """Six cameras, on the positive axes through the box and then on the negative ones."""
    return Cameras(look_at(CENTER + distance * AXES, CENTER), 8, 8, 10.0)


def test_fronts_are_seen_and_backs_are_not():
    visibility = estimate_visibility(body(200.0), from_axes())
    faces = CENTER + AXES * HALF * 0.97  # just under each face
    order = torch.tensor([int((visibility.directions @ -axis).argmax()) for axis in AXES])
    torch.testing.assert_close(visibility.directions[order], -AXES, rtol=0, atol=0.05)
    seen = visibility.transmittance(faces)[:, order]
    assert seen.diagonal().min() > 0.95
    for axis in range(6):
        assert seen[axis, (axis + 3) % 6] < 0.01  # from behind, through the whole box


def test_inside_an_opaque_box_is_dark():
    points = CENTER + (torch.rand(500, 3) * 2 - 1) * HALF * 0.75
    assert estimate_visibility(body(200.0), from_axes()).transmittance(points).max() < 0.01


def test_edges_of_a_box_are_seen_at_a_slant():
    """A camera that looks along (1, 1, 0) sees the two faces it looks at."""
    eye = CENTER + 6 * torch.tensor([[-1.0, -1.0, 0.0]])
    visibility = estimate_visibility(body(200.0), Cameras(look_at(eye, CENTER), 8, 8, 10.0))
    near, far = CENTER - AXES[:2] * HALF, CENTER + AXES[:2] * HALF
    assert visibility.transmittance(near).min() > 0.9
    assert visibility.transmittance(far).max() < 0.01


def test_light_through_thin_matter_is_its_transmittance():
    density = 1.5
    visibility = estimate_visibility(
        body(density), Cameras(look_at(CENTER + 6 * AXES[2:3], CENTER), 8, 8, 10.0)
    )
    depth = torch.linspace(0.1, 0.5, 9)  # below the upper face
    points = CENTER + torch.stack([0 * depth, 0 * depth, HALF[2] - depth], 1)
    got = -visibility.transmittance(points)[:, 0].log() / density
    # Two cells of light are given away, and the answer is that of the middle of a cell.
    assert ((depth - got) > 0).all()
    assert ((depth - got) < 0.05).all()


def test_behind_a_blob_is_dark():
    visibility = estimate_visibility(body(80.0, "blob"), from_axes())
    behind = CENTER + AXES * HALF * 1.2
    for axis, direction in enumerate(AXES):
        k = int((visibility.directions @ direction).argmax())  # looks at the other side
        assert visibility.transmittance(behind)[axis, k] < 0.01


def test_seen_from_above_only_nothing_is_seen_from_below():
    above = around(
        tuple(CENTER.tolist()), (5.0, 6.0), 100, torch.Generator().manual_seed(0), lowest=0.2
    )
    visibility = estimate_visibility(body(200.0), above)
    assert visibility.directions.shape == (32, 3)
    assert (visibility.directions[:, 2] < 0).all()
    torch.testing.assert_close(visibility.directions.norm(dim=1), torch.ones(32))
    underside = CENTER - AXES[2] * HALF * 0.95
    assert visibility.transmittance(underside[None]).max() < 0.01


def test_directions_are_far_apart():
    """Every camera has a chosen direction near it: the greedy choice is at most twice the best."""
    directions = torch.nn.functional.normalize(torch.randn(2000, 3), dim=-1)
    chosen = spread(directions, 32)
    cover = (directions @ chosen.T).amax(1).clamp(max=1).acos().max()
    apart = (chosen @ chosen.T - 2 * torch.eye(32)).max().acos()
    assert apart >= cover
    assert float(cover) < math.radians(
        40
    )  # 32 equal caps of the sphere have a radius of 20 degrees


def test_few_cameras_are_all_there():
    visibility = estimate_visibility(body(200.0), from_axes(), count=32)
    assert len(visibility.directions) == 6
    assert visibility.transmittance(torch.rand(7, 3)).shape == (7, 6)
    assert len(estimate_visibility(body(200.0), from_axes(), count=4).directions) == 4


def test_a_camera_in_the_middle_looks_ahead():
    field = body(200.0)
    low, high = (field.aabb.from_unit(corner) for corner in field.occupancy.bounds())
    pose = look_at((low + high)[None] / 2, torch.tensor([9.0, 0.0, 1.0]))
    visibility = estimate_visibility(field, Cameras(pose, 8, 8, 10.0))
    torch.testing.assert_close(visibility.directions, -pose[:, :3, 2])


def test_an_empty_field_hides_nothing():
    field = AnalyticField(AnalyticConfig(), INFO)
    field.occupancy.assign(torch.zeros(8, 8, 8, dtype=torch.bool))
    assert estimate_visibility(field, from_axes()).transmittance(torch.rand(50, 3)).min() == 1


def test_places_outside_count_as_the_border():
    visibility = estimate_visibility(body(200.0), from_axes())
    far = CENTER + 50 * AXES
    assert torch.equal(visibility.transmittance(far), visibility.transmittance(CENTER + 3 * AXES))
    assert visibility.transmittance(torch.zeros(0, 3)).shape == (0, 6)


def test_count_is_checked():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        estimate_visibility(body(200.0), from_axes(), count=0)
