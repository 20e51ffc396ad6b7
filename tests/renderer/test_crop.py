"""Cropped rays see what a scene with nothing outside the box shows."""

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.errors import NerfConvertError
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.renderer.crop import crop_occupancy, cropped
from nerfconvert.renderer.image import render_image
from nerfconvert.runtime.inputs import load
from nerfconvert.volume import Aabb, Contraction, FieldInfo, Frustum, Rays

BALL = """
[[primitives]]
kind = "box"
center = [{x}, 0, 0]
size = [0.3, 0.3, 0.3]
density = 40.0
color = [0.2, 0.4, 0.6]
softness = 0.001
"""
HEAD = 'aabb = [[-1, -1, -1], [1, 1, 1]]\nbackground = "white"\n'


def scene(path, *places):
    path.write_text(HEAD + "".join(BALL.format(x=x) for x in places))
    return load(path)


def test_a_crop_shows_one_of_two_boxes(tmp_path):
    both = scene(tmp_path / "both.toml", -0.5, 0.5)
    right = scene(tmp_path / "right.toml", 0.5)
    cameras = on_circle((0.0, 0.0, 0.0), 4.0, 3, size=(24, 24))
    box = Aabb((0.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    for view in range(3):
        seen = render_image(both, cameras, view, crop=box)
        assert torch.allclose(seen, render_image(right, cameras, view), atol=0.02)
        assert (seen - render_image(both, cameras, view)).abs().max() > 0.3


def test_rays_that_miss_the_box_see_nothing():
    origins = torch.tensor([[0.0, 0.0, 5.0], [3.0, 0.0, 5.0], [0.0, 0.0, 0.5]])
    rays = Rays.of(origins, torch.tensor([[0.0, 0.0, -1.0]]).expand(3, 3), far=5.5)
    seen = cropped(rays, Aabb((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)))
    assert seen.near.tolist()[::2] == [4.0, 0.0]
    assert seen.far.tolist()[::2] == [5.5, 1.5]
    assert seen.far[1] <= seen.near[1]


def test_without_a_box_rays_stay_as_they_are():
    rays = Rays.of(torch.zeros(1, 3), torch.ones(1, 3))
    assert cropped(rays, None) is rays


@pytest.mark.parametrize("miss", [(5.0, 6.0), (-6.0, -5.0)])
def test_a_box_beside_the_field_shows_the_background(tmp_path, miss):
    field = scene(tmp_path / "one.toml", 0.0)
    cameras = on_circle((0.0, 0.0, 0.0), 4.0, 1, size=(8, 8))
    image = render_image(field, cameras, 0, crop=Aabb((miss[0],) * 3, (miss[1],) * 3))
    assert (image == 1).all()


def test_a_cropped_field_shows_one_of_two_boxes(tmp_path):
    both = scene(tmp_path / "both.toml", -0.5, 0.5)
    right = scene(tmp_path / "right.toml", 0.5)
    cameras = on_circle((0.0, 0.0, 0.0), 4.0, 2, size=(24, 24))
    crop_occupancy(both, Aabb((0.0, -1.0, -1.0), (1.0, 1.0, 1.0)))
    assert both.aabb == right.aabb  # the box stays: the network lies over it
    for view in range(2):
        seen = render_image(both, cameras, view)
        assert torch.allclose(seen, render_image(right, cameras, view), atol=1e-4)


SPACES = {
    "world": FieldInfo(aabb=Aabb((-1, -2, -1), (1, 2, 3))),
    "contracted": FieldInfo(aabb=Aabb((-2, -2, -2), (2, 2, 2), Contraction("2", (0, 0, 0), 1.0))),
    "frustum": FieldInfo(
        aabb=Aabb((-1, -1, -1), (1, 1, 0.99)),
        frame="ndc",
        frustum=Frustum(width=4, height=3, focal=4),
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_cells_with_their_middle_in_the_box_stay(name):
    field = AnalyticField(AnalyticConfig(primitives=()), SPACES[name])
    box = Aabb((-0.5, -0.3, -4.0), (1.3, 2.5, 1.2))
    before = torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.7
    field.occupancy.assign(before)
    crop_occupancy(field, box)
    after = field.occupancy.dense()
    assert 0 < after.sum() < before.sum()
    for cell in torch.randint(16, (200, 3), generator=torch.Generator().manual_seed(1)).tolist():
        unit = torch.tensor([(c + 0.5) / 16 for c in cell])
        x, y, z = field.info.from_unit(unit).tolist()
        inside = -0.5 <= x <= 1.3 and -0.3 <= y <= 2.5 and -4.0 <= z <= 1.2
        assert after[tuple(cell)] == (before[tuple(cell)] and inside)


def test_a_crop_that_leaves_nothing_is_refused(tmp_path):
    field = scene(tmp_path / "one.toml", 0.0)
    with pytest.raises(NerfConvertError, match="nothing of the field"):
        crop_occupancy(field, Aabb((0.5,) * 3, (0.9,) * 3))
