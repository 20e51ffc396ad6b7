"""Lenses: what a centered pinhole sees of a picture, against OpenCV's own projection."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.renderer.camera_files.capture import Lens
from nerfconvert.renderer.cameras import Cameras
from nerfconvert.renderer.lenses import pinhole_focal, resample
from nerfconvert.renderer.scene import read_scene
from tests.conftest import write_transforms
from tests.renderer.camera_samples import POSES

WIDE, HIGH = 64, 48
OFF = {"fl_x": 60.0, "fl_y": 58.0, "cx": 33.0, "cy": 22.0}
TWISTS = {
    "off": (OFF, False),
    "radial": ({"fl_x": 60.0, "k1": 0.1, "k2": -0.02}, False),
    "barrel": ({"fl_x": 40.0, "k1": -0.12}, False),
    "opencv": ({**OFF, "k1": 0.08, "k2": -0.05, "p1": 0.004, "p2": -0.003, "k3": 0.01}, False),
    "fisheye": ({**OFF, "k1": 0.05, "k2": -0.01, "k3": 0.002, "k4": -0.001}, True),
    "wide": ({"fl_x": 20.0, "k1": 0.01}, True),
}
each_twist = pytest.mark.parametrize("twist", TWISTS)


def lens_of(twist: str) -> Lens:
    values, fisheye = TWISTS[twist]
    return Lens.of((WIDE, HIGH), values, fisheye)


def seen_by(lens: Lens, points: np.ndarray) -> np.ndarray:
    """Pixels [P, 2], counted from the corner, of points [P, 2] on the plane z = 1: the formulas."""
    k = lens.distortion or (0.0,) * 8
    x, y = points.T
    r2 = x * x + y * y
    if lens.fisheye:
        r = np.sqrt(r2)
        angle = np.arctan(r)
        bent = angle * (1 + sum(c * angle ** (2 * i + 2) for i, c in enumerate(k)))
        x, y = (v * np.where(r > 0, bent / np.where(r > 0, r, 1), 1) for v in (x, y))
    else:
        k1, k2, p1, p2, k3 = k[:5]
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )
    return np.stack([lens.fl_x * x + lens.cx, lens.fl_y * y + lens.cy], -1)


@each_twist
def test_the_pinhole_is_the_widest_that_the_picture_fills(twist):
    lens = lens_of(twist)
    focal = pinhole_focal(lens, (WIDE, HIGH))
    edge = np.linspace(-1, 1, 201)
    ones = np.ones(201)
    border = np.concatenate([np.c_[edge, s * ones] for s in (-1, 1)])
    border = np.concatenate([border, border[:, ::-1]]) * [WIDE / 2, HIGH / 2]
    inside = seen_by(lens, border / focal)
    assert inside.min() > -0.1
    assert (inside < [WIDE + 0.1, HIGH + 0.1]).all()
    wider = seen_by(lens, border / (0.99 * focal))
    limited = focal == pytest.approx(WIDE / 2 / math.tan(math.radians(60)))
    assert limited or wider.min() < 0 or (wider > [WIDE, HIGH]).any()


@each_twist
def test_a_picture_becomes_what_the_pinhole_sees(twist):
    """A smooth pattern over directions, photographed through the lens by inverting the formulas."""
    lens = lens_of(twist)
    pixels = np.stack(np.meshgrid(np.arange(WIDE) + 0.5, np.arange(HIGH) + 0.5), -1).reshape(-1, 2)
    shown = np.zeros_like(pixels)
    for _ in range(400):
        shown = (shown - (seen_by(lens, shown) - pixels) / [lens.fl_x, lens.fl_y]).clip(-30, 30)
    photo = pattern(shown).reshape(HIGH, WIDE, 1).repeat(3, -1).astype(np.float32)
    focal = pinhole_focal(lens, (WIDE, HIGH))
    straight = (pixels - [WIDE / 2, HIGH / 2]) / focal
    error = resample(photo, lens, focal, (WIDE, HIGH))[..., 0].ravel() - pattern(straight)
    assert np.abs(error).reshape(HIGH, WIDE)[2:-2, 2:-2].max() < 0.03


def pattern(directions: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(3 * directions[:, 0] - 2 * directions[:, 1])


def test_a_lens_that_folds_over_is_refused(tmp_path):
    file = write_transforms(tmp_path, "transforms", torch.eye(4)[None], w=64, h=48, fl_x=20, k1=-1)
    with pytest.raises(FormatError, match="cannot be undone"):
        read_scene(file, images=False)


def test_frames_with_cameras_of_their_own(tmp_path):
    """Another focal length, another size, another shape: one size, each with its own focal."""
    poses = torch.from_numpy(POSES)
    images = [np.full((h, w, 3), 50 * i, np.uint8) for i, (w, h) in enumerate(((8, 6), (16, 12)))]
    images.append(np.full((12, 9, 3), 200, np.uint8))
    file = write_transforms(tmp_path, "transforms", poses, images)
    document = json.loads(file.read_text())
    for frame, image, focal in zip(document["frames"], images, (10.0, 24.0, 9.0), strict=True):
        frame |= {"w": image.shape[1], "h": image.shape[0], "fl_x": focal}
    file.write_text(json.dumps(document))
    scene = read_scene(file)
    assert (scene.cameras.width, scene.cameras.height) == (8, 6)
    # The third fills the width: 8 pixels show what its 9 did; 6 of its 12 rows remain.
    assert scene.cameras.focal.tolist() == pytest.approx([10, 12, 8])
    assert scene.images.mean((1, 2, 3)).tolist() == pytest.approx([0, 50 / 255, 200 / 255])
    assert scene.cameras.resized(4, 3).focal.tolist() == pytest.approx([5, 6, 4])
    assert scene.cameras[1:2].focal.tolist() == [12]


def test_rays_have_the_focal_length_of_their_camera():
    poses = torch.from_numpy(POSES).float()
    focals = torch.tensor([10.0, 20.0, 30.0])
    together = Cameras(poses, 8, 6, focals)
    views = torch.tensor([2, 0, 1, 2])
    columns, rows = torch.tensor([0.5, 7.0, 3.0, 4.0]), torch.tensor([0.5, 6.0, 1.0, 3.0])
    rays = together.rays_at(views, columns, rows)
    for i, view in enumerate(views.tolist()):
        alone = Cameras(poses[view : view + 1], 8, 6, float(focals[view]))
        ray = alone.rays_at(torch.zeros(1, dtype=torch.int64), columns[i : i + 1], rows[i : i + 1])
        torch.testing.assert_close(rays.directions[i], ray.directions[0])


def test_opencv_has_the_same_formulas():
    for twist in TWISTS:
        lens = lens_of(twist)
        points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2))
        matrix = np.array([[lens.fl_x, 0, lens.cx], [0, lens.fl_y, lens.cy], [0, 0, 1]])
        coefficients = np.array(lens.distortion or (0.0,) * 4)
        if lens.fisheye:
            found = cv2.fisheye.distortPoints(points[None], matrix, coefficients)[0]
        else:
            solid = np.c_[points, np.ones(50)]
            none = np.zeros(3)
            found = cv2.projectPoints(solid, none, none, matrix, coefficients)[0][:, 0]
        np.testing.assert_allclose(found, seen_by(lens, points), atol=1e-9)
