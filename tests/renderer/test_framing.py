"""A ball about what a field shows: closed forms, stray cells, an empty field."""

import math

import pytest
import torch

from nerfconvert.formats import load
from nerfconvert.renderer.camera_paths import HIGHEST, LOWEST, rising
from nerfconvert.renderer.framing import framing_distance, shown_ball


@pytest.fixture
def field(scenes):
    field = load(scenes / "blobs.toml")
    field.occupancy.assign(torch.zeros(64, 64, 64, dtype=torch.bool))
    return field


def occupy(field, center, radius, resolution=64):
    """A ball of cells, of unit-cube center and radius."""
    axis = (torch.arange(resolution) + 0.5) / resolution
    places = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    cells = (places - torch.tensor(center)).norm(dim=-1) < radius
    field.occupancy.assign(field.occupancy.dense() | cells)


def test_a_ball_of_cells_is_found(field):
    occupy(field, (0.5, 0.4, 0.6), 0.25)
    ball = shown_ball(field)
    expected = field.aabb.from_unit(torch.tensor([0.5, 0.4, 0.6]))
    edge = max(field.aabb.size)
    torch.testing.assert_close(torch.tensor(ball.center), expected, atol=0.05 * edge, rtol=0)
    assert 0.25 * min(field.aabb.size) < ball.radius < (0.25 + math.sqrt(3) / 16) * edge


def test_a_stray_cell_moves_nothing(field):
    occupy(field, (0.5, 0.5, 0.5), 0.25)
    before = shown_ball(field)
    dense = field.occupancy.dense()
    dense[0, 0, 0] = dense[63, 1, 2] = True
    field.occupancy.assign(dense)
    assert shown_ball(field) == before
    assert field.occupied_box().diagonal > 3 * before.radius


def test_an_empty_field_is_framed_by_its_box(field):
    ball = shown_ball(field)
    assert ball.center == field.aabb.center
    assert ball.radius == pytest.approx(0.5 * field.aabb.diagonal)


def test_a_framed_ball_touches_the_edges_of_the_view():
    assert math.degrees(math.asin(2.5 / framing_distance(2.5, 40))) == pytest.approx(20)


def test_a_spiral_rises_and_closes_at_the_distance_of_the_orbit(field):
    ball = shown_ball(field)
    cameras = rising(field, 24, (32, 24))
    away = cameras.poses[:, :3, 3] - torch.tensor(ball.center)
    distance = away.norm(dim=1)
    elevation = torch.rad2deg((away[:, 2] / distance).asin())
    assert torch.allclose(distance, torch.tensor(1.05 * framing_distance(ball.radius)))
    assert abs(float(elevation.min()) - LOWEST) < 0.1
    assert abs(float(elevation.max()) - HIGHEST) < 0.1
    steps = (away - away.roll(1, 0)).norm(dim=1)
    assert steps[0] <= 1.01 * steps[1:].max()
    assert torch.allclose(-cameras.poses[:, :3, 2], -away / distance[:, None], atol=1e-5)
