"""composite: volume rendering of packed samples of density and rgb to one color per ray."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_integer, check_like, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .march import march, shell_scene
from .torch_ops import differentiate, register

SATURATED = 800.0  # optical depth beyond which exp(-x) is 0 even in float64


def composite(
    density: Tensor,  # [S] >= 0, 1 / world unit
    rgb: Tensor,  # [S, 3]
    t_mids: Tensor,  # [S]
    deltas: Tensor,  # [S] >= 0, world units
    offsets: Tensor,  # [R + 1] int64, ascending from 0 to S
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Color [R, 3] (premultiplied, no background), opacity [R], depth [R] and weights [S].

    w_i = prod_{j<i} exp(-density_j delta_j) * (1 - exp(-density_i delta_i)); color, opacity and
    depth are the sums of w * rgb, w and w * t over each ray (Max 1995). Gradients of all four
    reach `density` and `rgb`.
    """
    check_float("density", density)
    samples = density.shape[0] if density.ndim else 0
    check_shape("density", density, "S")
    for name, tensor, shape in (
        ("rgb", rgb, (samples, 3)),
        ("t_mids", t_mids, (samples,)),
        ("deltas", deltas, (samples,)),
    ):
        check_shape(name, tensor, *shape)
        check_like(name, tensor, "density", density)
    check_shape("offsets", offsets, "R + 1")
    check_integer("offsets", offsets, density)
    if not offsets.shape[0]:
        raise ValueError("offsets must be [R + 1], got [0]")
    check_count("density", density, 3)
    return dispatch("composite", density, rgb, t_mids, deltas, offsets)


def composite_reference(
    density: Tensor,  # [S]
    rgb: Tensor,  # [S, 3]
    t_mids: Tensor,  # [S]
    deltas: Tensor,  # [S]
    offsets: Tensor,  # [R + 1] int64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`composite` in plain torch. Sums run in float64: one cumulative sum crosses all rays.

    As compiled, a NaN density makes the rest of its ray NaN and no other ray; unlike compiled, it
    gets no gradient.
    """
    rays = len(offsets) - 1
    counts = offsets[1:] - offsets[:-1]
    ray_indices = torch.repeat_interleave(torch.arange(rays, device=offsets.device), counts)
    # Unlimited, an opaque sample costs later rays their precision, an infinite one their values.
    optical = (density.double() * deltas.double()).clamp_max(SATURATED)
    broken = optical.isnan()
    optical = optical.masked_fill(broken, 0.0)
    before = torch.cat([optical.new_zeros(1), optical.cumsum(0)])
    depth_before = before[:-1] - before[offsets[:-1]][ray_indices]
    n_broken = torch.cat([offsets.new_zeros(1), broken.cumsum(0)])
    spoiled = n_broken[1:] > n_broken[offsets[:-1]][ray_indices]
    weights = torch.exp(-depth_before) * -torch.expm1(-optical)
    weights = weights.masked_fill(spoiled, math.nan)
    columns = torch.cat(
        [rgb.double(), torch.ones_like(weights)[:, None], t_mids.double()[:, None]], 1
    )
    sums = weights.new_zeros(rays, 5).index_add(0, ray_indices, weights[:, None] * columns)
    sums = sums.to(density.dtype)
    return sums[:, :3].contiguous(), sums[:, 3], sums[:, 4], weights.to(density.dtype)


def _forward(density, rgb, t_mids, deltas, offsets):
    inputs = [x.contiguous() for x in (density, rgb, t_mids, deltas, offsets)]
    rays = len(offsets) - 1
    color, weights = density.new_empty(rays, 3), torch.empty_like(inputs[0])
    opacity, depth = density.new_empty(rays), density.new_empty(rays)
    outputs = color, opacity, depth, weights
    launch("composite", density, rays, len(density), *inputs, *outputs)
    return outputs


def _backward(density, rgb, t_mids, deltas, offsets, grad_color, grad_opacity, grad_depth, grad_w):
    inputs = [x.contiguous() for x in (density, rgb, t_mids, deltas, offsets)]
    grads = [None if g is None else g.contiguous() for g in (grad_color, grad_opacity, grad_depth)]
    grads.append(None if grad_w is None else grad_w.contiguous())
    sizes = len(offsets) - 1, len(density)
    outputs = torch.empty_like(inputs[0]), torch.empty_like(inputs[1])
    launch("composite_backward", density, *sizes, *inputs, *grads, *outputs)
    return outputs


def _setup_context(ctx, inputs, output):
    ctx.save_for_backward(*inputs)
    ctx.set_materialize_grads(False)


def _autograd(ctx, *grads):
    if all(grad is None for grad in grads):
        return (None,) * 5
    backward = torch.ops.nerfconvert.composite_backward
    grad_density, grad_rgb = backward(*ctx.saved_tensors, *grads)
    return grad_density, grad_rgb, None, None, None


def _forward_fake(density, rgb, t_mids, deltas, offsets):
    rays = offsets.shape[0] - 1
    per_ray = [density.new_empty(shape) for shape in ((rays, 3), (rays,), (rays,))]
    return *per_ray, torch.empty_like(density, memory_format=torch.contiguous_format)


def _backward_fake(density, rgb, *_):
    layout = torch.contiguous_format
    return (
        torch.empty_like(density, memory_format=layout),
        torch.empty_like(rgb, memory_format=layout),
    )


_INPUTS = "Tensor density, Tensor rgb, Tensor t_mids, Tensor deltas, Tensor offsets"
register(f"composite({_INPUTS}) -> (Tensor, Tensor, Tensor, Tensor)", _forward, _forward_fake)
register(
    f"composite_backward({_INPUTS}, Tensor? grad_color, Tensor? grad_opacity, "
    "Tensor? grad_depth, Tensor? grad_weights) -> (Tensor, Tensor)",
    _backward,
    _backward_fake,
)
differentiate("composite", _autograd, _setup_context)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    counts = torch.tensor([5, 0, 1, 17, 9, 0])
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(device)
    draw = torch.rand(int(counts.sum()), 6, generator=generator, dtype=torch.float64)
    draw = draw.to(device, dtype)
    density, rgb = 20 * draw[:, 0] ** 2, draw[:, 1:4].contiguous()
    return density, rgb, 1 + draw[:, 4], 0.02 + 0.1 * draw[:, 5], offsets


def _sized(generator: torch.Generator, rays: int) -> tuple:
    counts = torch.randint(0, 2 * min(rays, 300) + 1, (rays,), generator=generator)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    draw = torch.rand(int(offsets[-1]), 6, generator=generator)
    return 9 * draw[:, 0], draw[:, 1:4].contiguous(), draw[:, 4], 0.1 * draw[:, 5], offsets


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """Samples of rays that march through a shell."""
    scene = shell_scene(generator, points // 4)
    starts, _, offsets = march(*scene)
    step, samples = scene[-1], len(starts)
    density = torch.rand(samples, generator=generator) * 20
    rgb = torch.rand(samples, 3, generator=generator)
    arguments = density, rgb, starts + step / 2, torch.full_like(starts, step), offsets
    yield Timing(arguments=arguments, items=samples, unit="M samples/s")


COMPOSITE = Kernel(
    name="composite",
    fast=composite,
    reference=composite_reference,
    torch_op=torch.ops.nerfconvert.composite,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=4,
    exact_gradients=True,
    per_point=(0, 1, 2, 3),
    offsets=(4,),
    free_rows=(4,),
    differentiable=(0, 1),
)
