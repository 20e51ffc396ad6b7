"""harmonic_color: raw density and color of features that hold coefficients of harmonics."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_like, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .spherical_harmonics import check_degree, spherical_harmonics_reference
from .torch_ops import differentiate, register


def harmonic_color(features: Tensor, directions: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Raw density [N] and rgb [N, 3] of features [N, 1 + 3 * degree^2] (raw density, coefficients
    color after color, as in svox2) seen along unit directions [N, 3].

    A color is the sum of its coefficients times `spherical_harmonics`. Gradients reach `features`.
    """
    check_degree(degree)
    check_float("features", features)
    check_shape("features", features, "N", 1 + 3 * degree * degree)
    check_shape("directions", directions, len(features), 3)
    check_like("directions", directions, "features", features)
    check_count("features", features, features.shape[1])
    return dispatch("harmonic_color", features, directions, degree)


def harmonic_color_reference(
    features: Tensor,  # [N, 1 + 3 * degree^2]
    directions: Tensor,  # [N, 3]
    degree: int,
) -> tuple[Tensor, Tensor]:
    """`harmonic_color` in plain torch."""
    basis = spherical_harmonics_reference(directions.detach(), degree)
    return features[:, 0], (features[:, 1:].unflatten(1, (3, -1)) * basis[:, None]).sum(-1)


def _forward(features, directions, degree):
    density, rgb = _forward_fake(features, directions, degree)
    given = features.contiguous(), directions.contiguous()
    launch("harmonic_color", features, len(features), degree, *given, density, rgb)
    return density, rgb


def _backward(directions, degree, grad_density, grad_rgb):
    grad = _backward_fake(directions, degree, grad_density, grad_rgb)
    given = (x.contiguous() for x in (directions, grad_density, grad_rgb))
    launch("harmonic_color_backward", directions, len(directions), degree, *given, grad)
    return grad


def _setup_context(ctx, inputs, output):
    ctx.save_for_backward(inputs[1])
    ctx.degree = inputs[2]


def _autograd(ctx, grad_density, grad_rgb):
    backward = torch.ops.nerfconvert.harmonic_color_backward
    return backward(*ctx.saved_tensors, ctx.degree, grad_density, grad_rgb), None, None


def _forward_fake(features, directions, degree):
    points = features.shape[0]
    return features.new_empty(points), features.new_empty(points, 3)


def _backward_fake(directions, degree, grad_density, grad_rgb):
    return directions.new_empty(directions.shape[0], 1 + 3 * degree * degree)


register(
    "harmonic_color(Tensor features, Tensor directions, int degree) -> (Tensor, Tensor)",
    _forward,
    _forward_fake,
)
register(
    "harmonic_color_backward(Tensor directions, int degree, Tensor grad_density, "
    "Tensor grad_rgb) -> Tensor",
    _backward,
    _backward_fake,
)
differentiate("harmonic_color", _autograd, _setup_context)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    draw = torch.randn(41, 31, generator=generator, dtype=torch.float64).to(device, dtype)
    directions = torch.nn.functional.normalize(draw[:, :3], dim=-1)
    return draw[:, 3:].contiguous(), directions, 3


def _sized(generator: torch.Generator, size: int) -> tuple:
    degree = 1 + size % 4
    features = torch.randn(size, 1 + 3 * degree**2, generator=generator)
    return features, torch.randn(size, 3, generator=generator), degree


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    features = torch.randn(points, 28, generator=generator)
    directions = torch.nn.functional.normalize(torch.randn(points, 3, generator=generator), dim=-1)
    yield Timing(arguments=(features, directions, 3), items=points, name="degree 3")


HARMONIC_COLOR = Kernel(
    name="harmonic_color",
    fast=harmonic_color,
    reference=harmonic_color_reference,
    torch_op=torch.ops.nerfconvert.harmonic_color,
    example=_example,
    sized=_sized,
    timings=_timings,
    per_point=(0, 1),
    free_rows=(),
    differentiable=(0,),
)
