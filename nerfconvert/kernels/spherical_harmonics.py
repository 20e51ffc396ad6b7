"""spherical_harmonics: the real basis of directions that 3DGS, svox2, TensoRF and tcnn share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import differentiate, register


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Basis values [N, degree^2] of unit directions [N, 3]; degree 1 to 4 counts the bands.

    Condon-Shortley signs (negative y and x in band one). Band by band, order -l to l. Written
    as homogeneous polynomials: for a direction that is not unit, band l grows as its length^l.
    """
    check_float("directions", directions)
    check_shape("directions", directions, "N", 3)
    check_degree(degree)
    check_count("directions", directions, degree * degree)
    return dispatch("spherical_harmonics", directions, degree)


def check_degree(degree: int) -> None:
    """Raises ValueError for a number of bands that is not there."""
    if degree not in (1, 2, 3, 4):
        raise ValueError(f"degree must be 1 to 4, got {degree}")


def spherical_harmonics_reference(
    directions: Tensor,  # [N, 3]
    degree: int,
) -> Tensor:
    """`spherical_harmonics` in plain torch."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    basis = [torch.full_like(x, 0.28209479177387814)]
    if degree > 1:
        basis += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree > 2:
        basis += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * zz - xx - yy),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
        ]
    if degree > 3:
        basis += [
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * zz - xx - yy),
            0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457994644658 * x * (4 * zz - xx - yy),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ]
    return torch.stack(basis, -1)


def _forward(directions, degree):
    basis = directions.new_empty(len(directions), degree * degree)
    points = len(directions)
    launch("spherical_harmonics", directions, points, degree, directions.contiguous(), basis)
    return basis


def _backward(directions, degree, grad_basis):
    grad = directions.new_empty(len(directions), 3)
    inputs = directions.contiguous(), grad_basis.contiguous()
    sizes = len(directions), degree
    launch("spherical_harmonics_backward", directions, *sizes, *inputs, grad)
    return grad


def _setup_context(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])
    ctx.degree = inputs[1]


def _autograd(ctx, grad_basis):
    backward = torch.ops.nerfconvert.spherical_harmonics_backward
    return backward(*ctx.saved_tensors, ctx.degree, grad_basis), None


def _forward_fake(directions, degree):
    return directions.new_empty(directions.shape[0], degree * degree)


def _backward_fake(directions, degree, grad_basis):
    return directions.new_empty(directions.shape)


register("spherical_harmonics(Tensor directions, int degree) -> Tensor", _forward, _forward_fake)
register(
    "spherical_harmonics_backward(Tensor directions, int degree, Tensor grad_basis) -> Tensor",
    _backward,
    _backward_fake,
)
differentiate("spherical_harmonics", _autograd, _setup_context)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    draw = torch.randn(41, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(draw, dim=-1).to(device, dtype), 4


def _sized(generator: torch.Generator, size: int) -> tuple:
    return torch.randn(size, 3, generator=generator), 1 + size % 4


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    directions = torch.randn(4 * points, 3, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=-1)
    yield Timing(arguments=(directions, 4), items=4 * points, name="degree 4")


SPHERICAL_HARMONICS = Kernel(
    name="spherical_harmonics",
    fast=spherical_harmonics,
    reference=spherical_harmonics_reference,
    torch_op=torch.ops.nerfconvert.spherical_harmonics,
    example=_example,
    sized=_sized,
    timings=_timings,
    differentiable=(0,),
)
