"""Box and background of a photographed scene, from its cameras, its file and its images."""

from dataclasses import replace

import pytest
import torch

from nerfconvert.renderer.cameras import Cameras, around, look_at
from nerfconvert.renderer.scene import Scene
from nerfconvert.renderer.scene_box import Found, find_background, find_box, focus, inside
from nerfconvert.volume import Aabb

WHITE, BLACK = Found("white", ""), Found("black", "")


def scene(target=(1.0, 2.0, 3.0), scale=None) -> Scene:
    generator = torch.Generator().manual_seed(0)
    cameras = around(target, (4.0, 4.0), 12, generator, size=(40, 40))
    return Scene(cameras, None, ("",) * 12, scale)


def test_cameras_look_at_their_focus():
    assert focus(scene().cameras).tolist() == pytest.approx([1, 2, 3], abs=1e-3)


def test_the_box_of_an_object_is_what_the_frames_show():
    found = find_box(scene(), WHITE)
    half = 4 * 0.3639702 * 1.03  # 4 world units, tan 20 degrees, the margin
    assert found.value.high == pytest.approx([1 + half, 2 + half, 3 + half], abs=1e-2)


def test_the_box_of_a_captured_scene_reaches_to_the_cameras():
    found = find_box(scene(), BLACK)
    assert found.value.low == pytest.approx([-3, -2, -1], abs=1e-2)
    assert inside(scene().cameras, found.value) == 12


def test_aabb_scale_is_that_of_instant_ngp():
    near = find_box(scene((0.0, 0.0, 0.0), scale=4), BLACK)
    assert near.value.high == pytest.approx([4 / 0.66] * 3)
    assert near.origin == "aabb_scale 4"
    far = find_box(scene((0.0, 0.0, 0.0), scale=64), BLACK)
    assert far.value.high == pytest.approx([8.0] * 3, rel=1e-4)
    assert "cut" in far.origin


@pytest.mark.parametrize("scale", [0, -1])
def test_a_wrong_aabb_scale_is_named(scale):
    with pytest.raises(ValueError, match="aabb_scale must be positive"):
        find_box(scene(scale=scale), BLACK)


def test_cameras_without_a_common_place():
    eyes = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    parallel = look_at(eyes, eyes + torch.tensor([0.0, 0, -1]))
    outward = scene((0.0, 0.0, 0.0)).cameras.poses.clone()
    outward[:, :3, 2] *= -1
    for poses in (parallel, outward):
        with pytest.raises(ValueError, match="no common place"):
            focus(Cameras(poses, 8, 8, 8.0))


def test_cameras_in_one_point_have_no_box():
    poses = scene().cameras.poses.clone()
    poses[:, :3, 3] = 0
    with pytest.raises(ValueError):
        find_box(replace(scene(), cameras=Cameras(poses, 8, 8, 8.0)), BLACK)


def test_the_background_is_in_the_corners():
    photographs = torch.rand(5, 8, 8, 3) * 0.9
    assert find_background(photographs).value == "black"
    assert find_background(torch.rand(5, 8, 8, 4)).value == "white"
    photographs[:, [0, 0, -1, -1], [0, -1, 0, -1]] = 1.0
    assert find_background(photographs).value == "white"


def test_cameras_are_counted_in_the_box():
    assert inside(scene((0.0, 0.0, 0.0)).cameras, Aabb((-1,) * 3, (1,) * 3)) == 0
