"""Frames: within a step of 8 bits of all samples of the march, from far fewer queries."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.formats import load as read_field
from nerfconvert.kernels.composite import composite
from nerfconvert.renderer.cameras import Cameras, on_circle
from nerfconvert.renderer.cone_march import cone_march
from nerfconvert.renderer.image import default_step, query, render_rays
from nerfconvert.renderer.march import march_and_query, march_rays
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.renderer.shading import shade
from nerfconvert.renderer.waves import waves
from nerfconvert.volume import Aabb, Contraction, FieldInfo, RadianceField, Rays, joined

STILL_LIFE = Path(__file__).parents[2] / "scenes" / "checkpoints" / "still-life.safetensors"
LEVEL = 1 / 255  # of 8 bits
BOX = {"kind": "box", "center": (0.0, 0, 0), "size": (1.0, 1, 1), "color": (0.9, 0.3, 0.1)}
FOG = {"kind": "blob", "center": (0.5, 0, 0), "size": (0.3,) * 3, "color": (0.1, 0.5, 1.0)}
CUBE = Aabb((-2.0,) * 3, (2.0,) * 3)


def scene(density: float, aabb: Aabb = CUBE) -> AnalyticField:
    shapes = ({**BOX, "density": density}, {**FOG, "density": density / 20})
    field = AnalyticField(AnalyticConfig(primitives=shapes), FieldInfo(aabb=aabb))
    build_occupancy(field, resolution=32)
    return field


def around(size: int = 20) -> Rays:
    return on_circle((0, 0, 0), 4.0, 3, size=(size, size)).view_rays(1)


def all_samples(field: RadianceField, rays: Rays, step: float) -> torch.Tensor:
    """Colors [R, 3] on white from every sample of the march, none skipped."""
    rays = field.info.local_rays(rays)
    samples = march_rays(field, rays, step)
    parts = [query(field, rays, part) for part in pieces(samples)]
    density, rgb = (torch.cat(x).nan_to_num(0.0) for x in zip(*parts, strict=True))
    color, opacity, *_ = composite(density, rgb, samples.t_mids, samples.deltas, samples.offsets)
    return color + (1 - opacity[:, None])


def pieces(samples, size: int = 1 << 16):
    places = torch.arange(len(samples))
    for start in range(0, len(samples), size):
        yield samples.select((places >= start) & (places < start + size))


@torch.no_grad()
def assert_exact(field: RadianceField, cameras: Cameras, view: int = 0) -> None:
    """Within 1/255 at 99.9 % of the pixels, and no farther than 60 dB from all samples."""
    rays, step = cameras.view_rays(view, field.info.pixel_shift), default_step(field)
    error = render_rays(field, rays, step=step).rgb - all_samples(field, rays, step)
    worst = error.abs().amax(1)
    assert float((worst > LEVEL).float().mean()) <= 1e-3
    assert float(error.square().mean()) < 1e-6


@pytest.mark.parametrize("density", [0.2, 4.0, 60.0, 5e3])
def test_fog_and_walls_are_those_of_all_samples(backend, density):
    field, rays = scene(density), around()
    seen = shade(field, rays, 0.02)
    wanted = all_samples(field, rays, 0.02)
    found = seen.color + (1 - seen.opacity[:, None])
    assert float((wanted - 1).abs().max()) > 0.1
    torch.testing.assert_close(found, wanted, rtol=0, atol=LEVEL)


def test_without_tolerances_it_is_the_composite(backend):
    field, rays = scene(4.0), around()
    seen = shade(field, rays, 0.01, stop=0.0, grain=0.0)
    samples = march_rays(field, rays, 0.01)
    density, rgb = query(field, rays, samples)
    wanted = composite(density, rgb, samples.t_mids, samples.deltas, samples.offsets)
    for got, want in zip((seen.color, seen.opacity, seen.depth), wanted, strict=False):
        torch.testing.assert_close(got, want, rtol=0, atol=2e-5)


def test_a_real_frame_is_that_of_all_samples():
    field = read_field(STILL_LIFE)
    assert_exact(field, on_circle(field.aabb.center, 2.5 * field.aabb.size[0], 3, size=(80, 80)))


@pytest.mark.parametrize(
    "path",
    [
        "ppng/lego/ppng_2.ppng",
        "tensorf_cp/chair.th",
        "nerf_pytorch_krrish94/lego/checkpoint199999.ckpt",
    ],
)
def test_trained_fields(shared, path):
    field = read_field(shared / "checkpoints" / path)
    assert_exact(field, on_circle((0, 0, 0), 4.0, 3, size=(24, 24)))


def test_colors_of_fog_are_asked_for_now_and_then(monkeypatch):
    """One sample takes 0.1 % of the light, a color stands for 0.3 %."""
    field, asked, color = scene(0.5), [], AnalyticField.color
    monkeypatch.setattr(
        AnalyticField, "color", lambda self, f, d: asked.append(len(f)) or color(self, f, d)
    )
    shade(field, around(16), 0.002)
    few = sum(asked)
    shade(field, around(16), 0.002, grain=0.0)
    assert 0 < few < 0.4 * (sum(asked) - few)


def test_nothing_is_asked_behind_an_opaque_wall(monkeypatch):
    field, asked, encode = scene(5e3), [], AnalyticField.encode
    monkeypatch.setattr(AnalyticField, "encode", lambda self, x: asked.append(x) or encode(self, x))
    rays = Rays.of(torch.tensor([[-3.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
    assert shade(field, rays, 0.01).opacity.item() == 1
    assert float(torch.cat(asked)[:, 0].max()) < -0.3


def test_waves_are_the_march(backend):
    field, rays = scene(0.5), around(8)
    jitter = torch.rand(len(rays), generator=torch.Generator().manual_seed(0))
    everyone = torch.ones(len(rays), dtype=torch.bool)
    for shift in (None, jitter):
        whole = march_rays(field, rays, 0.02, shift)
        mine, _ = joined(list(waves(field, rays, 0.02, shift, lambda: everyone)), rays)
        for got, want in zip(vars(mine).values(), vars(whole).values(), strict=True):
            assert torch.equal(got, want)


def test_waves_of_unbounded_space_are_its_march():
    field = scene(0.5, Aabb((-2.0,) * 3, (2.0,) * 3, Contraction("2")))
    rays, everyone = around(8), torch.ones(64, dtype=torch.bool)
    whole = cone_march(field.aabb, field.occupancy, rays, 0.05)
    parts = list(waves(field, rays, 0.05, None, lambda: everyone))
    mine, places = joined(parts, rays)
    assert torch.equal(mine.t_starts, whole.t_starts)
    assert torch.equal(mine.offsets, whole.offsets)
    assert torch.equal(mine.t_starts[places], torch.cat([part.t_starts for part in parts]))


def test_rays_that_nobody_wants_end():
    field, rays = scene(0.5), around(8)
    wanted = torch.zeros(len(rays), dtype=torch.bool)
    assert len(list(waves(field, rays, 0.02, None, lambda: wanted))) <= 1


def test_a_teacher_answers_as_all_samples_do(backend):
    """Densities to where light ends, and colors of what is not faint."""
    field, rays = scene(20.0), around(12)
    queried = march_and_query(field, rays, 0.01, stop=5e-3)
    density, rgb = query(field, rays, queried.samples)
    reached = queried.reached
    torch.testing.assert_close(queried.density[reached], density[reached])
    torch.testing.assert_close(queried.rgb[queried.seen], rgb[queried.seen])
    assert 0 < int(queried.seen.sum()) < int(reached.sum()) < len(reached)


def test_no_rays_see_nothing():
    seen = shade(scene(1.0), around()[:0], 0.01)
    assert seen.color.shape == (0, 3)
    assert seen.opacity.shape == seen.depth.shape == (0,)


def test_not_a_number_is_nothing(monkeypatch):
    field, rays = scene(60.0), around(8)
    monkeypatch.setattr(field, "density", lambda features: features[:, 0] * torch.nan)
    assert float(shade(field, rays, 0.01).opacity.max()) == 0
