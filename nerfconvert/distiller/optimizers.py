"""Optimizers, and which of them updates the parameters of each role."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from ..kernels.adam_lines import adam_lines
from ..kernels.kept_gradient import KeptGradient, kept_gradient
from ..kernels.precision import in_bfloat16
from ..kernels.rmsprop_rows import rmsprop_rows
from ..kernels.row_descent import RowDescent
from ..volume import Role, TrainableField
from .kept_start import starts_in_closed_form

TABLE_RATE, VECTOR_RATE, MATRIX_RATE = 2e-2, 3e-3, 4e-2  # peak learning rates, by role
FITTED_RATE = 0.1  # peak, of many rows that start fitted
MANY_ROWS = 1 << 21  # more than the samples of a minute or two can teach one by one
WARM_UP = 8  # steps
ROUNDED_SIZE = 128  # matrices from which bfloat16 saves more than rounding costs
# odd polynomials a x + b x^3 + c x^5, nearest to 1 on the range of the one before, first [0.02, 1]
QUINTICS = ((7.711, -22.1138, 16.2487), (3.2153, -2.4112, 0.5013), (2.2183, -1.594, 0.4107))


class Adam:
    """Adam (Kingma and Ba 2015) by torch's fused kernel, or by ours where a gradient is kept.

    Of a parameter whose gradient is kept, numbers that a step does not reach keep their value and
    their means. Not `torch.optim.Adam`: making one imports torch's compiler, which takes seconds.
    """

    STATE_FLOATS = 2
    BETAS, EPS = (0.9, 0.99), 1e-15

    def __init__(self, params: list[nn.Parameter], lr: float):
        self.params, self.lr = params, lr
        self.first = [torch.zeros_like(p) for p in params]
        self.second = [torch.zeros_like(p) for p in params]
        self.steps = [torch.zeros((), device=p.device) for p in params]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One step at `scale` times the learning rate; parameters without gradients stay, and
        gradients that are kept are cleared."""
        dense, rate = [], self.lr * scale
        for p, *state, steps in zip(self.params, self.first, self.second, self.steps):
            kept = kept_gradient(p)
            if kept and kept.used:
                steps += 1
                grad, marks = kept.parts()
                flat = (x.view(-1) for x in (p, *state, grad))
                adam_lines(*flat, marks, rate, *self.BETAS, int(steps))
            elif p.grad is not None:
                dense.append((p, p.grad, *state, steps))
        if not dense:
            return
        params, grads, first, second, steps = (list(column) for column in zip(*dense))
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            params, grads, first, second, [], steps,
            lr=rate, beta1=self.BETAS[0], beta2=self.BETAS[1], weight_decay=0.0,
            eps=self.EPS, amsgrad=False, maximize=False,
        )  # fmt: skip
        increment_version(params)  # torch's fused kernels do not

    def state(self) -> list[Tensor]:
        """The tensors that a resumed run needs, for `copy_`."""
        return [*self.first, *self.second, *self.steps]


class RowRmsprop:
    """RMSprop of the rows that a step touches, by our kernel; gradients may be sparse.

    A step touches a twentieth of the sparse voxels at 256^3: four times as many steps a second as
    with Adam, half of its memory, and the same PSNR after as many steps (momentum gained 0.03 dB).
    """

    STATE_FLOATS = 1
    BETA = 0.99

    def __init__(self, params: list[nn.Parameter], lr: float):
        self.params, self.lr = params, lr
        self.square = [torch.zeros_like(p) for p in params]
        self.steps = [torch.zeros((), dtype=torch.int64) for _ in params]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One step at `scale` times the learning rate; rows without gradients stay."""
        for p, square, steps in zip(self.params, self.square, self.steps):
            if p.grad is None:
                continue
            steps += 1
            rows, grads = _rows(p.grad)
            rmsprop_rows(p, square, grads, rows, self.lr * scale, self.BETA, int(steps))

    def state(self) -> list[Tensor]:
        """The tensors that a resumed run needs, for `copy_`."""
        return [*self.square, *self.steps]


def _rows(grad: Tensor) -> tuple[Tensor, Tensor]:
    """Indices [R] and values [R, C] of the rows of a gradient [V, C]; all rows of a dense one."""
    if not grad.is_sparse:
        return torch.arange(len(grad), device=grad.device), grad
    rows = grad._indices()[0]
    if bool((rows[1:] > rows[:-1]).all()):  # of one look-up, autograd forgets that; sorting is slow
        return rows, grad._values()
    grad = grad.coalesce()
    return grad.indices()[0], grad.values()


class FittedRows:
    """Gradient descent of rows that start fitted, by the look-ups themselves: `RowDescent`.

    For `MANY_ROWS`: a short run has few samples for each, and RMSprop moves a row that one sample
    reaches by the whole learning rate. Lego at 320^3 (3.9 M rows) starts at 35.15 dB: 75 s of
    RMSprop leave it there, as many of descent, with half as many steps again and no second table,
    end at 35.40. With fewer rows RMSprop learns more (boxes, 0.3 M: 38.4 and 38.1 dB).
    """

    def __init__(self, params: list[nn.Parameter], lr: float):
        self.params, self.lr = params, lr
        self.descents = [RowDescent(p) for p in params]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Ends a step: `scale` times the learning rate holds for the gradients that it left, and
        until the end of the next step for those that look-ups take."""
        for p, descent in zip(self.params, self.descents):
            if p.grad is None:
                increment_version(p)
            else:
                rows, grads = _rows(p.grad)
                used = (grads != 0).any(1)
                rows, grads = rows[used], grads[used]
                descent.measure(grads)
            descent.set_rate(self.lr * scale)
            if p.grad is not None:
                p.index_add_(0, rows, descent.change(grads))
            descent.steps += 1

    def state(self) -> list[Tensor]:
        """The tensors that a resumed run needs, for `copy_`."""
        return [x for descent in self.descents for x in descent.state()]


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


