"""Frames of a film: what stands where, and depth against its closed form."""

import numpy as np
import pytest
import torch

from nerfconvert.film.depth import DepthScale, mean_depth
from nerfconvert.film.film import Film, compose
from nerfconvert.film.labels import Label
from nerfconvert.film.request import film_request
from nerfconvert.renderer.camera_paths import orbit
from nerfconvert.renderer.cameras import Cameras, focal_of, look_at
from nerfconvert.renderer.image import render_camera
from nerfconvert.renderer.panes import GAP, SECOND, STRIP
from nerfconvert.runtime.inputs import load
from nerfconvert.volume.nan_masked import NanMaskedField

SCENE = """
aabb = [[-1, -1, -1], [1, 1, 1]]
background = "white"
[[primitives]]
kind = "box"
center = [0, 0, 0]
size = [0.5, 0.5, 0.5]
density = 500.0
softness = 0.001
color = [0.2, 0.4, 0.6]
"""
TOP = STRIP + SECOND


@pytest.fixture
def box(tmp_path):
    (tmp_path / "box.toml").write_text(SCENE)
    return load(tmp_path / "box.toml")


def names(count: int) -> list[Label]:
    return [Label(f"field {k}", "vm") for k in range(count)]


def gray(*levels: float) -> list[torch.Tensor]:
    return [torch.full((24, 160, 3), level) for level in levels]


def test_two_fields_and_their_error_stand_in_a_row():
    frame = compose(names(2), gray(0.2, 0.4), None)
    assert frame.shape == (24 + TOP, 3 * 160 + 2 * GAP, 3)
    first, second, error = (frame[TOP:, k * (160 + GAP) :][:, :160] for k in range(3))
    assert (first == 51).all()
    assert (second == 102).all()
    assert (error == error[0, 0]).all()
    assert error[0, 0].sum() > 300  # 0.2 of 0.25 is bright


def test_more_fields_have_their_errors_below_them():
    frame = compose(names(3), gray(0.2, 0.4, 0.2), None)
    assert frame.shape == (24 + TOP + GAP + 24 + STRIP, 3 * 160 + 2 * GAP, 3)
    below = frame[-24:]
    assert below[:, 164:324].mean() > 100
    assert below[:, 328:].mean() < 10  # no error


def test_the_truth_comes_first_and_everything_is_compared_with_it():
    frame = compose(names(1), gray(0.4), gray(0.2)[0])
    assert [int(frame[TOP, x, 0]) for x in (0, 164)] == [51, 102]
    assert frame[TOP:, 328:].mean() > 100


def test_a_film_shows_the_same_camera_in_every_pane(box):
    cameras = orbit(box, 2, size=(40, 30))
    film = Film([box, box], names(2), cameras, 1.0, depth=True)
    frame = film.frame(1)
    top = frame[TOP : TOP + 120]  # enlarged four times
    assert np.array_equal(top[:, -160:], top[:, -324:-164])
    assert np.array_equal(top, top[::4].repeat(4, 0))
    assert frame.shape[0] == 120 + TOP + 2 * (GAP + STRIP + 120)
    assert len(film) == 2


def test_depth_and_color_are_of_one_march(box):
    """The pane of depth is what a rendering of its own gives, and asks the field for nothing."""
    cameras, asked = orbit(box, 2, size=(160, 120)), []
    for depth in (False, True):
        field = NanMaskedField(box)
        film = Film([field, field], names(2), cameras, 0.0, depth=depth)
        before = dict(field.asked)
        frame = film.frame(1)
        asked.append({kind: field.asked[kind] - before[kind] for kind in before})
    assert asked[0] == asked[1]
    expected = film.depth.picture(render_camera(box, cameras, 1), 0.0)
    assert np.array_equal(frame[-120:, -160:], expected)


def test_depth_is_where_the_box_begins(box):
    """From 3 units away straight on, the face is 2.5 units away; matter is dense, so the mean is
    near its surface."""
    eye = torch.tensor([[3.0, 0.0, 0.0]])
    cameras = Cameras(look_at(eye, torch.zeros(3)), 31, 31, focal_of(31, 30.0))
    depth, opacity = mean_depth(render_camera(box, cameras, 0))
    assert opacity[15, 15] > 0.99
    assert abs(float(depth[15, 15]) - 2.5) < 0.01
    assert depth[0, 0] == opacity[0, 0] == 0
    scale = DepthScale.of(box, cameras)
    assert 2.49 < scale.near < scale.far < 2.8


def test_an_empty_view_has_a_scale(box):
    eye = torch.tensor([[3.0, 0.0, 0.0]])
    away = Cameras(look_at(eye, torch.tensor([6.0, 0.0, 0.0])), 31, 31, focal_of(31, 30.0))
    scale = DepthScale.of(box, away)
    assert (scale.near, scale.far) == (0.0, box.aabb.diagonal)
    scale.picture(render_camera(box, away, 0), 1.0)


def test_another_film_is_another_request(box):
    cameras = orbit(box, 3, size=(8, 8))
    file = {"path": "a", "sha256": "0"}

    def request(file=file, cameras=cameras, background=1.0, layout="wipe"):
        return film_request([file], [box], cameras, background, layout=layout)

    assert request() == request()
    others = [
        request(file=file | {"sha256": "1"}),
        request(cameras=cameras[1:]),
        request(cameras=cameras.resized(9, 9)),
        request(background=0.0),
        request(layout="blink"),
    ]
    assert request() not in others
