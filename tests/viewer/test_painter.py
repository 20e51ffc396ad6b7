"""Pictures of the viewer are those of the renderer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.formats import load
from nerfconvert.renderer.camera_paths import orbit
from nerfconvert.renderer.image import render_camera, render_image
from nerfconvert.renderer.panes import to_bytes
from nerfconvert.viewer.looks import Look, Scenery
from nerfconvert.viewer.painter import COARSEST, QUICK, REACH, Painter
from nerfconvert.volume import Aabb
from tests.conftest import ROOT

ANGLE = 0.7


@pytest.fixture(scope="module")
def fields():
    return [load(ROOT / "scenes" / name) for name in ("blobs.toml", "boxes.toml")]


@pytest.fixture
def look(fields) -> Look:
    return Look(orbit(fields[0], 3).poses[1], ANGLE, 48, 32)


def wanted() -> bool:
    return False


def expected(field, look: Look, division: int = 1) -> np.ndarray:
    return to_bytes(render_image(field, look.cameras(division), 0, background=1.0))


@pytest.mark.parametrize("division", [1, 2, 4])
def test_a_picture_is_what_the_renderer_shows(fields, look, division):
    painted = Painter(fields, 1.0).paint(look, Scenery(), division, wanted)
    assert painted.division == division
    assert painted.anything
    assert np.abs(painted.image.astype(int) - expected(fields[0], look, division)).max() <= 1


def test_a_wipe_shows_each_field_on_its_side(fields, look):
    painter, first, second = Painter(fields, 1.0), *(expected(f, look) for f in fields)
    seen = painter.paint(look, Scenery(second=1, edge=0.25), 1, wanted).image.astype(int)
    assert np.abs(seen[:, :11] - first[:, :11]).max() <= 1
    assert np.abs(seen[:, 12:] - second[:, 12:]).max() <= 1
    assert len(np.unique(seen[:, 11])) == 1  # the line


@pytest.mark.parametrize(("edge", "number"), [(0.0, 1), (1.0, 0), (-3.0, 1), (7.0, 0)])
def test_a_wipe_at_its_end_shows_one_field(fields, look, edge, number):
    seen = Painter(fields, 1.0).paint(look, Scenery(second=1, edge=edge), 1, wanted).image
    assert np.abs(seen.astype(int) - expected(fields[number], look)).max() <= 1


def test_nothing_is_in_sight_where_nothing_is(fields, look):
    away = Look(look.pose * torch.tensor([-1.0, 1.0, -1.0, 1.0]), ANGLE, 48, 32)
    painter = Painter(fields, 1.0)
    assert not painter.paint(away, Scenery(), 4, wanted).anything
    beside = Scenery(crop=Aabb((5.0, 5.0, 5.0), (6.0, 6.0, 6.0)))
    painted = painter.paint(look, beside, 4, wanted)
    assert not painted.anything
    assert (painted.image == 255).all()


def test_what_nobody_wants_is_not_painted(fields, look):
    asked = []

    def unwanted() -> bool:
        asked.append(1)
        return len(asked) > 1

    large = Look(look.pose, ANGLE, 128, 64)  # two chunks of rays
    assert Painter(fields, 1.0).paint(large, Scenery(), 1, unwanted) is None
    assert len(asked) == 2


def test_the_first_picture_is_as_coarse_as_it_takes(fields, look):
    painter = Painter(fields, 1.0)
    assert painter.quick_division(look) == 1
    painter.paint(look, Scenery(), 1, wanted)
    large = Look(look.pose, ANGLE, 4000, 3000)
    division = painter.quick_division(large)
    assert division in (1, 2, 4, 8, COARSEST)
    seconds = 4000 * 3000 * painter._pace
    assert division == COARSEST or seconds / division**2 <= QUICK
    assert division == 1 or seconds / (division / 2) ** 2 > QUICK


def test_depth_is_that_of_the_renderer_along_the_axis(fields, look):
    """A wipe has the depth of each field on its side; nothing in sight hides nothing."""
    painted = Painter(fields, 1.0).paint(look, Scenery(second=1, edge=0.5), 1, wanted)
    cameras = look.cameras(1)
    columns, rows = np.meshgrid(np.arange(48) + 0.5, np.arange(32) + 0.5)
    slopes = np.hypot((columns - 24) / cameras.mean_focal, (rows - 16) / cameras.mean_focal)
    for field, side in zip(fields, (slice(0, 24), slice(24, 48)), strict=True):
        seen = render_camera(field, cameras, 0)
        solid = (seen.opacity > 0.5).numpy()[:, side]
        assert solid.any()
        distance = (seen.depth / seen.opacity).numpy()[:, side]
        found = painted.depth[:, side]
        expected = distance / np.sqrt(1 + slopes[:, side] ** 2)
        assert np.allclose(found[solid], expected[solid], rtol=1e-4)
        assert (found[~solid] >= REACH).all()


def test_a_scene_that_is_too_far_has_no_depth(fields, look):
    pose = look.pose.clone()
    pose[:3, 3] *= 100
    assert Painter(fields, 1.0).paint(Look(pose, ANGLE, 8, 8), Scenery(), 1, wanted).depth is None
