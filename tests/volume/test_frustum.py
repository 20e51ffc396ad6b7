"""Frustum: straight lines stay straight, and points go where the projection sends them."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.volume import Aabb, FieldInfo, Frustum, Rays

CAMERA = {"width": 40, "height": 30, "focal": 35.0}
FRUSTUM = Frustum(**CAMERA)


def rays(n: int = 50) -> Rays:
    generator = torch.Generator().manual_seed(5)
    draw = torch.randn(2, n, 3, dtype=torch.float64, generator=generator)
    return Rays.of(draw[0] * 0.3, draw[1] * 0.4 - torch.tensor([0.0, 0.0, 2.0]))


def project(point: torch.Tensor, near: float) -> torch.Tensor:
    """Perspective projection matrix of OpenGL with the far plane at infinity, one point."""
    x, y, z = point.tolist()
    rows = [[2 * 35 / 40, 0, 0, 0], [0, 2 * 35 / 30, 0, 0], [0, 0, -1, -2 * near], [0, 0, -1, 0]]
    matrix = torch.tensor(rows, dtype=torch.float64)
    clip = matrix @ torch.tensor([x, y, z, 1.0], dtype=torch.float64)
    return clip[:3] / clip[3]


@pytest.mark.parametrize("near", [1.0, 0.4])
def test_points_of_a_ray_are_projected(near):
    world, frustum = rays(), Frustum(**CAMERA, near_plane=near)
    ndc = frustum.rays(world)
    for i in range(len(world)):
        for depth in (near, 2.0, 7.0, 500.0):
            t = (-depth - world.origins[i, 2]) / world.directions[i, 2]
            place = world.origins[i] + t * world.directions[i]
            point = project(place, near)
            torch.testing.assert_close(frustum.to_ndc(place), point)
            torch.testing.assert_close(frustum.to_world(point), place)
            along = (point - ndc.origins[i]) @ ndc.directions[i]
            torch.testing.assert_close(point, ndc.origins[i] + along * ndc.directions[i])
            assert -1e-9 <= along <= ndc.far[i]


def test_ends():
    ndc = FRUSTUM.rays(rays())
    ends = ndc.origins + ndc.far[:, None] * ndc.directions
    one = torch.ones(50, dtype=torch.float64)
    torch.testing.assert_close(ndc.origins[:, 2], -one)
    torch.testing.assert_close(ends[:, 2], one, rtol=0, atol=1e-5)  # rays end at 1e6, not infinity
    torch.testing.assert_close(ndc.directions.norm(dim=1), one)
    torch.testing.assert_close(ndc.near, 0 * one)


def test_near_and_far_of_a_ray_are_kept():
    world = Rays.of(torch.zeros(1, 3), torch.tensor([[0.2, 0.1, -1.0]]), 3.0, 8.0)
    ndc = FRUSTUM.rays(world)
    for t, along in ((3.0, ndc.near), (8.0, ndc.far)):
        expected = FRUSTUM.to_ndc(t * world.directions)
        torch.testing.assert_close(ndc.origins + along * ndc.directions, expected)


def test_a_camera_in_front_of_the_near_plane_sees_nothing_behind_itself():
    ndc = FRUSTUM.rays(Rays.of(torch.tensor([[0.0, 0.0, -4.0]]), torch.tensor([[0.0, 0.0, -1.0]])))
    assert ndc.near.item() == pytest.approx(1.5)  # z = -4 is 1 - 2 / 4 in the cube, from -1
    short = Rays.of(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, -1.0]]), 0.0, 0.5)
    assert FRUSTUM.rays(short).far.item() <= FRUSTUM.rays(short).near.item()


def test_colors_see_world_directions():
    world = rays()
    assert torch.equal(FRUSTUM.rays(world).view_directions, world.directions)


def test_reference_camera_fills_the_cube():
    """Corner pixels of the camera at the origin run along the edges of the cube."""
    corners = torch.tensor([[-20.0, 15.0], [20.0, -15.0]]) / 35.0
    world = Rays.of(torch.zeros(2, 3), torch.cat([corners, -torch.ones(2, 1)], 1))
    ndc = FRUSTUM.rays(world)
    torch.testing.assert_close(ndc.origins, torch.tensor([[-1.0, 1, -1], [1, -1, -1]]))
    torch.testing.assert_close(ndc.directions, torch.tensor([[0.0, 0, 1], [0, 0, 1]]))


def test_rays_that_look_back_see_nothing():
    back = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    ndc = FRUSTUM.rays(Rays.of(torch.zeros(2, 3), back))
    assert not ndc.far.any()
    assert all(getattr(ndc, name).isfinite().all() for name in ("origins", "directions", "near"))


@pytest.mark.parametrize("name", [*CAMERA, "near_plane"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_refuses_sizes_that_are_none(name, value):
    with pytest.raises(ValueError, match=name):
        Frustum(**{**CAMERA, name: value})


def test_an_info_gives_the_rays_of_its_frame():
    cube, world = Aabb((-1, -1, -1), (1, 1, 1)), rays()
    assert FieldInfo(aabb=cube).local_rays(world) is world
    info = FieldInfo(aabb=cube, frame="ndc", frustum=FRUSTUM)
    assert torch.equal(info.local_rays(world).origins, FRUSTUM.rays(world).origins)
    assert info.middle == (0.0, 0.0, -2.0)
    with pytest.raises(ValueError, match="frustum"):
        FieldInfo(aabb=cube, frame="ndc").local_rays(world)
