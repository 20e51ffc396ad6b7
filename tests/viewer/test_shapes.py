import dataclasses

import numpy as np
import torch

from nerfconvert.formats import load
from nerfconvert.viewer.shapes import MOST_POINTS, box_of, edges, occupied_points
from nerfconvert.volume import Aabb, Frustum
from nerfconvert.volume.contraction import Contraction


def test_a_box_has_twelve_edges_three_at_each_corner():
    segments = edges(Aabb((-1.0, 0.0, 2.0), (1.0, 3.0, 7.0)))
    assert segments.shape == (12, 2, 3)
    lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    assert sorted(lengths) == [2] * 4 + [3] * 4 + [5] * 4
    corners, counts = np.unique(segments.reshape(-1, 3), axis=0, return_counts=True)
    assert len(corners) == 8
    assert (counts == 3).all()


def test_points_are_the_shell_of_what_is_occupied(scenes):
    field = load(scenes / "blobs.toml")
    dense = torch.zeros(32, 32, 32, dtype=torch.bool)
    dense[4:20, 8:28, 12:24] = True  # bricks 1..5, 2..7, 3..6
    field.occupancy.assign(dense)
    points = torch.from_numpy(occupied_points(field))
    bricks = (field.aabb.to_unit(points) * 8).floor().long()
    expected = {
        (x, y, z)
        for x in range(1, 5)
        for y in range(2, 7)
        for z in range(3, 6)
        if x in (1, 4) or y in (2, 6) or z in (3, 5)
    }
    assert {tuple(b) for b in bricks.tolist()} == expected
    assert len(points) == len(expected)


def test_a_full_or_an_empty_field_has_few_points(scenes):
    field = load(scenes / "blobs.toml")
    field.occupancy.assign(torch.ones(256, 256, 256, dtype=torch.bool))
    assert 0 < len(occupied_points(field)) <= MOST_POINTS
    field.occupancy.assign(torch.zeros(32, 32, 32, dtype=torch.bool))
    assert occupied_points(field).shape == (0, 3)
    assert box_of(field) == field.aabb


def test_an_unbounded_field_has_the_box_that_is_not_contracted(scenes):
    field = load(scenes / "blobs.toml")
    space = Contraction("inf", (1.0, 0.0, 0.0), 3.0)
    whole = Aabb((-5.0, -6.0, -6.0), (7.0, 6.0, 6.0), space)
    field.info = dataclasses.replace(field.info, aabb=whole)
    field.occupancy.assign(torch.ones(32, 32, 32, dtype=torch.bool))
    assert box_of(field) == Aabb((-2.0, -3.0, -3.0), (4.0, 3.0, 3.0))
    points = occupied_points(field)
    away = np.abs(points - np.array([1, 0, 0])).max(1)
    assert np.allclose(away, 12)  # bricks at 7/4 of the radius: 1 / (2 - 7/4) radii away


def test_a_forward_facing_field_has_no_box_and_points_before_its_camera(scenes):
    field = load(scenes / "blobs.toml")
    frustum = Frustum(width=504, height=378, focal=408)
    cube = Aabb((-1.0,) * 3, (1.0,) * 3)
    field.info = dataclasses.replace(field.info, frame="ndc", frustum=frustum, aabb=cube)
    field.occupancy.assign(torch.ones(32, 32, 32, dtype=torch.bool))
    assert box_of(field) is None
    points = occupied_points(field)
    assert len(points)
    assert np.isfinite(points).all()
    assert (points[:, 2] <= -1).all()
