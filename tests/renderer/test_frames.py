"""Frames: each map is undone exactly, and says what the programs' own formulas say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from nerfconvert.errors import UnsupportedError
from nerfconvert.options.groups import Frame as FrameOption
from nerfconvert.renderer.camera_files import read_capture
from nerfconvert.renderer.camera_files.camera_file import Asked
from nerfconvert.renderer.camera_files.capture import Capture, Lens, View
from nerfconvert.renderer.frames import FRAMES, moved, poses_in_field
from tests.renderer.camera_samples import POSES

NGP = {"ngp_scale": 0.21, "ngp_offset": [0.4, 0.6, 0.5], "ngp_axes": "yzx"}
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
TURN *= np.linalg.det(TURN)
LOADER = {
    "dataparser_transform": np.c_[TURN, [0.3, -0.2, 0.1]].tolist(),
    "dataparser_scale": 0.1755,
}
KNOWN = {"nothing": {}, "instant-ngp": NGP, "nerfstudio": LOADER}


def capture_of(poses: np.ndarray, frame: str = "world", **extra) -> Capture:
    lens = Lens.of((8, 6), {"fl_x": 7.0})
    views = tuple(View(str(i), pose, lens) for i, pose in enumerate(poses))
    return Capture(Path("cameras"), views, frame=frame, **extra)


def test_the_option_has_the_names_of_the_table():
    names = {n for literal in get_args(get_args(FrameOption)[0]) for n in get_args(literal)}
    assert names == set(FRAMES)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("known", KNOWN)
def test_there_and_back(frame, known):
    made = FRAMES[frame](KNOWN[known])
    back = made.from_world(made.to_world(POSES))
    np.testing.assert_allclose(back, POSES, rtol=0, atol=1e-13)
    turned = made.to_world(POSES)[:, :3, :3]
    np.testing.assert_allclose(
        turned @ turned.transpose(0, 2, 1), np.stack([np.eye(3)] * 3), atol=1e-13
    )


def test_instant_ngps_cube():
    """A world point p is at ((p.y, p.z, p.x) times scale, plus the world axes' offsets); the camera
    looks along its third axis, with the second down."""
    made = FRAMES["instant-ngp"](NGP)
    turned = made.from_world(POSES)
    x, y, z = POSES[:, :3, 3].T * 0.21 + np.array(NGP["ngp_offset"])[:, None]
    np.testing.assert_allclose(turned[:, :3, 3], np.stack([y, z, x], -1), atol=1e-14)
    np.testing.assert_allclose(turned[:, :3, 2], -POSES[:, [1, 2, 0], 2], atol=1e-14)
    np.testing.assert_allclose(turned[:, :3, 1], -POSES[:, [1, 2, 0], 1], atol=1e-14)


def test_opencvs_cameras_look_along_their_third_axis():
    turned = FRAMES["opencv"]({}).from_world(POSES)
    np.testing.assert_array_equal(turned[:, :3, 1:3], -POSES[:, :3, 1:3])
    np.testing.assert_array_equal(turned[:, :3, [0, 3]], POSES[:, :3, [0, 3]])


def test_a_field_of_nerfstudio_is_in_its_frame():
    """Its own paths need no map; the capture's cameras, back to before `applied_transform`, are
    turned, moved and scaled by the loader."""
    np.testing.assert_array_equal(
        poses_in_field(capture_of(POSES, "nerfstudio"), None, LOADER), POSES
    )
    applied = np.eye(4)[[0, 2, 1, 3]] * [1, 1, -1, 1]
    saved = moved(applied, POSES)
    found = poses_in_field(capture_of(saved, applied=applied), None, LOADER)
    places = 0.1755 * (POSES[:, :3, 3] @ TURN.T + [0.3, -0.2, 0.1])
    np.testing.assert_allclose(found[:, :3, 3], places, atol=1e-13)
    np.testing.assert_allclose(found[:, :3, :3], TURN @ POSES[:, :3, :3], atol=1e-13)


def test_other_fields_take_paths_of_nerfstudio_as_they_are():
    assert (poses_in_field(capture_of(POSES, "nerfstudio"), None, NGP) == POSES).all()


def test_the_frame_that_is_asked_for_counts():
    capture = capture_of(FRAMES["instant-ngp"](NGP).from_world(POSES))
    np.testing.assert_allclose(poses_in_field(capture, "instant-ngp", NGP), POSES, atol=1e-13)


@pytest.mark.parametrize(
    ("frame", "wrong"),
    [
        ("instant-ngp", {"ngp_scale": 0}),
        ("instant-ngp", {"ngp_scale": "much"}),
        ("instant-ngp", {"ngp_offset": [1, 2]}),
        ("instant-ngp", {"ngp_axes": "xyy"}),
        ("nerfstudio", {"dataparser_scale": float("nan")}),
        ("nerfstudio", {"dataparser_transform": [[0] * 4] * 3}),
    ],
)
def test_a_wrong_provenance_is_named(frame, wrong):
    with pytest.raises(UnsupportedError, match="provenance"):
        FRAMES[frame](wrong)


def test_the_loader_of_a_real_run_centers_its_capture(shared):
    """nerfstudio turns and scales a capture so that no camera is farther than 1 on any axis."""
    run = shared / "data" / "cameras" / "nerfstudio_run"
    stated = json.loads(next(run.rglob("dataparser_transforms.json")).read_text())
    known = {f"dataparser_{key}": stated[key] for key in ("transform", "scale")}
    capture = read_capture(run / "data" / "transforms.json", Asked())
    assert np.abs(poses_in_field(capture, None, known)[:, :3, 3]).max() == pytest.approx(
        1, abs=1e-5
    )
