"""Muon, of matrices, and the orthogonal factors that it needs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...kernels.precision import in_bfloat16

ROUNDED_SIZE = 128  # matrices from which bfloat16 saves more than rounding costs
# odd polynomials a x + b x^3 + c x^5, nearest to 1 on the range of the one before, first [0.02, 1]
QUINTICS = ((7.711, -22.1138, 16.2487), (3.2153, -2.4112, 0.5013), (2.2183, -1.594, 0.4107))


class Muon:
    """Momentum whose update is replaced by its nearest orthogonal matrix (Jordan et al. 2024).

    Weights decay, else they grow with every step (8x256 MLP: to eleven times their norm in 1100
    steps) until a step of the head, which sees what eight layers make of that, empties the field.
    In bfloat16 where networks compute in it too; other CPUs emulate it, a hundred times slower.
    """

    STATE_FLOATS = 1
    MOMENTUM = 0.95
    DECAY = 0.03  # of the weights, times the learning rate

    def __init__(self, params: list[nn.Parameter], lr: float):
        self.params, self.lr = params, lr
        self.momentum = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One step at `scale` times the learning rate; parameters without gradients stay."""
        given = [(p, m) for p, m in zip(self.params, self.momentum) if p.grad is not None]
        if not given:
            return
        params, momenta = (list(column) for column in zip(*given))
        grads = [p.grad for p in params]
        torch._foreach_lerp_(momenta, grads, 1 - self.MOMENTUM)
        updates = torch._foreach_lerp(grads, momenta, self.MOMENTUM)
        for group in together([p.shape for p in params]):
            found = orthogonalize(stacked([updates[i] for i in group]))
            for i, update in zip(group, found):
                rows, columns = params[i].shape
                rate = self.lr * scale * math.sqrt(max(1.0, rows / columns))
                params[i].mul_(1 - self.DECAY * self.lr * scale)
                params[i].add_(update[:rows, :columns], alpha=-rate)

    def state(self) -> list[Tensor]:
        """The tensors that a resumed run needs, for `copy_`."""
        return self.momentum


def together(shapes: list[torch.Size]) -> list[list[int]]:
    """Numbers of the matrices that are orthogonalized at once: those of one shape, and all small
    ones, whose cost is that of calls."""
    groups: dict[torch.Size | None, list[int]] = {}
    for i, shape in enumerate(shapes):
        groups.setdefault(None if max(shape) < ROUNDED_SIZE else shape, []).append(i)
    return list(groups.values())


def stacked(matrices: list[Tensor]) -> Tensor:
    """[B, m, n]: matrices side by side, with rows and columns of zeros up to the largest; an
    orthogonal factor has them where its matrix has them."""
    rows, columns = (max(size) for size in zip(*(x.shape for x in matrices)))
    stack = matrices[0].new_zeros(len(matrices), rows, columns)
    for place, x in zip(stack, matrices):
        place[: len(x), : x.shape[1]] = x
    return stack


def orthogonalize(matrices: Tensor) -> Tensor:
    """Approximate polar factors of matrices of one shape, [B, m, n].

    Singular values in 0.02 to 1 of an upper bound of the largest end within a fifth of 1, smaller
    ones grow 55-fold. Three Newton-Schulz steps, each with its own quintic, minimax over the range
    that the step before leaves: they train as well as Muon's five equal ones, at three fifths of
    the cost. Large matrices are rounded to bfloat16 where networks compute in it.
    """
    kept = matrices.dtype
    worth = min(matrices.shape[1:]) >= ROUNDED_SIZE and in_bfloat16(matrices)
    rounded = torch.bfloat16 if worth else kept
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.abs().amax((1, 2), keepdim=True).clamp_min(1e-38)  # fourth powers must stay in range
    x = x.to(rounded)
    gram = (x @ x.mT).to(kept)
    # its root bounds the largest singular value, closer than the norm of x does
    square = gram.norm(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    x, gram = (x / square.sqrt()).to(rounded), (gram / square).to(rounded)
    for step, (a, b, c) in enumerate(QUINTICS):
        gram = x @ x.mT if step else gram
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).to(kept)
