"""prune_unseen(): what shows stays, what nobody sees goes."""

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.distiller.visibility_pruning import prune_unseen
from nerfconvert.renderer.cameras import around
from nerfconvert.renderer.image import render_image
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume import Aabb, FieldInfo


def box(center, size, density) -> Primitive:
    return Primitive(kind="box", center=center, size=size, density=density, color=(0.9, 0.3, 0.1))


def scene(*primitives: Primitive) -> AnalyticField:
    field = AnalyticField(
        AnalyticConfig(primitives=primitives), FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
    )
    build_occupancy(field, resolution=64, threshold=0.001)
    return field


def cameras(views: int = 16):
    return around((0, 0, 0), (3.0, 3.2), views, torch.Generator().manual_seed(1), size=(32, 32))


def test_the_inside_of_a_solid_goes_and_its_pictures_stay():
    field, views = scene(box((0, 0, 0), (0.5, 0.5, 0.5), 200.0)), cameras()
    before = render_image(field, views, 3)
    whole = field.occupancy.fraction()
    prune_unseen(field, views, 0)
    assert not field.occupancy.query(torch.tensor([[0.5, 0.5, 0.5]])).any()
    assert field.occupancy.fraction() < 0.7 * whole
    torch.testing.assert_close(render_image(field, views, 3), before, atol=0.02, rtol=0)


def test_a_speck_far_off_does_not_stretch_the_box():
    solid = box((0, 0, 0), (0.3, 0.3, 0.3), 200.0)
    field = scene(solid, box((0.9, 0.9, 0.9), (0.04, 0.04, 0.04), 0.05))
    assert float(field.occupancy.bounds()[1].max()) > 0.9
    prune_unseen(field, cameras(), 0)
    assert float(field.occupancy.bounds()[1].max()) < 0.75


def test_a_crumb_far_off_does_not_stretch_the_box():
    """It is opaque, so its cell is as bright as any other."""
    solid, crumb = (0.5, 0.5, 0.5), (0.01, 0.01, 0.01)
    field = scene(box((0, 0, 0), solid, 200.0), box((0.92, 0.92, 0.92), crumb, 200.0))
    assert float(field.occupancy.bounds()[1].max()) > 0.9
    prune_unseen(field, cameras(), 0)
    assert float(field.occupancy.bounds()[1].max()) < 0.85


def test_things_that_stand_apart_stay():
    field = scene(*(box((x, 0, 0), (0.15, 0.15, 0.15), 200.0) for x in (-0.6, 0.6)))
    prune_unseen(field, cameras(), 0)
    low, high = field.occupancy.bounds()
    assert float(low[0]) < 0.2
    assert float(high[0]) > 0.8


def test_a_field_that_no_camera_shows_keeps_its_occupancy():
    field = scene(box((0, 0, 0), (0.3, 0.3, 0.3), 200.0))
    away = around((50.0, 0, 0), (3.0, 3.2), 4, torch.Generator().manual_seed(1), size=(16, 16))
    words = field.occupancy.words.clone()
    prune_unseen(field, away, 0)
    assert torch.equal(field.occupancy.words, words)


def test_what_lies_outside_of_a_box_is_a_share_of_what_cameras_see():
    """Two like bodies, of which a box holds one: views from all sides see both alike."""
    field = scene(*(box((x, 0, 0), (0.15, 0.15, 0.15), 200.0) for x in (-0.6, 0.6)))
    seen = prune_unseen(field, cameras(200), 0)
    assert seen.outside(field.aabb) == 0
    assert seen.outside(Aabb((0, -1, -1), (1, 1, 1))) == pytest.approx(0.5, abs=0.05)
    assert seen.outside(Aabb((2, 2, 2), (3, 3, 3))) == 1


def test_where_nothing_is_seen_nothing_lies_outside():
    away = around((50.0, 0, 0), (3.0, 3.2), 4, torch.Generator().manual_seed(1), size=(16, 16))
    seen = prune_unseen(scene(box((0, 0, 0), (0.3, 0.3, 0.3), 200.0)), away, 0)
    assert seen.outside(Aabb((0, 0, 0), (1, 1, 1))) == 0
