"""composite: closed forms of the constant medium, a loop-written oracle, properties."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.errors import BackendError
from nerfconvert.kernels.composite import composite
from nerfconvert.kernels.dispatch import use_backend


def constant_medium(n: int, density: float, length: float, dtype=torch.float64):
    """One ray of `n` equal segments over `length`, starting at t = 2."""
    delta = length / n
    t = 2 + (torch.arange(n, dtype=dtype) + 0.5) * delta
    full = torch.ones(n, dtype=dtype)
    rgb = full[:, None] * torch.tensor([0.2, 0.5, 0.9], dtype=dtype)
    return full * density, rgb, t, full * delta, torch.tensor([0, n])


@pytest.mark.parametrize("density", [0.0, 0.3, 5.0, 1e4])
def test_constant_medium(backend, density):
    color, opacity, depth, weights = composite(*constant_medium(2000, density, 1.5))
    expected = 1 - math.exp(-density * 1.5)
    assert float(opacity) == pytest.approx(expected, abs=1e-12)
    assert color[0].tolist() == pytest.approx([expected * c for c in (0.2, 0.5, 0.9)], abs=1e-12)
    assert float(weights.sum()) == pytest.approx(expected, abs=1e-12)
    if density:  # integral of t * density * exp(-density (t - 2)) over the segment
        tail = math.exp(-density * 1.5)
        integral = 2 * (1 - tail) + (1 - tail) / density - 1.5 * tail
        assert float(depth) == pytest.approx(integral, abs=1e-3)


def test_gradient_of_opacity_closed_form(backend):
    """d opacity / d density_i = delta * exp(-total optical depth), the same for every sample."""
    density, *rest = constant_medium(50, 0.7, 2.0)
    density.requires_grad_()
    composite(density, *rest)[1].sum().backward()
    expected = torch.full_like(density, 0.04 * math.exp(-1.4))
    torch.testing.assert_close(density.grad, expected, rtol=1e-12, atol=0)


def test_behind_what_is_opaque_everything_is_exactly_zero(backend):
    density, rgb, *rest = constant_medium(50, 0.7, 2.0, torch.float32)
    density[20] = 1e6
    front = [tensor[:21] for tensor in (density, rgb, *rest[:2])]
    color, *_ = composite(*front, torch.tensor([0, 21]))
    density.requires_grad_()
    rgb.requires_grad_()
    seen, _, _, weights = composite(density, rgb, *rest)
    torch.testing.assert_close(seen, color, rtol=0, atol=1e-6)
    (seen.sum() + weights.square().sum()).backward()
    assert weights[21:].abs().max() == 0
    assert rgb.grad[21:].abs().max() == 0
    assert density.grad[20:].abs().max() < 1e-6
    assert density.grad[:20].abs().min() > 0


def test_against_loop(backend):
    generator = torch.Generator().manual_seed(5)
    counts = torch.tensor([3, 0, 40, 1, 2500, 0, 7])
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    n = int(counts.sum())
    density = torch.rand(n, generator=generator) * 30
    rgb, t = torch.rand(n, 3, generator=generator), torch.rand(n, generator=generator)
    deltas = torch.rand(n, generator=generator) * 0.05
    color, opacity, depth, weights = composite(density, rgb, t, deltas, offsets)
    for r in range(len(counts)):
        transmittance, want = 1.0, [0.0] * 5
        for i in range(int(offsets[r]), int(offsets[r + 1])):
            alpha = 1 - math.exp(-float(density[i]) * float(deltas[i]))
            w = transmittance * alpha
            transmittance *= 1 - alpha
            assert float(weights[i]) == pytest.approx(w, abs=1e-6)
            terms = [*rgb[i].tolist(), 1.0, float(t[i])]
            want = [a + w * b for a, b in zip(want, terms, strict=True)]
        got = [*color[r].tolist(), float(opacity[r]), float(depth[r])]
        assert got == pytest.approx(want, abs=2e-6)


@pytest.mark.usefixtures("compiled")
def test_thin_segments_keep_their_digits():
    """alpha of optical depth 1e-6 to a part in a million, which 1 - exp loses in float32."""
    with use_backend("native"):
        density = torch.tensor([1e-3])
        _, opacity, _, _ = composite(
            density, torch.ones(1, 3), torch.ones(1), torch.tensor([1e-3]), torch.tensor([0, 1])
        )
    assert float(opacity) == pytest.approx(-math.expm1(-1e-6), rel=1e-6)


def test_opaque_sample_hides_the_rest(backend):
    density = torch.tensor([0.0, 1e9, 5.0], requires_grad=True)
    rgb = torch.eye(3, requires_grad=True)
    deltas, offsets = torch.ones(3), torch.tensor([0, 3])
    color, opacity, depth, weights = composite(density, rgb, torch.arange(3.0), deltas, offsets)
    assert color[0].tolist() == [0.0, 1.0, 0.0]
    assert opacity.tolist() == [1.0]
    (color.sum() + depth.sum() + weights.sum()).backward()
    assert bool(density.grad.isfinite().all())
    assert float(rgb.grad[2].abs().max()) == 0.0


@pytest.mark.parametrize("density", [1e9, 1e20, math.inf])
def test_opaque_ray_does_not_reach_the_next(backend, density):
    """Rays are apart: the reference sums over all of them and must not lose the later ones."""
    densities = torch.tensor([density, 1.0, 1.0], requires_grad=True)
    ones = torch.ones(3)
    offsets = torch.tensor([0, 1, 3])
    color, opacity, _, weights = composite(densities, torch.ones(3, 3), ones, ones, offsets)
    assert opacity.tolist() == pytest.approx([1.0, -math.expm1(-2.0)], abs=1e-6)
    assert color[1].tolist() == pytest.approx([-math.expm1(-2.0)] * 3, abs=1e-6)
    alpha = -math.expm1(-1.0)
    assert weights.tolist() == pytest.approx([1.0, alpha, math.exp(-1.0) * alpha], abs=1e-6)
    opacity.sum().backward()
    assert densities.grad.tolist() == pytest.approx([0.0, *[math.exp(-2.0)] * 2], abs=1e-6)


def test_not_a_number_spoils_the_rest_of_its_ray_only(backend):
    counts = torch.tensor([4, 5, 0, 6])
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    density, t = torch.rand(15), torch.rand(15)
    rest = torch.rand(15, 3), t, torch.ones(15), offsets
    wanted = composite(density, *rest)
    density[6] = math.nan  # the third sample of the second ray
    got = composite(density, *rest)
    ray, sample = torch.arange(4) == 1, torch.arange(15)
    spoiled = [ray, ray, ray, (sample >= 6) & (sample < 9)]
    for found, right, bad in zip(got, wanted, spoiled, strict=True):
        assert found[bad].isnan().all()
        torch.testing.assert_close(found[~bad], right[~bad], rtol=0, atol=1e-6)


def test_only_weights_carry_gradient(backend):
    arguments = constant_medium(9, 2.0, 1.0)
    density = arguments[0].requires_grad_()
    weights = composite(*arguments)[3]
    (grad,) = torch.autograd.grad(weights[4], density)
    delta, before = 1 / 9, math.exp(-2.0 * 4 / 9)
    assert float(grad[4]) == pytest.approx(delta * before * math.exp(-2.0 / 9), rel=1e-9)
    assert float(grad[0]) == pytest.approx(-delta * float(weights[4].detach()), rel=1e-9)
    assert grad[5:].abs().max() < 1e-15


@pytest.mark.usefixtures("compiled")
def test_offsets_that_lie():
    density, rgb, t, deltas, _ = constant_medium(5, 1.0, 1.0)
    for offsets in ([0, 6], [1, 5], [0, 4, 3, 5], [0, 4]):
        with use_backend("native"), pytest.raises(BackendError, match="offsets"):
            composite(density, rgb, t, deltas, torch.tensor(offsets))
    with pytest.raises(ValueError, match="offsets"):
        composite(density, rgb, t, deltas, torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"rgb must be \[5, 3\]"):
        composite(density, rgb[:4], t, deltas, torch.tensor([0, 5]))


def test_against_nerfacc(backend):
    """Its renderers for rays with equally many samples need no CUDA."""
    nerfacc = pytest.importorskip("nerfacc")
    draw = torch.rand(5, 7, 5)
    edges = draw[..., 4].cumsum(1)
    starts, ends = edges - draw[..., 4], edges
    weights = nerfacc.render_weight_from_density(starts, ends, 3 * draw[..., 0])[0]
    wanted = [
        nerfacc.accumulate_along_rays(weights, values)
        for values in (draw[..., 1:4], None, ((starts + ends) / 2)[..., None])
    ]
    packed = [3 * draw[..., 0], draw[..., 1:4].flatten(0, 1), (starts + ends) / 2, ends - starts]
    packed = [x.reshape(35, *x.shape[2:]) if x.shape[0] == 5 else x for x in packed]
    found = composite(*packed, torch.arange(6) * 7)
    for mine, theirs in zip(found, (*wanted, weights), strict=True):
        torch.testing.assert_close(mine, theirs.reshape(mine.shape), rtol=0, atol=1e-5)
