"""fused_mlp: widths that fit no tile, blocks that do not fill, determinism, which op runs."""

from __future__ import annotations

import itertools

import pytest
import torch

from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.kernels.fused_mlp import fused_mlp


def network(widths, dtype=torch.float64, bias=True):
    weights = [
        (torch.randn(o, i, dtype=dtype) / i**0.5).requires_grad_()
        for i, o in itertools.pairwise(widths)
    ]
    biases = [torch.randn(o, dtype=dtype).requires_grad_() for o in widths[1:]] if bias else None
    return weights, biases


def by_loops(inputs, weights, biases):
    """Outputs of every point with Python's sums."""
    rows = []
    for hidden in inputs.tolist():
        for layer, weight in enumerate(weights):
            offset = biases[layer].tolist() if biases else [0.0] * len(weight)
            if layer:
                hidden = [max(h, 0.0) for h in hidden]
            hidden = [
                b + sum(w * h for w, h in zip(row, hidden, strict=True))
                for row, b in zip(weight.tolist(), offset, strict=True)
            ]
        rows.append(hidden)
    return torch.tensor(rows, dtype=inputs.dtype)


@pytest.mark.parametrize("bias", [True, False])
def test_against_loops(backend, bias):
    weights, biases = network((5, 11, 9, 2), bias=bias)
    inputs = torch.randn(19, 5, dtype=torch.float64)
    got = fused_mlp(inputs, weights, biases)
    torch.testing.assert_close(got, by_loops(inputs, weights, biases), rtol=0, atol=1e-12)


WIDTHS = [
    (1, 1),
    (3, 256),
    (256, 1),
    (288, 27),
    (512, 33, 2),
    (32, 64, 16),
    (31, 64, 64, 3),
    (63, 128, 128, 128, 128),
    (63, *[256] * 8),
    (17, 13, 5, 12, 6, 33),
    (4, *[7] * 9, 2),
]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("points", [1, 33, 700])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_odd_sizes(widths, points, bias, dtype):
    weights, biases = network(widths, dtype, bias)
    inputs = torch.randn(points, widths[0], dtype=dtype).requires_grad_()
    cotangent = torch.randn(points, widths[-1], dtype=dtype)
    leaves = [inputs, *weights, *(biases or [])]
    with use_backend("native"):
        out = fused_mlp(inputs, weights, biases)
        grads = torch.autograd.grad(out, leaves, cotangent)
        with torch.no_grad():
            assert torch.equal(fused_mlp(inputs, weights, biases), out)
    doubles = [x.detach().double().requires_grad_() for x in leaves]
    split = doubles[1 : 1 + len(weights)], doubles[1 + len(weights) :] or None
    with use_backend("reference"):
        exact = fused_mlp(doubles[0], *split)
        expected = torch.autograd.grad(exact, doubles, cotangent.double())
    for got, want in zip((out.detach(), *grads), (exact.detach(), *expected), strict=True):
        error = (got.double() - want).abs() / (want.abs().max() + 1e-6)
        if dtype == torch.float64:
            assert float(error.max()) < 1e-12
        else:  # a ReLU on the edge may switch: it moves the gradients of its point
            assert float((error > 1e-5).float().mean()) < 0.01


