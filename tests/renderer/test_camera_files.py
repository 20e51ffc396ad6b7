"""What every kind of camera file must do, taken from the table; and what is its own of each."""

from __future__ import annotations

import json
import math
import random
import struct
import time

import numpy as np
import pytest

from nerfconvert.errors import FormatError
from nerfconvert.renderer.camera_files import CAMERA_FILES, camera_file_of, read_capture
from nerfconvert.renderer.camera_files.camera_file import Asked
from nerfconvert.renderer.camera_files.instant_ngp_path import keyframe_at
from nerfconvert.renderer.frames import poses_in_field
from nerfconvert.renderer.scene import read_scene
from tests.renderer import camera_samples as samples
from tests.renderer.camera_samples import FOCAL, POSES, SAMPLES, SIZE

ASKED = Asked(size=SIZE, frames=len(POSES))
CASES = [(name, write) for name, writers in SAMPLES.items() for write in writers]
each_kind = pytest.mark.parametrize(
    ("name", "write"), CASES, ids=lambda v: getattr(v, "__name__", v)
)


def test_every_kind_has_a_sample():
    assert set(SAMPLES) == set(CAMERA_FILES)


@each_kind
def test_reads_the_same_cameras(tmp_path, name, write):
    path = write(tmp_path)
    assert type(camera_file_of(path)) is CAMERA_FILES[name]
    capture = read_capture(path, ASKED)
    poses = poses_in_field(capture)
    if name == "llff":  # seen from their mean, and scaled: their turns to each other remain
        poses, expected = (p[:, :3, :3].transpose(0, 2, 1) @ p[0, :3, :3] for p in (poses, POSES))
        np.testing.assert_allclose(poses, expected, atol=1e-12)
    else:
        np.testing.assert_allclose(poses, POSES, atol=1e-12)
    for view in capture.views:
        assert (view.lens.width, view.lens.height) == SIZE
        assert view.lens.fl_x == view.lens.fl_y == pytest.approx(FOCAL, rel=1e-12)
        assert view.lens.centered


@each_kind
def test_scenes_and_splits(tmp_path, name, write):
    path = write(tmp_path)
    scene = read_scene(path, resolution=SIZE, images=False, frames=len(POSES))
    assert len(scene.cameras) == len(POSES)
    asked = Asked("train", SIZE, len(POSES))
    train = [view.name for view in read_capture(path, asked).views]
    test = [view.name for view in read_capture(path, Asked("test", SIZE, len(POSES))).views]
    assert (len(train), len(test)) == (2, 1)
    assert not set(train) & set(test)


def files_of(path):
    return [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]


