"""Which optimizer updates the parameters of each role, and what it takes."""

from __future__ import annotations

import math
from typing import Any, Protocol

from torch import Tensor

from ...kernels.kept_gradient import KeptGradient
from ...volume import Role, TrainableField
from ..kept_start import starts_in_closed_form
from .adam import Adam
from .muon import Muon
from .rows import FittedRows, RowRmsprop

TABLE_RATE, VECTOR_RATE, MATRIX_RATE = 2e-2, 3e-3, 4e-2  # peak learning rates, by role
FITTED_RATE = 0.1  # peak, of many rows that start fitted
MANY_ROWS = 1 << 21  # more than the samples of a minute or two can teach one by one
WARM_UP = 8  # steps


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
