"""Box and background of a training: flags win, the data tells else, and both are said."""

import pytest
import torch

from nerfconvert.errors import UsageError
from nerfconvert.options.per_command import TrainOptions
from nerfconvert.pipelines.placement import parse_bounds, place
from nerfconvert.renderer.cameras import Cameras, around
from nerfconvert.renderer.scene import Scene


def scene(channels: int = 3, scale: float | None = None) -> Scene:
    generator = torch.Generator().manual_seed(0)
    cameras = around((0.0, 0.0, 0.0), (4.0, 4.0), 9, generator, size=(8, 8))
    return Scene(cameras, torch.full((9, 8, 8, channels), 0.5), ("",) * 9, scale)


def options(**more) -> TrainOptions:
    return TrainOptions(data="data", target="o.safetensors", arch="hashgrid", **more)


def test_a_capture_is_placed_by_its_file_and_is_on_black(caplog):
    found = place(options(), scene(scale=4))
    assert found.box.value.high == pytest.approx([4 / 0.66] * 3)
    assert found.background.value == "black"
    assert "from aabb_scale 4), with 9 of 9 cameras in it; background black" in str(found)
    assert not caplog.records
    assert found.document()["bounds_from"] == "aabb_scale 4"


def test_an_object_is_placed_by_its_cameras_and_is_on_white():
    found = place(options(), scene(4))
    assert found.box.value.high == pytest.approx([1.5] * 3, rel=0.01)
    assert found.background.value == "white"


def test_flags_win():
    found = place(options(bounds="2", background="white"), scene(scale=4))
    assert found.box.value.high == (2.0, 2.0, 2.0)
    assert found.background.value == "white"
    assert found.document()["background_from"] == "--background"


def test_cameras_inside_a_box_that_was_asked_for_are_named(caplog):
    place(options(bounds="2"), scene())
    assert not caplog.records
    place(options(bounds="5"), scene())
    assert "9 of 9 cameras stand inside the box (from --bounds)" in caplog.text


def test_cameras_that_tell_no_box_are_refused():
    views = scene()
    poses = views.cameras.poses.clone()
    poses[:, :3, 2] *= -1  # outward, as in a room
    outward = Scene(Cameras(poses, 8, 8, 8.0), views.images, views.names)
    with pytest.raises(UsageError, match="no common place; give one with bounds"):
        place(options(), outward)
    assert place(options(bounds="3"), outward).box.value.high == (3.0, 3.0, 3.0)


def test_bounds():
    assert parse_bounds("2").low == (-2.0, -2.0, -2.0)
    assert parse_bounds("0,0,0,1,2,3").high == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("text", ["wide", "1,2", "0", "1,1,1,0,0,0", "-1", "nan"])
def test_bounds_that_hold_nothing(text):
    with pytest.raises(UsageError, match="bounds must be"):
        parse_bounds(text)
