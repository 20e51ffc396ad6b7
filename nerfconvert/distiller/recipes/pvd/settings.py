"""The published settings of PVD (Fang et al., AAAI 2023, and the authors' code), in one place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from ....volume import Role, TrainableField

STEPS = 30_000  # of a run; a budget of another size is that run compressed
SECOND_STAGE, THIRD_STAGE = 2000, 5000  # steps, counted from 1, at which they begin
RGB_WEIGHT, COLOR_WEIGHT, DENSITY_WEIGHT, FEATURE_WEIGHT = 1.0, 0.002, 0.002, 0.002
FEATURE_DECAY = 0.995  # of the feature weight, a step
LOW, HIGH = -2.0, 7.0  # clamp of log density per half edge of the box
RATE, SLOW_RATE = 1e-2, 1e-3  # peak learning rates
LAST_RATE = 7e-5  # at the end of the cosine, of all parameters
SPARSITY_WEIGHT = 1e-4  # of the L1 loss on the density factors of these


def published_step(fraction: float) -> float:
    """The step, counted from 1, of the published run that corresponds to a used `fraction` of the
    budget; with a budget of `STEPS` steps, the same step."""
    return round(fraction * STEPS, 6) + 1


def feature_weight(step: float) -> float:
    """Weight of the feature loss at a published step: it decays from the first step on."""
    return FEATURE_WEIGHT * FEATURE_DECAY**step


def frobenius(difference: Tensor) -> Tensor:
    """The norm of all entries together, a scalar: not a mean, so its gradient has length 1 however
    small the error is."""
    return torch.linalg.vector_norm(difference)


def sparsity(student: TrainableField) -> Tensor | float:
    """Weighted sum over all factors of the mean size of their density components; a scalar."""
    factors = student.density_factors()
    return SPARSITY_WEIGHT * sum(factor.abs().mean() for factor in factors) if factors else 0.0


def peak_rates(student: TrainableField) -> dict[float, list[nn.Parameter]]:
    """The parameters by their published peak learning rate.

    Tables have the high rate, networks the low one, except those of a hash grid, which share its
    rate.
    """
    tables = student.parameters_of(Role.TABLE, Role.ROW_TABLE)
    networks = student.parameters_of(Role.MATRIX, Role.VECTOR)
    if tables and not student.density_factors():
        return {RATE: [*tables, *networks]}
    return {rate: group for rate, group in ((RATE, tables), (SLOW_RATE, networks)) if group}


def draw_networks(student: TrainableField, generator: torch.Generator) -> None:
    """First weights of all networks as torch.nn.Linear draws them, uniform within 1 / sqrt(inputs);
    those of tables are the architecture's own."""
    networks = student.parameters_of(Role.MATRIX, Role.VECTOR)
    with torch.no_grad():
        for matrix in (parameter for parameter in networks if parameter.ndim == 2):
            drawn = 2 * torch.rand(matrix.shape, generator=generator) - 1
            matrix.copy_(drawn * matrix.shape[1] ** -0.5)


class AdamW:
    """One AdamW for the whole field: betas 0.9 and 0.99, eps 1e-15, and the library's own weight
    decay of 1e-2, on tables as well (kept on purpose: it shrinks what receives no gradient)."""

    def __init__(self, student: TrainableField):
        by_rate = peak_rates(student)
        self.peaks = list(by_rate)
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters, "lr": rate} for rate, parameters in by_rate.items()],
            betas=(0.9, 0.99),
            eps=1e-15,
            weight_decay=1e-2,
            fused=True,
        )

    @staticmethod
    def description() -> str:
        return "AdamW"

    @staticmethod
    def schedule(step: int, fraction: float) -> float:
        """A cosine from 1 to 0 over the budget, without warm-up."""
        return 0.5 * (1 + math.cos(math.pi * fraction))

    def step(self, scale: float) -> None:
        """One step with learning rates `scale` of the way from the last one to their peaks."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks):
            group["lr"] = LAST_RATE + (peak - LAST_RATE) * scale
        self.optimizer.step()
        increment_version(p for group in self.optimizer.param_groups for p in group["params"])
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict:
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self.optimizer.load_state_dict(state)