def schedule(step: int, fraction: float) -> float:
    """Learning-rate factor: linear warm-up, then cosine from 1 to 0.01 over the budget."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


class FieldOptimizer(Protocol):
    """The optimizers of all parameters of a field, stepped and scheduled together."""

    def __init__(self, field: TrainableField): ...

    @staticmethod
    def description() -> str:
        """Names of the optimizers; a saved state of others is refused."""

    def schedule(self, step: int, fraction: float) -> float:
        """Factor on the peak learning rates."""

    def step(self, scale: float) -> None:
        """One step with learning rates scaled by the schedule's factor; clears gradients."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> None: ...


OptimizerMaker = type[FieldOptimizer]
# How the parameters of each role are optimized, and their peak learning rate. Each class is made of
# (params, lr) and has `step(scale)`, `state()` and STATE_FLOATS: numbers it holds per parameter.
BY_ROLE = {
    Role.ROW_TABLE: (RowRmsprop, TABLE_RATE),
    Role.TABLE: (Adam, TABLE_RATE),
    Role.VECTOR: (Adam, VECTOR_RATE),
    Role.MATRIX: (Muon, MATRIX_RATE),
}


class RoleOptimizer:
    """Optimizes each parameter of `field` by its role, as `BY_ROLE` says."""

    schedule = staticmethod(schedule)

    @staticmethod
    def description() -> str:
        """The class of each role's optimizer."""
        makers = [(role.value, make) for role, (make, _) in BY_ROLE.items()]
        named = *makers, ("fitted rows", FittedRows)
        return ", ".join(f"{name}: {make.__name__}" for name, make in named)

    def __init__(self, field: TrainableField):
        given = {role: field.parameters_of(role) for role in BY_ROLE}
        self.params = [p for params in given.values() for p in params]
        by_role, rows = BY_ROLE, sum(map(len, given[Role.ROW_TABLE]))
        if field.fitted and field.sparse_gradients and rows > MANY_ROWS:
            by_role = BY_ROLE | {Role.ROW_TABLE: (FittedRows, FITTED_RATE)}
        makers = ((*by_role[role], params) for role, params in given.items() if params)
        self.parts = [make(params, rate) for make, rate, params in makers]
        tables = given[Role.TABLE] if field.sparse_gradients else []
        self.kept = [KeptGradient(p) for p in tables]

    def step(self, scale: float) -> None:
        """One step with all learning rates at `scale` times their peak; clears gradients."""
        for part in self.parts:
            part.step(scale)
        for p in self.params:
            p.grad = None

    def state_dict(self) -> list[list[Tensor]]:
        return [part.state() for part in self.parts]

    def load_state_dict(self, states: list[list[Tensor]]) -> None:
        for part, saved in zip(self.parts, states, strict=True):
            for mine, theirs in zip(part.state(), saved, strict=True):
                mine.copy_(theirs)


def training_bytes(field: TrainableField, sparse: bool) -> float:
    """Mean bytes per parameter of `field` in training: values, gradients (where `sparse`, of row
    tables only the touched rows), optimizer state, the copy against divergence
    (`checkpoint.LastGood`, half of row tables), and that of a start in closed form. Not `sparse`, a
    recipe may have Adam for all."""
    total = count = 0
    start = int(starts_in_closed_form(field))
    for role in Role:
        rows, state = role is Role.ROW_TABLE, BY_ROLE[role][0].STATE_FLOATS
        gradient = 0 if sparse and rows else 1
        state = state if sparse else max(state, Adam.STATE_FLOATS)
        floats = 1 + gradient + state + (0.5 if rows else 1) + start
        for p in field.parameters_of(role):
            total += p.numel() * floats * p.element_size()
            count += p.numel()
    return total / max(1, count)
