"""spherical_harmonics: orthonormal over the sphere, known values, known signs."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.kernels.spherical_harmonics import spherical_harmonics


def sphere_quadrature(n: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions [M, 3] and weights [M] that integrate polynomials of low degree exactly:
    the midpoint rule in azimuth, Simpson's composite rule in z (degree 6 needs many steps)."""
    nodes = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    simpson = torch.full_like(nodes, 2.0)
    simpson[1::2] = 4.0
    simpson[[0, -1]] = 1.0
    simpson *= (nodes[1] - nodes[0]) / 3
    phi = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    radius = (1 - nodes**2).clamp_min(0).sqrt()[:, None]
    xyz = [radius * phi.cos(), radius * phi.sin(), nodes[:, None].expand(-1, n)]
    weights = (simpson[:, None] * (2 * math.pi / n)).expand(-1, n)
    return torch.stack(xyz, -1).reshape(-1, 3), weights.reshape(-1)


def test_orthonormal(backend):
    directions, weights = sphere_quadrature()
    basis = spherical_harmonics(directions, 4)
    gram = basis.T @ (weights[:, None] * basis)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), rtol=0, atol=1e-6)


def test_signs_of_the_shared_convention(backend):
    axes = torch.eye(3, dtype=torch.float64)
    basis = spherical_harmonics(axes, 2)
    c = math.sqrt(3 / (4 * math.pi))
    expected = [[0, 0, -c], [-c, 0, 0], [0, c, 0]]
    torch.testing.assert_close(basis[:, 1:], torch.tensor(expected, dtype=torch.float64))
    assert basis[:, 0].tolist() == pytest.approx([0.5 / math.sqrt(math.pi)] * 3)


def test_published_coefficients(backend):
    """The constants as files and papers print them, at one direction."""
    x, y, z = 0.48, 0.6, 0.64
    got = spherical_harmonics(torch.tensor([[x, y, z]], dtype=torch.float64), 4)[0]
    xx, yy, zz = x * x, y * y, z * z
    expected = [
        0.2820948, -0.4886025 * y, 0.4886025 * z, -0.4886025 * x,
        1.0925484 * x * y, -1.0925484 * y * z, 0.3153916 * (2 * zz - xx - yy),
        -1.0925484 * x * z, 0.5462742 * (xx - yy),
        -0.5900436 * y * (3 * xx - yy), 2.8906114 * x * y * z, -0.4570458 * y * (4 * zz - xx - yy),
        0.3731763 * z * (2 * zz - 3 * xx - 3 * yy), -0.4570458 * x * (4 * zz - xx - yy),
        1.4453057 * z * (xx - yy), -0.5900436 * x * (xx - 3 * yy),
    ]  # fmt: skip
    assert got.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
@pytest.mark.parametrize("points", [1, 7, 8, 9, 4097])
def test_degrees_nest(backend, degree, points):
    directions = torch.nn.functional.normalize(torch.randn(points, 3), dim=-1)
    basis = spherical_harmonics(directions, degree)
    assert basis.shape == (points, degree**2)
    assert torch.equal(basis, spherical_harmonics(directions, 4)[:, : degree**2])


@pytest.mark.parametrize("degree", [0, 5])
def test_degree_out_of_range(degree):
    with pytest.raises(ValueError, match="degree must be 1 to 4"):
        spherical_harmonics(torch.zeros(1, 3), degree)
