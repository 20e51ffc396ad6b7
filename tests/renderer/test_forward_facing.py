"""Forward-facing fields: what their warped rays see is what integration in the world gives."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.errors import UsageError
from nerfconvert.metrics.evaluation import HELD_OUT_BAND, TEACHING_BAND
from nerfconvert.renderer.camera_paths import Orbit, orbit
from nerfconvert.renderer.cameras import Cameras, look_at
from nerfconvert.renderer.drawn_cameras import SHIFT, drawn_cameras, native_frame
from nerfconvert.renderer.image import render_image, render_rays
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.renderer.visibility import estimate_visibility
from nerfconvert.volume import Aabb, FieldInfo, Frustum

FRUSTUM = Frustum(width=40, height=30, focal=35.0)
INFO = FieldInfo(aabb=Aabb((-1.5, -1.5, -1.0), (1.5, 1.5, 1.0)), frame="ndc", frustum=FRUSTUM)
CENTER, SIZE, DENSITY = (0.1, -0.05, 0.2), (0.3, 0.25, 0.2), 4.0  # of a blob in the cube


@pytest.fixture(scope="module")
def field() -> AnalyticField:
    blob = {"kind": "blob", "center": CENTER, "size": SIZE, "density": DENSITY}
    field = AnalyticField(AnalyticConfig(primitives=({**blob, "color": (1.0, 0.4, 0.2)},)), INFO)
    build_occupancy(field, resolution=32, threshold=1e-5)
    return field


def beside() -> Cameras:
    """The reference camera, and two beside it that look a little past each other."""
    eyes = torch.tensor([[0.0, 0.0, 0.0], [0.3, -0.1, 0.1], [-0.2, 0.15, -0.2]])
    return Cameras(look_at(eyes, torch.tensor([0.05, 0.0, -4.0]), (0, 1, 0)), 8, 6, 7.0)


def opacity_in_the_world(origin, direction) -> float:
    """By small steps along a world ray: each adds density times the length that it has in the
    cube, both ends of it projected one by one."""
    t = torch.logspace(-2, 5, 200_001, dtype=torch.float64)
    place = origin.double() + t[:, None] * direction.double()
    place = place[place[:, 2] < -1]
    x, y, z = place.unbind(1)
    cube = torch.stack([-2 * 35 / 40 * x / z, -2 * 35 / 30 * y / z, 1 + 2 / z], 1)
    middle = (cube[1:] + cube[:-1]) / 2
    offset = (middle - torch.tensor(CENTER).double()) / torch.tensor(SIZE).double()
    density = DENSITY * torch.exp(-0.5 * offset.square().sum(1))
    return 1 - math.exp(-float((density * (cube[1:] - cube[:-1]).norm(dim=1)).sum()))


def test_an_orbit_around_it_is_refused(field):
    with pytest.raises(UsageError, match="no other side"):
        orbit(field, 4, path=Orbit())


@pytest.mark.parametrize("view", [0, 1, 2])
def test_opacity_is_that_of_integration_in_the_world(field, view):
    rays = beside().view_rays(view)
    found = render_rays(field, rays, step=0.03).opacity
    expected = [opacity_in_the_world(*ray) for ray in zip(rays.origins, rays.directions)]
    assert max(expected) > 0.7
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=2e-3)


def test_a_field_without_a_frustum_is_not_rendered():
    info = FieldInfo(aabb=INFO.aabb, frame="ndc")
    with pytest.raises(ValueError, match="frustum"):
        render_image(AnalyticField(AnalyticConfig(primitives=()), info), beside(), 0)


def test_drawn_cameras_stand_beside_the_reference_camera_in_bands_of_their_own(field):
    for band, low, high in ((TEACHING_BAND, 0.0, 0.8), (HELD_OUT_BAND, 0.82, 1.0)):
        draw = torch.Generator().manual_seed(1)
        cameras = drawn_cameras(field, band, 200, native_frame(field, 20), draw)
        assert (cameras.width, cameras.height) == (20, 15)
        assert cameras.focal == pytest.approx(17.5)
        shift = (cameras.poses[:, :2, 3] / torch.tensor(SHIFT)).norm(dim=1)
        assert low <= float(shift.min()) < float(shift.max()) <= high + 1e-6
        assert float(cameras.poses[:, 2, 2].min()) > 0.9  # all look along -z, about


def test_a_video_goes_about_the_reference_camera(field):
    cameras = orbit(field, 12, size=native_frame(field, 40))
    assert torch.allclose(cameras.poses[:, :3, 3].mean(0), torch.zeros(3), atol=1e-6)
    images = torch.stack([render_image(field, cameras, view) for view in (0, 6)])
    assert float(images.std()) > 0.05
    assert float((images[0] - images[1]).abs().max()) > 0.02


def test_places_are_seen_in_the_directions_of_the_reference_camera(field):
    places = torch.tensor([[0.8, 0.0, -0.9], [-0.8, 0.0, -0.9]])
    own = torch.nn.functional.normalize(FRUSTUM.to_world(places), dim=1)
    visibility = estimate_visibility(field, beside(), 32)
    seen = visibility.transmittance(places)
    assert torch.equal(seen.argmax(1), (own @ visibility.directions.T).argmax(1))
    assert float(seen[0] @ seen[1]) < 0.2  # left and right are seen in directions of their own


def test_what_lies_behind_the_blob_is_dark(field):
    behind, before = torch.tensor([[*CENTER[:2], 0.95]]), torch.tensor([[*CENTER[:2], -0.9]])
    visibility = estimate_visibility(field, beside(), 32)
    seen, free = (visibility.transmittance(place).max() for place in (behind, before))
    assert seen < 0.5 * free
