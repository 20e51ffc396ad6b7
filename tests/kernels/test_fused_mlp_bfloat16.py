"""fused_mlp in bfloat16, where the processor has it: against float64 products of rounded terms."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels import library, precision
from nerfconvert.kernels.fused_mlp import fused_mlp
from nerfconvert.kernels.precision import bfloat16_allowed

ROWS = 300  # more than a block, and its last panel is not full
NETWORKS = [  # widths, width beside, layers that take it
    ((3, 1), 0, ()),
    ((63, 256, 256, 256, 1), 0, ()),
    ((64, *[128] * 7), 64, (5,)),
    ((256, 128, 3), 27, (0,)),
    ((7, 19, 16, 33), 5, (0, 2)),
    ((33, 31, 300, 13), 3, (1,)),
]


@pytest.fixture(autouse=True)
def _rounded():
    with bfloat16_allowed():
        if not precision.in_bfloat16(torch.zeros(1)):
            pytest.skip("this processor has no AVX512-BF16, or the kernels are not compiled")
        yield


class Rounded(torch.autograd.Function):
    """Rounds values, or the gradients that come back, to bfloat16."""

    @staticmethod
    def forward(ctx, x, values, gradients):
        ctx.gradients = gradients
        return x.bfloat16().to(x.dtype) if values else x.clone()

    @staticmethod
    def backward(ctx, grad):
        return (grad.bfloat16().to(grad.dtype) if ctx.gradients else grad), None, None


def exact(inputs, weights, biases, beside, at, last_relu):
    """What the kernel computes, its sums in float64."""
    h = inputs
    for layer, weight in enumerate(weights):
        h = h if layer not in at else torch.cat([h, beside], 1)
        h = Rounded.apply(h, True, False) @ Rounded.apply(weight, True, False).T
        h = Rounded.apply(h + (biases[layer] if biases else 0), False, True)
        h = h.relu() if last_relu or layer + 1 < len(weights) else h
    return h


def network(widths, more, at, bias=True, rows=ROWS):
    inputs = torch.randn(rows, widths[0], requires_grad=True)
    beside = torch.randn(rows, more) if more else None
    wide = [i + (more if layer in at else 0) for layer, i in enumerate(widths[:-1])]
    weights = [torch.randn(o, i) * (2 / i) ** 0.5 for o, i in zip(widths[1:], wide)]
    biases = [torch.randn(o) / 10 for o in widths[1:]] if bias else None
    for leaf in (*weights, *(biases or [])):
        leaf.requires_grad_()
    return inputs, weights, biases, beside


@pytest.mark.parametrize(("widths", "more", "at"), NETWORKS, ids=str)
@pytest.mark.parametrize(("bias", "last_relu"), [(True, False), (False, True)])
def test_values_and_gradients(widths, more, at, bias, last_relu):
    assert_values_and_gradients(widths, more, at, bias, last_relu)


def assert_values_and_gradients(widths, more, at, bias, last_relu):
    """A number between two of bfloat16 may go to the other one, by 2^-8, as its sum is rounded."""
    inputs, weights, biases, beside = network(widths, more, at, bias)
    leaves = [inputs, *weights, *(biases or [])]
    cotangent = torch.randn(ROWS, widths[-1])
    out = fused_mlp(inputs, weights, biases, beside, at, last_relu)
    grads = torch.autograd.grad(out, leaves, cotangent)
    doubles = [x.detach().double().requires_grad_() for x in leaves]
    split = doubles[1 : 1 + len(weights)], doubles[1 + len(weights) :] or None
    wanted = exact(doubles[0], *split, None if beside is None else beside.double(), at, last_relu)
    expected = torch.autograd.grad(wanted, doubles, cotangent.double())
    for got, want in zip((out.detach(), *grads), (wanted.detach(), *expected), strict=True):
        assert got.dtype == torch.float32
        error = (got - want).abs() / want.abs().max()
        assert float(error.mean()) < 2e-4
        assert float(error.max()) < (1e-5 if len(weights) == 1 else 2**-6)


def test_it_is_near_float32():
    inputs, weights, biases, beside = network((63, *[256] * 8), 63, (5,))
    rounded = fused_mlp(inputs, weights, biases, beside, (5,))
    with bfloat16_allowed(False):
        full = fused_mlp(inputs, weights, biases, beside, (5,))
    error = (rounded - full).norm() / full.norm()
    assert 2**-10 < error < 2**-6  # it was rounded, eight times, to 8 bits


@pytest.mark.parametrize("rows", [256, 257, 1000])
def test_the_same_bytes_again_and_without_gradients(rows):
    inputs, weights, biases, beside = network((63, 256, 256, 7), 63, (1,), rows=rows)

    def run():
        out = fused_mlp(inputs, weights, biases, beside, (1,))
        return [out, *torch.autograd.grad(out.square().sum(), [inputs, *weights, *biases])]

    first = run()
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))
    with torch.no_grad():
        assert torch.equal(fused_mlp(inputs, weights, biases, beside, (1,)), first[0])


def test_threads_change_no_bit_of_the_results():
    arguments = network((63, 256, 256, 7), 63, (1,), rows=1000)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(fused_mlp(*arguments, (1,)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_points_do_not_meet_and_not_a_number_passes():
    inputs, weights, biases, _ = network((63, 256, 256, 7), 0, ())
    clean = fused_mlp(inputs, weights, biases)
    with torch.no_grad():
        inputs[41, 3] = torch.nan
    out = fused_mlp(inputs, weights, biases)
    assert bool(out[41].isnan().all())
    others = torch.arange(ROWS) != 41
    assert torch.equal(out[others], clean[others])


def test_frozen_weights_and_expanded_gradients():
    inputs, weights, biases, _ = network((63, 256, 7), 0, ())
    frozen = [w.detach() for w in weights], [b.detach() for b in biases]
    (got,) = torch.autograd.grad(fused_mlp(inputs, *frozen).sum(), inputs)
    (want,) = torch.autograd.grad(fused_mlp(inputs, weights, biases).sum(), inputs)
    assert torch.equal(got, want)


@pytest.mark.parametrize(
    "change", ["few rows", "too wide", "too deep", "gradient beside", "float64", "not allowed"]
)
def test_what_stays_in_full_precision(change):
    widths, rows = (8, 128, 128, 4), 200 if change == "few rows" else ROWS
    widths = (8, 600, 4) if change == "too wide" else widths
    widths = (8, *[16] * 11) if change == "too deep" else widths
    inputs, weights, biases, beside = network(widths, 3, (1,), rows=rows)
    if change == "gradient beside":
        beside.requires_grad_()
    arguments = inputs, weights, biases, beside
    if change == "float64":
        doubled = [[x.double() for x in part] for part in (weights, biases)]
        arguments = inputs.double(), *doubled, beside.double()
    with bfloat16_allowed(change != "not allowed"):
        found = fused_mlp(*arguments, (1,))
    with bfloat16_allowed(False):
        assert torch.equal(found, fused_mlp(*arguments, (1,)))


def test_the_level_below_has_no_bfloat16(monkeypatch):
    below = library.load_library("cpu", "v4")
    monkeypatch.setattr(library, "load_library", lambda device: below)
    assert not precision.in_bfloat16(torch.zeros(1))


def test_opcheck():
    inputs, weights, biases, beside = network((8, 16, 12, 3), 5, (1,))
    arguments = inputs, weights, biases, beside, [0, 1, 0], True, True
    torch.library.opcheck(torch.ops.nerfconvert.fused_mlp_bfloat16.default, arguments)


def test_widths_of_every_tile():
    """1 to 13 rows of outputs and of inputs: every remainder of a tile of 12."""
    for width in range(1, 14):
        inputs, weights, biases, _ = network((width, width + 1, width), 0, ())
        with torch.no_grad():
            out = fused_mlp(inputs, weights, biases)
            want = exact(*(_double(x) for x in (inputs, weights, biases)), None, (), False)
        assert float((out - want).abs().max() / want.abs().max()) < 2**-7


def _double(x):
    return [y.double() for y in x] if isinstance(x, list) else x.double()
