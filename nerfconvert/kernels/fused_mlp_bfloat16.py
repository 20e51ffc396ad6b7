"""The torch op of `fused_mlp` in bfloat16, for processors with AVX512-BF16."""

from __future__ import annotations

import torch
from torch import Tensor

from .launch import launch
from .torch_ops import differentiate, register

MAX_WIDTH = 512
MAX_LAYERS = 10
MIN_ROWS = 256  # below, the weights take longer to be rounded than the products


def run_bfloat16(
    inputs: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    beside: Tensor | None,
    at: tuple[int, ...],
    last_relu: bool,
) -> Tensor | None:
    """`fused_mlp` with the terms of its products in bfloat16, sums in float32; None where the op
    does not take these sizes, or `beside` needs a gradient."""
    widths = [inputs.shape[1], *(len(weight) for weight in weights)]
    fits = 0 < min(widths) and max(widths) <= MAX_WIDTH and len(weights) <= MAX_LAYERS
    if not fits or len(inputs) < MIN_ROWS:
        return None
    if beside is not None and (beside.requires_grad or beside.shape[1] > MAX_WIDTH):
        return None
    beside = inputs.new_empty(len(inputs), 0) if beside is None else beside
    taken = [int(layer in at) for layer in range(len(weights))]
    tensors = (inputs, *weights, *biases)
    training = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    op = torch.ops.nerfconvert.fused_mlp_bfloat16
    return op(inputs, weights, biases, beside, taken, last_relu, training)[0]


def _shape(inputs, weights, beside, at, last_relu):
    widths = [inputs.shape[1], *(len(weight) for weight in weights)]
    given = beside.shape[1], list(at), beside.contiguous(), last_relu
    return len(inputs), len(weights), widths, inputs.contiguous(), *given


def _hidden_size(points, weights):
    """Numbers kept for the backward pass: points rounded up to 32, of even widths."""
    return (points + 31) // 32 * 32 * sum((len(weight) + 1) // 2 * 2 for weight in weights[:-1])


def _forward(inputs, weights, biases, beside, at, last_relu, training):
    output = inputs.new_empty(len(inputs), len(weights[-1]))
    size = _hidden_size(len(inputs), weights) if training else 0
    hidden = inputs.new_empty(size, dtype=torch.bfloat16)
    parameters = [w.contiguous() for w in weights], [b.contiguous() for b in biases]
    kept = hidden if training else None
    shape = _shape(inputs, weights, beside, at, last_relu)
    launch("fused_mlp_bfloat16", inputs, *shape, *parameters, output, kept)
    return output, hidden


def _backward(inputs, weights, beside, at, last_relu, output, hidden, grad_output, wanted):
    weights = [w.contiguous() for w in weights]
    with_inputs, with_biases = wanted
    grad_inputs = inputs.new_empty(inputs.shape if with_inputs else (0,))
    grad_weights = [torch.empty_like(w) for w in weights]
    grad_biases = [inputs.new_empty(len(w)) for w in weights] if with_biases else []
    shape = _shape(inputs, weights, beside, at, last_relu)
    given = weights, output, hidden, grad_output.contiguous()
    outputs = grad_inputs if with_inputs else None, grad_weights, grad_biases
    launch("fused_mlp_bfloat16_backward", inputs, *shape, *given, *outputs)
    return grad_inputs, grad_weights, grad_biases


def _setup_context(ctx, inputs, output):
    points, weights, biases, beside, ctx.at, ctx.last_relu, _ = inputs
    ctx.with_biases = bool(biases)
    ctx.save_for_backward(points, beside, *output, *weights)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _autograd(ctx, grad_output, _grad_hidden):
    points, beside, output, hidden, *weights = ctx.saved_tensors
    nothing = [None] * len(weights)
    if grad_output is None:
        return None, nothing, nothing if ctx.with_biases else [], None, None, None, None
    wanted = [bool(ctx.needs_input_grad[0]), ctx.with_biases]
    backward = torch.ops.nerfconvert.fused_mlp_bfloat16_backward
    grads = backward(
        points, weights, beside, ctx.at, ctx.last_relu, output, hidden, grad_output, wanted
    )
    return grads[0] if wanted[0] else None, grads[1], grads[2], None, None, None, None


def _forward_fake(inputs, weights, biases, beside, at, last_relu, training):
    size = _hidden_size(inputs.shape[0], weights) if training else 0
    hidden = inputs.new_empty(size, dtype=torch.bfloat16)
    return inputs.new_empty(inputs.shape[0], weights[-1].shape[0]), hidden


def _backward_fake(inputs, weights, beside, at, last_relu, output, hidden, grad_output, wanted):
    grad_inputs = inputs.new_empty(inputs.shape if wanted[0] else (0,))
    biases = [w.new_empty(w.shape[0]) for w in weights] if wanted[1] else []
    return grad_inputs, [w.new_empty(w.shape) for w in weights], biases


_BESIDE = "Tensor beside, int[] at, bool last_relu"
register(
    f"fused_mlp_bfloat16(Tensor inputs, Tensor[] weights, Tensor[] biases, {_BESIDE}, "
    "bool training) -> (Tensor, Tensor)",
    _forward,
    _forward_fake,
)
register(
    f"fused_mlp_bfloat16_backward(Tensor inputs, Tensor[] weights, {_BESIDE}, Tensor output, "
    "Tensor hidden, Tensor grad_output, bool[] wanted) -> (Tensor, Tensor[], Tensor[])",
    _backward,
    _backward_fake,
)
differentiate("fused_mlp_bfloat16", _autograd, _setup_context)
