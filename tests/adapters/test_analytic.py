import json
import math
from dataclasses import asdict

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.renderer.cameras import Cameras, look_at
from nerfconvert.renderer.image import render_rays
from nerfconvert.volume import Aabb, FieldInfo, Rays
from tests.oracles import blob_opacity, box_opacity

FAINT = 2e-3  # opacity lost where a sample is too faint to be looked at
BOX = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
BLOB = Primitive(kind="blob", center=(0, 0, 0), size=(0.2,) * 3, density=6.0, color=(1, 0.5, 0))
PLATE = Primitive(
    kind="box", center=(0, 0, 0), size=(5, 5, 0.1), density=4.0, color=(0, 0, 1), softness=0.02
)


def field_of(*bodies: Primitive) -> AnalyticField:
    return AnalyticField(AnalyticConfig(primitives=bodies), BOX)


def downward(x: float) -> Rays:
    return Rays.of(torch.tensor([[x, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]]))


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.3])
def test_a_blob_shows_its_closed_form_opacity(distance):
    seen = render_rays(field_of(BLOB), downward(distance), background=0.0)
    assert seen.opacity.item() == pytest.approx(blob_opacity(6.0, 0.2, distance), abs=FAINT)
    expected = [c * seen.opacity.item() for c in (1, 0.5, 0)]
    assert seen.rgb[0].tolist() == pytest.approx(expected, abs=1e-3)


def test_a_plate_shows_its_closed_form_opacity():
    seen = render_rays(field_of(PLATE), downward(0.0))
    assert seen.opacity.item() == pytest.approx(box_opacity(4.0, 0.1, 0.02), abs=FAINT)


@pytest.mark.parametrize(
    ("kind", "size"), [("ellipsoid", (0.1, 0.1, 0.1)), ("cylinder", (5, 5, 0.1))]
)
def test_other_bodies_show_that_of_a_plate_through_their_middle(kind, size):
    body = Primitive(**{**asdict(PLATE), "kind": kind, "size": size})
    seen = render_rays(field_of(body), downward(0.0))
    assert seen.opacity.item() == pytest.approx(box_opacity(4.0, 0.1, 0.02), abs=FAINT)


@pytest.mark.parametrize("kind", ["ellipsoid", "cylinder"])
def test_round_bodies_end_at_their_radii(kind):
    size, hard = (0.5, 0.3, 0.4), {"density": 10.0, "softness": 1e-3}
    field = field_of(Primitive(**{**asdict(PLATE), "kind": kind, "size": size, **hard}))
    turn = torch.linspace(0, 2 * math.pi, 17)
    rim = torch.stack([0.5 * turn.cos(), 0.3 * turn.sin(), torch.zeros(17)], -1)
    density = field.density(field.encode(torch.cat([0.98 * rim, 1.02 * rim])))
    assert (density[:17] > 9.9).all()
    assert (density[17:] < 0.1).all()


def test_checks_alternate_with_hard_edges():
    body = Primitive(**{**asdict(PLATE), "checks": 2.0})
    points = torch.zeros(4, 3)
    points[:, 0] = torch.tensor([0.0, 0.12, 0.13, 0.38])  # edges at 0.125 and 0.375
    blue = field_of(body).encode(points)[:, 3]
    assert blue.tolist() == pytest.approx([1.0, 1.0, 0.35, 1.0], abs=1e-3)


def test_densities_add_and_colors_mix_by_density():
    one = Primitive(**{**asdict(BLOB), "color": (1, 0, 0), "density": 3.0})
    two = Primitive(**{**asdict(BLOB), "color": (0, 0, 1), "density": 1.0})
    field = field_of(one, two)
    features = field.encode(torch.zeros(1, 3))
    assert field.density(features).item() == pytest.approx(4.0)
    color = field.color(features, torch.tensor([[0.0, 0.0, 1.0]]))
    assert color[0].tolist() == pytest.approx([0.75, 0, 0.25])


def test_a_highlight_is_brightest_where_the_surface_faces_the_camera():
    field = field_of(Primitive(**{**asdict(BLOB), "color": (0.2,) * 3, "highlight": 0.5}))
    features = field.encode(torch.tensor([[0.0, 0.0, 0.2]]))
    angles = torch.linspace(0, math.pi, 9)
    directions = torch.stack([angles.sin(), torch.zeros(9), -angles.cos()], -1)
    levels = field.color(features.expand(9, -1), directions)[:, 0]
    assert levels[0].item() == pytest.approx(0.7)
    assert (levels.diff() <= 0).all()
    assert levels[-1].item() == pytest.approx(0.2)


def test_an_empty_scene_is_transparent():
    field = field_of()
    features = field.encode(torch.zeros(4, 3))
    assert (field.density(features) == 0).all()
    assert torch.isfinite(field.color(features, torch.ones(4, 3))).all()


def test_the_config_survives_json():
    config = AnalyticConfig(primitives=(BLOB, PLATE))
    again = AnalyticConfig(**json.loads(json.dumps(asdict(config))))
    assert again == config


def test_seen_from_anywhere_a_ball_is_the_same():
    eyes = torch.tensor([[3.0, 0.0, 0.0], [0.0, -3.0, 0.0], [2.0, 2.0, 1.0]])
    eyes = 3 * torch.nn.functional.normalize(eyes, dim=-1)
    cameras = Cameras(look_at(eyes, torch.zeros(3)), 9, 9, 12.0)
    views = [render_rays(field_of(BLOB), cameras.view_rays(v)).rgb for v in range(3)]
    torch.testing.assert_close(views[0], views[1], atol=2e-3, rtol=0)
    torch.testing.assert_close(views[0], views[2], atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "cone"}, "kind"),
        ({"size": (1, 1, 0)}, "size"),
        ({"size": (1, 1)}, "size"),
        ({"center": (0, 0, math.nan)}, "center"),
        ({"density": -1.0}, "density"),
        ({"density": math.inf}, "density"),
        ({"color": (0, 0, 2)}, "color"),
    ],
)
def test_refuses_bodies_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        Primitive(**{**asdict(BLOB), **change})
