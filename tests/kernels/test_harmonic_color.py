"""harmonic_color: one point at a time, a color that all directions share, gradients, bad input."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels.harmonic_color import harmonic_color
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics


def given(points: int, degree: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random features and unit directions."""
    directions = torch.nn.functional.normalize(torch.randn(points, 3, dtype=torch.float64), dim=-1)
    return torch.randn(points, 1 + 3 * degree**2, dtype=torch.float64), directions


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_against_one_point_at_a_time(backend, degree):
    features, directions = given(37, degree)
    density, rgb = harmonic_color(features, directions, degree)
    basis = spherical_harmonics(directions, degree).tolist()
    for row, values, raw, color in zip(
        features.tolist(), basis, density.tolist(), rgb.tolist(), strict=True
    ):
        assert raw == row[0]
        for channel, mine in enumerate(color):
            coefficients = row[1 + channel * degree**2 :]
            wanted = sum(a * b for a, b in zip(coefficients, values, strict=False))
            assert mine == pytest.approx(wanted, abs=1e-12)


def test_band_zero_looks_the_same_from_everywhere(backend):
    features, directions = given(20, 3)
    features[:, 1:] = 0
    features[:, 1], features[:, 10], features[:, 19] = 1.0, 2.0, -3.0
    _, rgb = harmonic_color(features, directions, 3)
    wanted = 0.28209479177387814 * torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    torch.testing.assert_close(rgb, wanted.expand(20, 3))


@pytest.mark.parametrize("degree", [1, 3])
def test_gradients(backend, degree):
    features, directions = given(9, degree)
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: harmonic_color(x, directions, degree), features)


def test_density_alone_has_a_gradient(backend):
    features, directions = given(9, 3)
    density, _ = harmonic_color(features.requires_grad_(), directions, 3)
    (grad,) = torch.autograd.grad(density.sum(), features)
    assert bool((grad[:, 0] == 1).all())
    assert not grad[:, 1:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"degree": 5}, "degree must be 1 to 4, got 5"),
        ({"features": torch.zeros(4, 27)}, r"features must be \[N, 28\], got \[4, 27\]"),
        ({"directions": torch.zeros(5, 3)}, r"directions must be \[4, 3\]"),
        ({"directions": torch.zeros(4, 3).double()}, "directions must be torch.float32"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"features": torch.zeros(4, 28), "directions": torch.zeros(4, 3), "degree": 3}
    with pytest.raises(ValueError, match=message):
        harmonic_color(**arguments | change)