@pytest.mark.parametrize("at", [(0,), (1,), (2,), (0, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_more_inputs(backend, at, bias):
    """Against concatenated inputs, layer by layer; gradients reach what is beside."""
    widths = (5, 11, 9, 2)
    weights, biases = network(widths, bias=bias)
    for layer in at:
        weights[layer] = torch.randn(widths[layer + 1], widths[layer] + 4, dtype=torch.float64)
        weights[layer].requires_grad_()
    inputs = torch.randn(19, 5, dtype=torch.float64, requires_grad=True)
    beside = torch.randn(19, 4, dtype=torch.float64, requires_grad=True)
    want = inputs
    for layer, weight in enumerate(weights):
        want = torch.cat([want, beside], 1) if layer in at else want
        want = (want @ weight.T + (biases[layer] if biases else 0)).relu()
    got = fused_mlp(inputs, weights, biases, beside, at, last_relu=True)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    leaves = [inputs, beside, *weights, *(biases or [])]
    cotangent = torch.randn(19, 2, dtype=torch.float64)
    for grad, expected in zip(
        torch.autograd.grad(got, leaves, cotangent), torch.autograd.grad(want, leaves, cotangent)
    ):
        torch.testing.assert_close(grad, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("beside", "at", "told"),
    [
        (None, (0,), "beside and at"),
        (torch.zeros(6, 1), (), "beside and at"),
        (torch.zeros(6, 1), (2,), r"layers from 0 to 1, got \(2,\)"),
        (torch.zeros(5, 1), (0,), "beside must be"),
        (torch.zeros(6, 1), (0,), r"weights\[0\] must be"),
    ],
)
def test_more_inputs_that_do_not_fit(beside, at, told):
    weights, biases = network((4, 3, 2), torch.float32)
    with pytest.raises(ValueError, match=told):
        fused_mlp(torch.zeros(6, 4), weights, biases, beside, at)


@pytest.mark.usefixtures("compiled")
def test_backward_is_deterministic():
    weights, biases = network((32, 64, 64, 16), torch.float32)
    inputs, cotangent = torch.randn(5000, 32), torch.randn(5000, 16)

    def grads():
        out = fused_mlp(inputs, weights, biases)
        return torch.autograd.grad(out, [*weights, *biases], cotangent)

    with use_backend("native"):
        assert all(torch.equal(a, b) for a, b in zip(grads(), grads(), strict=True))


def test_input_gradient_only(backend):
    weights, biases = network((8, 16, 4))
    inputs = torch.randn(20, 8, dtype=torch.float64, requires_grad=True)
    frozen = [w.detach() for w in weights], [b.detach() for b in biases]
    (got,) = torch.autograd.grad(fused_mlp(inputs, *frozen).sum(), inputs)
    (want,) = torch.autograd.grad(fused_mlp(inputs, weights, biases).sum(), inputs)
    torch.testing.assert_close(got, want)


@pytest.mark.usefixtures("compiled")
def test_nothing_is_kept_without_gradients():
    weights, biases = network((8, 16, 4))
    with use_backend("native"):
        assert fused_mlp(torch.randn(3, 8).double(), weights, biases).grad_fn is not None
        with torch.no_grad():
            assert fused_mlp(torch.randn(3, 8).double(), weights, biases).grad_fn is None


def test_not_a_number_passes(backend):
    weights, biases = network((4, 8, 2))
    inputs = torch.randn(40, 4, dtype=torch.float64)
    inputs[7, 2] = torch.nan
    out = fused_mlp(inputs, weights, biases)
    assert bool(out[7].isnan().all())
    assert int(out.isnan().any(-1).sum()) == 1


@pytest.mark.parametrize("widths", [(0, 0), (3, 0), (0, 5), (4, 0, 2)])
def test_empty_layers(backend, widths):
    weights, biases = network(widths)
    out = fused_mlp(torch.zeros(6, widths[0], dtype=torch.float64), weights, biases)
    assert torch.equal(out, biases[-1].expand(6, -1))


def test_wide_networks_run_the_reference():
    weights, biases = network((4, 300, 2))
    inputs = torch.randn(6, 4, dtype=torch.float64)
    with use_backend("native"):
        assert fused_mlp(inputs, weights, biases).shape == (6, 2)


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        ([], None, "weights must hold"),
        ([torch.zeros(3, 5)], None, r"weights\[0\] must be \[out, 4\]"),
        ([torch.zeros(3, 4)], [], "biases must hold 1"),
        ([torch.zeros(3, 4)], [torch.zeros(2)], r"biases\[0\] must be \[3\]"),
        ([torch.zeros(3, 4).double()], None, r"weights\[0\] must be torch.float32"),
    ],
)
def test_wrong_arguments(weights, biases, message):
    with pytest.raises(ValueError, match=message):
        fused_mlp(torch.zeros(2, 4), weights, biases)
