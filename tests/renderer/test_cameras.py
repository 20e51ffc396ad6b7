import math

import pytest
import torch

from nerfconvert.renderer.cameras import (
    Cameras,
    around,
    focal_of,
    look_at,
    on_circle,
)


def test_the_middle_of_the_image_looks_along_minus_z():
    cameras = Cameras(torch.eye(4)[None], 4, 2, 3.0)
    rays = cameras.rays_at(torch.tensor([0]), torch.tensor([2.0]), torch.tensor([1.0]))
    torch.testing.assert_close(rays.directions, torch.tensor([[0.0, 0.0, -1.0]]))


def test_shifted_rays_pass_left_of_and_above_pixel_centers():
    cameras = Cameras(torch.eye(4)[None], 4, 2, 3.0)
    row, column = torch.meshgrid(torch.arange(2.0), torch.arange(4.0), indexing="ij")
    views = torch.zeros(8, dtype=torch.int64)
    corners = cameras.rays_at(views, column.flatten(), row.flatten())
    assert torch.equal(cameras.view_rays(0, 0.5 / 4).directions, corners.directions)
    assert not torch.equal(cameras.view_rays(0).directions, corners.directions)


def test_right_is_plus_x_and_up_is_plus_y():
    cameras = Cameras(torch.eye(4)[None], 4, 4, 2.0)
    views = torch.tensor([0, 0])
    rays = cameras.rays_at(views, torch.tensor([4.0, 2.0]), torch.tensor([2.0, 0.0]))
    half = math.sqrt(0.5)
    torch.testing.assert_close(rays.directions, torch.tensor([[half, 0, -half], [0, half, -half]]))


def test_view_rays_go_through_pixel_centres_row_by_row():
    cameras = Cameras(torch.eye(4)[None], 3, 2, 2.0)
    rays = cameras.view_rays(0)
    for row in range(2):
        for column in range(3):
            local = torch.tensor([(column + 0.5 - 1.5) / 2, (1 - row - 0.5) / 2, -1.0])
            expected = local / local.norm()
            torch.testing.assert_close(rays.directions[row * 3 + column], expected)


def test_resizing_keeps_the_field_of_view():
    cameras = Cameras(torch.eye(4)[None], 400, 300, focal_of(400, 50))
    small = cameras.resized(100, 75)
    assert small.focal == pytest.approx(focal_of(100, 50))
    corner = cameras.rays_at(torch.tensor([0]), torch.tensor([400.0]), torch.tensor([300.0]))
    other = small.rays_at(torch.tensor([0]), torch.tensor([100.0]), torch.tensor([75.0]))
    torch.testing.assert_close(corner.directions, other.directions)


def test_poses_are_rotations_that_look_at_the_target(generator):
    eyes = torch.randn(50, 3, generator=generator) * 3
    target = torch.tensor([0.3, -0.2, 0.1])
    poses = look_at(eyes, target)
    rotation = poses[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(50))
    forward = -rotation[:, :, 2]
    expected = torch.nn.functional.normalize(target - eyes, dim=-1)
    torch.testing.assert_close(forward, expected)
    assert (rotation[:, 2, 1] >= -1e-6).all()  # no camera is upside down


def test_looking_straight_down_is_legal():
    poses = look_at(torch.tensor([[0.0, 0.0, 5.0]]), torch.zeros(3))
    assert torch.isfinite(poses).all()
    torch.testing.assert_close(torch.linalg.det(poses[0, :3, :3]), torch.tensor(1.0))


def test_an_orbit_keeps_distance_and_elevation():
    cameras = on_circle((1.0, 2.0, 3.0), 4.0, 12, elevation=30)
    offsets = cameras.poses[:, :3, 3] - torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(offsets.norm(dim=-1), torch.full((12,), 4.0))
    torch.testing.assert_close(offsets[:, 2], torch.full((12,), 2.0))


def test_random_cameras_stay_in_their_shell(generator):
    cameras = around((0.0, 0.0, 1.0), (2.0, 3.0), 200, generator, lowest=-0.1)
    offsets = cameras.poses[:, :3, 3] - torch.tensor([0.0, 0.0, 1.0])
    radius = offsets.norm(dim=-1)
    assert radius.min() >= 2 - 1e-5
    assert radius.max() <= 3 + 1e-5
    assert (offsets[:, 2] / radius).min() >= -0.1 - 1e-5


def test_indexing_keeps_three_dimensions():
    cameras = on_circle((0.0, 0.0, 0.0), 1.0, 5)
    assert len(cameras[2]) == 1
    assert len(cameras[1:3]) == 2
    assert torch.equal(cameras[[4, 0]].poses[0], cameras.poses[4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": torch.eye(4)}, "poses"),
        ({"width": 0}, "resolution"),
        ({"focal": 0.0}, "focal"),
        ({"focal": math.nan}, "focal"),
    ],
)
def test_refuses_nonsense(change, message):
    good = {"poses": torch.eye(4)[None], "width": 4, "height": 4, "focal": 2.0}
    with pytest.raises(ValueError, match=message):
        Cameras(**{**good, **change})
