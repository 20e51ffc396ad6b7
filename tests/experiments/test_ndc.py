"""ndc_rays: straight lines stay straight, and points go where the projection sends them."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.volume import Rays
from scripts.experiments.ndc import ndc_rays

CAMERA = {"width": 40, "height": 30, "focal": 35.0}


def rays(n: int = 50) -> Rays:
    origins = torch.randn(n, 3, dtype=torch.float64) * 0.3
    directions = torch.randn(n, 3, dtype=torch.float64) * 0.4 - torch.tensor([0.0, 0.0, 2.0])
    return Rays.of(origins, directions)


def project(point: torch.Tensor, near: float) -> torch.Tensor:
    """Perspective projection matrix of OpenGL with the far plane at infinity, one point."""
    x, y, z = point.tolist()
    matrix = torch.tensor(
        [
            [2 * 35.0 / 40, 0, 0, 0],
            [0, 2 * 35.0 / 30, 0, 0],
            [0, 0, -1, -2 * near],
            [0, 0, -1, 0],
        ],
        dtype=torch.float64,
    )
    clip = matrix @ torch.tensor([x, y, z, 1.0], dtype=torch.float64)
    return clip[:3] / clip[3]


@pytest.mark.parametrize("near", [1.0, 0.4])
def test_points_of_a_ray_stay_on_it(near):
    world = rays()
    ndc = ndc_rays(world, **CAMERA, near_plane=near)
    for i in range(len(world)):
        for depth in (near, 2.0, 7.0, 500.0):
            t = (-depth - world.origins[i, 2]) / world.directions[i, 2]
            point = project(world.origins[i] + t * world.directions[i], near)
            along = (point - ndc.origins[i]) @ ndc.directions[i]
            torch.testing.assert_close(point, ndc.origins[i] + along * ndc.directions[i])
            assert -1e-9 <= along <= ndc.far[i]


def test_ends():
    ndc = ndc_rays(rays(), **CAMERA)
    ends = ndc.origins + ndc.far[:, None] * ndc.directions
    torch.testing.assert_close(ndc.origins[:, 2], -torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(ends[:, 2], torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(ndc.directions.norm(dim=1), torch.ones(50, dtype=torch.float64))
    assert not ndc.near.any()


def test_colors_see_world_directions():
    world = rays()
    assert torch.equal(ndc_rays(world, **CAMERA).view_directions, world.directions)


def test_reference_camera_fills_the_cube():
    """Corner pixels of the camera at the origin run along the edges of the cube."""
    corners = torch.tensor([[-20.0, 15.0], [20.0, -15.0]]) / 35.0
    world = Rays.of(torch.zeros(2, 3), torch.cat([corners, -torch.ones(2, 1)], 1))
    ndc = ndc_rays(world, **CAMERA)
    torch.testing.assert_close(ndc.origins, torch.tensor([[-1.0, 1, -1], [1, -1, -1]]))
    torch.testing.assert_close(ndc.directions, torch.tensor([[0.0, 0, 1], [0, 0, 1]]))


def test_rays_that_look_back():
    back = Rays.of(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]))
    with pytest.raises(ValueError, match="-z"):
        ndc_rays(back, **CAMERA)
    with pytest.raises(ValueError, match="focal"):
        ndc_rays(rays(), width=4, height=4, focal=0.0)
