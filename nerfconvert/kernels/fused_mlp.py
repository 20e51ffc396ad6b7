"""fused_mlp: a small MLP over many points; a block of points passes all layers in cache."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import linear

from .arguments import check_count, check_float, check_like, check_shape
from .dispatch import dispatch
from .fused_mlp_bfloat16 import MAX_WIDTH, run_bfloat16
from .kernel import Kernel, Timing
from .launch import launch
from .precision import in_bfloat16
from .torch_ops import differentiate, register
from .wide_mlp import is_wide, layer_by_layer

MAX_LAYERS = 10
REFERENCE_CHUNK = 8192  # rows; in larger batches sgemm loses time to page faults
TIMED_FLOPS = 76_294  # per point, forward and backward; costlier MLPs get fewer points
TIMED = {
    "32-64-16": (32, 64, 16),
    "32-64-64-16": (32, 64, 64, 16),
    "32-64-64-3": (32, 64, 64, 3),
    "63-128x3-128": (63, 128, 128, 128, 128),
    "63-256x8": (63, *[256] * 8),
}


def fused_mlp(
    inputs: Tensor,
    weights: list[Tensor],
    biases: list[Tensor] | None = None,
    beside: Tensor | None = None,
    at: tuple[int, ...] = (),
    last_relu: bool = False,
) -> Tensor:
    """Outputs [N, O] of inputs [N, I]: ReLU between the layers, after the last where `last_relu`.

    `weights` are [out, in] as torch.nn.Linear stores them, `biases` [out] each or None for no
    biases. The layers `at` act on [h | beside], `beside` [N, E]; 0 is the first layer, whose h are
    the inputs. All sizes work; widths of 0 or beyond 512, or more than 10 layers, fall back to the
    reference, and on CUDA networks 128 wide or wider are products of torch's. Gradients reach
    inputs, weights, biases and `beside`. Within `precision.bfloat16_allowed` the terms of the
    products may be rounded to bfloat16.
    """
    check_float("inputs", inputs)
    check_shape("inputs", inputs, "N", "I")
    if not weights:
        raise ValueError("weights must hold at least one layer, got none")
    if biases is not None and len(biases) != len(weights):
        raise ValueError(f"biases must hold {len(weights)} tensors, got {len(biases)}")
    if (beside is None) != (not at):
        raise ValueError("beside and at must be given together")
    if beside is not None:
        check_shape("beside", beside, len(inputs), "E")
        check_like("beside", beside, "inputs", inputs)
    if at and not 0 <= min(at) <= max(at) < len(weights):
        raise ValueError(f"at must be layers from 0 to {len(weights) - 1}, got {at}")
    width = inputs.shape[1]
    for layer, weight in enumerate(weights):
        width += beside.shape[1] if layer in at else 0
        check_shape(f"weights[{layer}]", weight, "out", width)
        check_like(f"weights[{layer}]", weight, "inputs", inputs)
        width = weight.shape[0]
    for layer, bias in enumerate(biases or []):
        check_shape(f"biases[{layer}]", bias, weights[layer].shape[0])
        check_like(f"biases[{layer}]", bias, "inputs", inputs)
    check_count("inputs", inputs, max(_widths(inputs, weights)))
    more = (beside, at, last_relu) if at or last_relu else ()
    return dispatch("fused_mlp", inputs, weights, biases, *more)


def _compiled(
    inputs: Tensor,
    weights: list[Tensor],
    biases: list[Tensor] | None = None,
    beside: Tensor | None = None,
    at: tuple[int, ...] = (),
    last_relu: bool = False,
) -> Tensor | None:
    if is_wide(inputs, weights):
        between = len(weights) > 1 and in_bfloat16(inputs)
        dtype = torch.bfloat16 if between else inputs.dtype
        return layer_by_layer(inputs, weights, biases, beside, at, last_relu, dtype)
    if inputs.device.type == "cpu" and in_bfloat16(inputs):
        rounded = run_bfloat16(inputs, list(weights), list(biases or []), beside, at, last_relu)
        if rounded is not None:
            return rounded
    hidden = inputs
    bounds = sorted({0, len(weights), *at, *(layer + 1 for layer in at)})
    for begin, end in itertools.pairwise(bounds):
        part = weights[begin:end], biases[begin:end] if biases else []
        hidden = _on_both(hidden, beside, *part) if begin in at else _run_of_layers(hidden, *part)
        if hidden is None:
            return None
        if end < len(weights) or last_relu:
            hidden = hidden.relu()
    return hidden


def _run_of_layers(inputs: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor | None:
    widths = _widths(inputs, weights)
    if not (0 < min(widths) and max(widths) <= MAX_WIDTH and len(weights) <= MAX_LAYERS):
        return None
    parameters = list(weights), list(biases)
    differentiable = (inputs, *parameters[0], *parameters[1])
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in differentiable):
        return torch.ops.nerfconvert.fused_mlp_training(inputs, *parameters)[0]
    return torch.ops.nerfconvert.fused_mlp(inputs, *parameters)


def _on_both(h: Tensor, beside: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    """One layer of [h | beside], multiplied separately, so that nothing is concatenated."""
    on_h, on_beside = weights[0].split([h.shape[1], beside.shape[1]], dim=1)
    return torch.addmm(linear(h, on_h, *biases), beside, on_beside.t())


def fused_mlp_reference(
    inputs: Tensor,  # [N, I]
    weights: list[Tensor],  # [out, in] each
    biases: list[Tensor] | None = None,  # [out] each
    beside: Tensor | None = None,  # [N, E]
    at: tuple[int, ...] = (),  # layers
    last_relu: bool = False,
) -> Tensor:
    """`fused_mlp` in plain torch, a chunk of rows at a time."""
    more = itertools.repeat(None) if beside is None else beside.split(REFERENCE_CHUNK)
    parts = zip(inputs.split(REFERENCE_CHUNK), more)
    chunks = [_layers(*part, weights, biases, at) for part in parts]
    output = chunks[0] if len(chunks) == 1 else torch.cat(chunks)
    return output.relu() if last_relu else output


def _layers(
    hidden: Tensor,
    beside: Tensor | None,
    weights: list[Tensor],
    biases: list[Tensor] | None,
    at: tuple[int, ...],
) -> Tensor:
    for layer, weight in enumerate(weights):
        hidden = hidden if layer == 0 else hidden.relu()
        bias = biases[layer : layer + 1] if biases else []
        on_both = layer in at
        hidden = (
            _on_both(hidden, beside, [weight], bias) if on_both else linear(hidden, weight, *bias)
        )
    return hidden


def _widths(inputs: Tensor, weights: list[Tensor]) -> list[int]:
    """Widths of inputs and every layer."""
    return [inputs.shape[1], *(weight.shape[0] for weight in weights)]


def _run(inputs, weights, biases, hidden):
    output = inputs.new_empty(len(inputs), weights[-1].shape[0])
    parameters = [w.contiguous() for w in weights], [b.contiguous() for b in biases]
    shape = len(inputs), len(weights), _widths(inputs, weights)
    launch("fused_mlp", inputs, *shape, inputs.contiguous(), *parameters, output, hidden)
    return output


def _hidden_size(points: int, weights: list[Tensor]) -> int:
    """Number of hidden activations kept for the backward pass; points are rounded up to 32."""
    return (points + 31) // 32 * 32 * sum(weight.shape[0] for weight in weights[:-1])


def _forward(inputs, weights, biases):
    return _run(inputs, weights, biases, None)


def _forward_training(inputs, weights, biases):
    hidden = inputs.new_empty(_hidden_size(len(inputs), weights))
    return _run(inputs, weights, biases, hidden), hidden


def _backward(inputs, weights, biases, hidden, grad_output, with_inputs):
    weights = [w.contiguous() for w in weights]
    grad_inputs = inputs.new_empty(inputs.shape if with_inputs else (0,))
    grad_weights = [torch.empty_like(w) for w in weights]
    grad_biases = [torch.empty_like(b, memory_format=torch.contiguous_format) for b in biases]
    shape = len(inputs), len(weights), _widths(inputs, weights)
    given = inputs.contiguous(), weights, hidden, grad_output.contiguous()
    outputs = grad_inputs if with_inputs else None, grad_weights, grad_biases
    launch("fused_mlp_backward", inputs, *shape, *given, *outputs)
    return grad_inputs, grad_weights, grad_biases


def _setup_context(ctx, inputs, output):
    points, weights, biases = inputs
    ctx.n_layers = len(weights)
    ctx.save_for_backward(points, output[1], *weights, *biases)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _autograd(ctx, grad_output, _grad_hidden):
    points, hidden, *parameters = ctx.saved_tensors
    weights, biases = parameters[: ctx.n_layers], parameters[ctx.n_layers :]
    if grad_output is None:
        return None, [None] * len(weights), [None] * len(biases)
    with_inputs = bool(ctx.needs_input_grad[0])
    backward = torch.ops.nerfconvert.fused_mlp_backward
    grads = backward(points, weights, biases, hidden, grad_output, with_inputs)
    return grads[0] if with_inputs else None, grads[1], grads[2]


def _forward_fake(inputs, weights, biases):
    return inputs.new_empty(inputs.shape[0], weights[-1].shape[0])


def _training_fake(inputs, weights, biases):
    hidden = inputs.new_empty(_hidden_size(inputs.shape[0], weights))
    return _forward_fake(inputs, weights, biases), hidden


def _backward_fake(inputs, weights, biases, hidden, grad_output, with_inputs):
    grad_inputs = inputs.new_empty(inputs.shape if with_inputs else (0,))
    grads = [[x.new_empty(x.shape) for x in group] for group in (weights, biases)]
    return grad_inputs, *grads


_INPUTS = "Tensor inputs, Tensor[] weights, Tensor[] biases"
register(f"fused_mlp({_INPUTS}) -> Tensor", _forward, _forward_fake)
register(f"fused_mlp_training({_INPUTS}) -> (Tensor, Tensor)", _forward_training, _training_fake)
register(
    f"fused_mlp_backward({_INPUTS}, Tensor hidden, Tensor grad_output, bool with_inputs) "
    "-> (Tensor, Tensor[], Tensor[])",
    _backward,
    _backward_fake,
)
differentiate("fused_mlp_training", _autograd, _setup_context)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)

    widths = (7, 19, 16, 3)
    weights = [draw(o, i) / i**0.5 for i, o in itertools.pairwise(widths)]
    return draw(45, widths[0]), weights, [0.3 * draw(o) for o in widths[1:]]


def _sized(generator: torch.Generator, size: int) -> tuple:
    weights = [torch.randn(5, 3, generator=generator), torch.randn(1, 5, generator=generator)]
    inputs = torch.randn(size, 3, generator=generator)
    return inputs, weights, [torch.ones(5), torch.ones(1)]


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """MLPs of hash grids and of NeRF, each on as many points as cost about the same."""
    for name, widths in TIMED.items():
        weights = [
            torch.randn(o, i, generator=generator) / i**0.5 for i, o in itertools.pairwise(widths)
        ]
        flops = 6 * sum(weight.numel() for weight in weights)
        alike = int(points * TIMED_FLOPS / flops) // 1024 * 1024
        rows = max(2048, min(points, alike))
        inputs = torch.randn(rows, widths[0], generator=generator)
        arguments = inputs, weights, [torch.zeros(o) for o in widths[1:]]
        unit = f"M points/s ({flops / 3e3:.1f} kFLOP forward)"
        products = rows * flops // 3
        yield Timing(arguments=arguments, items=rows, name=name, unit=unit, flops=products)


FUSED_MLP = Kernel(
    name="fused_mlp",
    fast=fused_mlp,
    reference=fused_mlp_reference,
    torch_op=torch.ops.nerfconvert.fused_mlp_training,
    native=_compiled,
    example=_example,
    sized=_sized,
    timings=_timings,
    differentiable=(0, 1, 2),
)