@pytest.mark.parametrize("write", [write for _, write in CASES if write is not samples.colmap_text])
def test_truncated_files_are_refused(tmp_path, write):
    """COLMAP's text does not say where it ends."""
    path = write(tmp_path)
    for file in files_of(path):
        whole = file.read_bytes()
        for size in sorted({0, 1, 7, 9, *range(0, len(whole) * 3 // 4, max(1, len(whole) // 40))}):
            file.write_bytes(whole[:size])
            with pytest.raises(FormatError) as caught:
                read_capture(path, ASKED)
            assert "\n" not in str(caught.value)
        file.write_bytes(whole)


@each_kind
def test_mutated_files_are_read_or_refused(tmp_path, name, write):
    """Never another error, and what is read is finite; within seconds."""
    path, draw = write(tmp_path), random.Random(0)
    files = [(file, file.read_bytes()) for file in files_of(path)]
    begun, refused, said = time.monotonic(), 0, set()
    for _ in range(300):
        file, whole = draw.choice(files)
        content = bytearray(whole)
        for _ in range(draw.choice((1, 2, 8))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        file.write_bytes(content)
        try:
            for view in read_capture(path, ASKED).views:
                assert np.isfinite(view.pose).all()
                assert view.lens.fl_x > 0
        except FormatError as problem:
            refused += 1
            said.add(str(problem))
        file.write_bytes(whole)
    assert refused
    assert not any("\n" in words for words in said)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("write", "place", "value", "message"),
    [
        (samples.transforms, ("frames", 0, "transform_matrix", 0, 3), math.nan, "NaN"),
        (samples.transforms, ("fl_x",), 0, "positive"),
        (samples.transforms, ("fl_x",), 10**400, "too large"),
        (samples.transforms, ("w",), 1e9, "at most"),
        (samples.transforms, ("k1",), "much", "finite number"),
        (
            samples.transforms,
            ("camera_model",),
            "EQUIRECTANGULAR",
            "expected one of SIMPLE_PINHOLE",
        ),
        (samples.transforms, ("camera_model",), "FISHEYE624", "expected one of SIMPLE_PINHOLE"),
        (samples.transforms, ("equirectangular",), True, "equirectangular"),
        (samples.transforms, ("k4",), 0.1, "k4"),
        (samples.transforms, ("cx",), -3, "misses the image"),
        (samples.transforms, ("frames", 1), None, "no object"),
        (samples.nerfstudio_path, ("camera_path", 1, "camera_to_world", 5), math.inf, "NaN"),
        (samples.nerfstudio_path, ("camera_path", 0, "camera_to_world"), [1, 2], "4x4"),
        (samples.nerfstudio_path, ("camera_path", 0, "fov"), 0, "0..180"),
        (samples.nerfstudio_path, ("camera_path",), [], "at least one"),
        (samples.nerfstudio_path, ("camera_type",), "equirectangular", "equirectangular"),
        (samples.nerfstudio_path, ("camera_type",), "VR180", "only perspective"),
        (samples.nerfstudio_path, ("render_height",), 0, "at least 1x1"),
        (samples.instant_ngp_path, ("path", 0, "R"), [0, 0, 0, 0], "quaternion"),
        (samples.instant_ngp_path, ("path", 0, "T", 1), math.nan, "finite"),
        (samples.instant_ngp_path, ("path", 2, "fov"), 0, "0..180"),
        (samples.instant_ngp_path, ("path",), [], "at least one"),
        (samples.instant_ngp_path, ("spline_order",), 9, "spline_order"),
        (samples.instant_ngp_path, ("spline_order",), 3.0, "spline_order"),
    ],
)
def test_json_damage_is_named(tmp_path, write, place, value, message):
    path = write(tmp_path)
    document = json.loads(path.read_text())
    *ways, last = place
    part = document
    for way in ways:
        part = part[way]
    part[last] = value
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError, match=message) as caught:
        read_capture(path, ASKED)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_bombs_are_refused(tmp_path):
    file = tmp_path / "transforms.json"
    file.write_text('{"frames": ' + "[" * 100_000)
    with pytest.raises(FormatError, match="not a JSON file"):
        read_capture(file, ASKED)
    with open(file, "wb") as grown:
        grown.truncate(100 << 20)
    with pytest.raises(FormatError, match="larger than"):
        read_capture(file, ASKED)


@pytest.mark.parametrize(
    ("file", "at", "content", "message"),
    [
        ("images.bin", 0, struct.pack("<Q", 2**60), "states"),
        ("cameras.bin", 0, struct.pack("<Q", 2**60), "states"),
        ("cameras.bin", 12, struct.pack("<i", 17), "EQUIRECTANGULAR"),
        ("cameras.bin", 12, struct.pack("<i", 99), "number 99"),
        ("cameras.bin", 16, struct.pack("<Q", 2**60), "at most"),
        ("cameras.bin", 32, struct.pack("<d", 0), "positive"),
        ("cameras.bin", 8, struct.pack("<i", 8), "camera 7, which is not there"),
        ("images.bin", 12, struct.pack("<4d", 0, 0, 0, 0), "quaternion"),
        ("images.bin", 44, struct.pack("<d", math.nan), "NaN"),
    ],
)
def test_colmap_damage_is_named(tmp_path, file, at, content, message):
    samples.colmap_binary(tmp_path)
    path = tmp_path / "sparse" / "0" / file
    whole = bytearray(path.read_bytes())
    whole[at : at + len(content)] = content
    path.write_bytes(whole)
    with pytest.raises(FormatError, match=message):
        read_capture(tmp_path, ASKED)


def test_splits_that_nerfstudio_lists(tmp_path):
    path = samples.transforms(tmp_path)
    document = json.loads(path.read_text())
    document |= {"train_filenames": ["0.png", "2.png"], "test_filenames": ["1.png"]}
    path.write_text(json.dumps(document))
    names = {
        split: [view.name for view in read_capture(path, Asked(split)).views]
        for split in ("train", "test", None)
    }
    listed = {"train": ["0.png", "2.png"], "test": ["1.png"], None: ["0.png", "1.png", "2.png"]}
    assert names == listed


def test_a_spline_has_the_closed_form_of_a_uniform_b_spline():
    """Order 3 at a keyframe is (before + 4 own + after) / 6; order 1 goes straight; a straight
    line of keyframes is followed straight by all orders."""
    keys = np.array([[0, 0, 0, 1, x, 0, 0, 50] for x in (0.0, 1.0, 4.0, 9.0)])
    times = (np.arange(4) + 1) / 4
    place = {
        order: [keyframe_at(keys, times, t, False, order)[4] for t in (0, 1 / 3, 0.5, 1)]
        for order in (1, 2, 3)
    }
    assert place[1] == pytest.approx([0, 1, 2.5, 9])
    assert place[2][1] == pytest.approx((0 + 1) / 2)
    assert place[3][:2] == pytest.approx([(0 + 0 + 1) / 6, (0 + 4 + 4) / 6])
    keys[:, 4] = 0, 1, 2, 3
    for order in (1, 3):
        assert keyframe_at(keys, times, 0.5, False, order)[4] == pytest.approx(1.5)


def test_a_spline_takes_quaternions_of_both_signs_alike():
    keys = np.array([[0.0, 0, 0.1 * i, 1, i, 0, 0, 50] for i in range(5)])
    times, flipped = (np.arange(5) + 1) / 5, keys.copy()
    flipped[[1, 3], :4] *= -1
    for time_ in (0.1, 0.5, 0.77):
        for loop in (False, True):
            one = keyframe_at(keys, times, time_, loop, 3)
            other = keyframe_at(flipped, times, time_, loop, 3)
            other[:4] *= np.sign(other[:4] @ one[:4])
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_files_of_other_programs(shared):
    """Their cameras look at the middle of what they circle."""
    folder = shared / "data" / "cameras"
    viewer = read_capture(folder / "nerfstudio_viewer" / "camera_path.json", Asked())
    assert len(viewer.views) == 96
    assert viewer.frame == "nerfstudio"
    assert viewer.views[0].lens.fl_x == pytest.approx(540 / math.tan(math.radians(25)))
    nested = read_capture(folder / "nerfstudio_run" / "camera_path.json", Asked())
    assert len(nested.views) == 4
    path = read_capture(folder / "instant_ngp" / "base_cam.json", Asked(frames=30))
    poses = poses_in_field(path)
    forward, to_middle = -poses[:, :3, 2], -poses[:, :3, 3]
    facing = (forward * to_middle).sum(-1) / np.linalg.norm(to_middle, axis=-1)
    assert facing.min() > 0.8
    ngp = read_capture(folder / "instant_ngp" / "transforms.json", Asked("train"))
    assert ngp.aabb_scale == 16
    assert len(ngp.views[0].lens.distortion) == 8
