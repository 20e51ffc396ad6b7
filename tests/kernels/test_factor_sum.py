"""factor_sum: sums of factor_lookup's products, a closed form, bad input."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels.factor_lookup import LINE_AXES, PLANE_AXES, factor_lookup
from nerfconvert.kernels.factor_sum import factor_sum

from .test_factor_lookup import SIZES, factors


@pytest.mark.parametrize("with_planes", [True, False])
@pytest.mark.parametrize(("width", "channels"), [(5, 0), (13, 13), (40, 16), (70, 35)])
def test_sums_of_products(backend, with_planes, width, channels):
    planes, lines = factors(SIZES, width)
    planes = planes if with_planes else []
    unit = 1.2 * torch.rand(61, 3, dtype=torch.float64) - 0.1
    unit[7, 1] = torch.nan
    products = factor_lookup(unit, planes, lines, 0)[1].unflatten(1, (-1, width))
    got = factor_sum(unit, planes, lines, channels)
    torch.testing.assert_close(got, products[..., :channels].sum((1, 2)), rtol=0, atol=1e-12)


def test_separable_function_is_exact(backend):
    """20 channels of x * y * z in three modes, of which 18 count."""
    ramps = [torch.linspace(0, 1, n, dtype=torch.float64)[:, None].expand(-1, 20) for n in SIZES]
    lines = [ramps[axis] for axis in LINE_AXES]
    planes = [ramps[a][:, None] * ramps[b][None] for a, b in PLANE_AXES]
    unit = torch.rand(200, 3, dtype=torch.float64)
    torch.testing.assert_close(
        factor_sum(unit, planes, lines, 18), 54 * unit.prod(1), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("channels", [-1, 10])
def test_refuses_channels_that_are_not_there(channels):
    planes, lines = factors(SIZES, 9)
    with pytest.raises(ValueError, match="channels must be 0 to 9"):
        factor_sum(torch.rand(4, 3, dtype=torch.float64), planes, lines, channels)
