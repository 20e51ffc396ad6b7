"""poses_bounds.npy: axes, scale and center by hand; a real capture; damage."""

from __future__ import annotations

import math
import struct

import cv2
import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.renderer.scene import read_scene

HWF = [30.0, 40.0, 50.0]


def row(place, turn: float = 0.0, depths=(2.0, 9.0)) -> list[float]:
    """A camera at `place` that looks along -z, turned by `turn` about y: axes down, right, back."""
    right = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    back = np.array([math.sin(turn), 0.0, math.cos(turn)])
    matrix = np.stack([[0.0, -1.0, 0.0], right, back, np.array(place), HWF], 1)
    return [*matrix.flatten(), *depths]


def write(folder, rows, images: int | None = None, name: str = "images_8"):
    np.save(folder / "poses_bounds.npy", np.array(rows))
    for index in range(len(rows) if images is None else images):
        (folder / name).mkdir(exist_ok=True)
        pixels = np.full((6, 8, 3), index * 10, np.uint8)
        cv2.imwrite(str(folder / name / f"{index:03d}.png"), pixels)
    return folder


def test_poses_are_seen_from_their_mean_and_the_nearest_depth_is_at_four_thirds(tmp_path):
    rows = [row((5.0, 1.0, 3.0), 0.2, (4.0, 9.0)), row((7.0, 1.0, 3.0), -0.2, (8.0, 20.0))]
    scene = read_scene(write(tmp_path, rows))
    cameras = scene.cameras
    torch.testing.assert_close(
        cameras.poses[:, :3, 3], torch.tensor([[-1 / 3, 0, 0], [1 / 3, 0, 0]]), atol=1e-6, rtol=0
    )
    backs = torch.tensor([[math.sin(0.2), 0, math.cos(0.2)], [-math.sin(0.2), 0, math.cos(0.2)]])
    torch.testing.assert_close(cameras.poses[:, :3, 2], backs, atol=1e-6, rtol=0)
    torch.testing.assert_close(cameras.poses[:, :3, 1], torch.tensor([[0.0, 1, 0]] * 2))
    assert (cameras.width, cameras.height) == (8, 6)
    assert cameras.focal == pytest.approx(10.0)  # 50 of 40 pixels, at 8
    assert scene.images[:, 0, 0, 0].tolist() == pytest.approx([0.0, 10 / 255])


def test_a_capture_that_is_turned_and_moved_is_the_same_scene(tmp_path):
    """The axes that the poses are written in do not matter."""
    rows = np.array([row((float(i), i * 0.3, i % 2), 0.1 * i) for i in range(4)])
    angle = 0.7
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
    turn = np.vstack([turn, [0, 0, 1]])[[1, 2, 0]]
    moved = rows.copy()
    matrices = rows[:, :15].reshape(-1, 3, 5)
    changed = np.concatenate([turn @ matrices[..., :4], matrices[..., 4:]], -1)
    changed[..., 3] += [3.0, -2.0, 1.0]
    moved[:, :15] = changed.reshape(-1, 15)
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    first = read_scene(write(tmp_path / "a", rows), images=False).cameras
    second = read_scene(write(tmp_path / "b", moved), images=False).cameras
    torch.testing.assert_close(first.poses, second.poses, atol=1e-5, rtol=0)


def test_every_eighth_view_is_held_out(tmp_path):
    folder = write(tmp_path, [row((i, 0, 0)) for i in range(17)])
    assert len(read_scene(folder, split="test", images=False).cameras) == 3
    train = read_scene(folder, split="train", images=False)
    assert (len(train.cameras), train.names[0]) == (14, "images_8/001.png")


def test_without_images_the_size_is_that_of_the_file(tmp_path):
    scene = read_scene(write(tmp_path, [row((0, 0, 0))], images=0), images=False)
    assert (scene.cameras.width, scene.cameras.height, len(scene.names)) == (40, 30, 1)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (np.zeros((0, 17)), "finite numbers"),
        (np.zeros((3, 16)), r"found an array \[3, 16\]"),
        (np.zeros(17), r"found an array \[17\]"),
        (np.zeros((2, 17), int), "finite numbers"),
        ([row((0, 0, math.nan))], "finite numbers"),
        ([row((0, 0, 0), depths=(0.0, 5.0))], "positive"),
        ([row((0, 0, 0)), [*row((0, 0, 0))[:14], 99.0, 2.0, 9.0]], "one positive size"),
        ([[0.0, 0.0, 0.0, 0.0, 3.0] * 3 + [1.0, 2.0]], "no rotation"),
    ],
)
def test_damage_is_told(tmp_path, rows, why):
    with pytest.raises(FormatError, match=why):
        read_scene(write(tmp_path, rows), images=False)


def test_missing_images_pickles_and_lies_are_refused(tmp_path):
    with pytest.raises(FormatError, match="2 cameras, but images_8 has 1 images"):
        read_scene(write(tmp_path, [row((0, 0, 0)), row((1, 0, 0))], images=1))
    np.save(tmp_path / "poses_bounds.npy", np.array([{"a": 1}], object))
    with pytest.raises(FormatError, match="camera poses"):
        read_scene(tmp_path)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 17), }"
    text = header.ljust(117) + b"\n"
    lie = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    for content in (lie, lie + bytes(1000), b"\x93NUMPY", b""):
        (tmp_path / "poses_bounds.npy").write_bytes(content)
        with pytest.raises(FormatError, match="camera poses"):
            read_scene(tmp_path)


def test_a_real_capture(shared):
    scene = read_scene(shared / "data/llff/fern", split="test", resolution=(126, 95))
    assert scene.images.shape == (3, 95, 126, 3)
    assert scene.cameras.focal == pytest.approx(407.57 / 4, abs=0.01)
    assert float(scene.cameras.poses[:, 2, 2].min()) > 0.98
