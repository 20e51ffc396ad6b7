"""Wide networks by torch's products: the same as the reference, near it in bfloat16."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels.fused_mlp import fused_mlp, fused_mlp_reference
from nerfconvert.kernels.precision import bfloat16_allowed, in_bfloat16
from nerfconvert.kernels.wide_mlp import is_wide, layer_by_layer
from tests.kernels.test_fused_mlp_bfloat16 import network

CASES = [
    ((63, *[256] * 8), 63, (5,), True, True),
    ((256, 128, 3), 27, (0,), True, False),
    ((40, 128, 128), 0, (), False, False),
]


def results(run, widths, more, at, bias, last_relu, device="cpu"):
    torch.manual_seed(0)
    inputs, weights, biases, beside = network(widths, more, at, bias)
    leaves = [inputs, *weights, *(biases or [])]
    moved = iter([x.detach().to(device).requires_grad_() for x in leaves])
    inputs, weights = next(moved), [next(moved) for _ in weights]
    biases = [next(moved) for _ in biases] if biases else None
    beside = None if beside is None else beside.to(device)
    out = run(inputs, weights, biases, beside, at, last_relu)
    cotangent = torch.arange(out.numel(), device=out.device).cos().view(out.shape)
    grads = torch.autograd.grad((out * cotangent).sum(), [inputs, *weights, *(biases or [])])
    return [x.detach().cpu() for x in (out, *grads)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_in_float32_it_is_the_reference(case):
    found = results(lambda *x: layer_by_layer(*x, torch.float32), *case)
    for got, want in zip(found, results(fused_mlp_reference, *case), strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=2e-5 * float(want.abs().max()))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_in_bfloat16_it_is_near_the_reference(case):
    """Its gradients as near as those of a ReLU that opens at another point can be."""
    found = results(lambda *x: layer_by_layer(*x, torch.bfloat16), *case)
    assert all(x.dtype == torch.float32 for x in found)
    out, *grads = errors(found, results(fused_mlp_reference, *case))
    assert 0 < out < 0.01
    assert max(grads) < 0.2


def errors(found, wanted):
    """Norms of the differences, as parts of the norms."""
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, wanted, strict=True)]


def test_a_narrow_result_is_not_rounded():
    """Densities and colors keep their digits: of a network of one layer, all of them."""
    inputs, weights, biases, _ = network((128, 3), 0, ())
    found = layer_by_layer(
        inputs.bfloat16().float(), weights, biases, None, (), False, torch.bfloat16
    )
    want = fused_mlp_reference(inputs.bfloat16().float(), weights, biases)
    torch.testing.assert_close(found, want, rtol=0, atol=1e-5)


def test_on_the_cpu_no_network_is_wide():
    assert not is_wide(torch.zeros(300, 256), [torch.zeros(256, 256)])


@pytest.mark.needs_cuda
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cuda_takes_the_products(case):
    wanted = results(fused_mlp_reference, *case)
    exact = errors(results(fused_mlp, *case, device="cuda"), wanted)
    assert max(exact) < 1e-4
    with bfloat16_allowed():
        in_cores = in_bfloat16(torch.zeros(1, device="cuda"))
        out, *grads = errors(results(fused_mlp, *case, device="cuda"), wanted)
    assert out < 0.01
    assert max(grads) < 0.2
    assert out > 10 * exact[0] or not in_cores
