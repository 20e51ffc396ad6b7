"""The published settings of PVD (Fang et al., AAAI 2023, and the authors' code), in one place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...volume import RadianceField

STEPS = 30_000  # of a run; a budget of another size is that run compressed
SECOND_STAGE, THIRD_STAGE = 2000, 5000  # steps, counted from 1, at which they begin
RGB_WEIGHT, COLOR_WEIGHT, DENSITY_WEIGHT, FEATURE_WEIGHT = 1.0, 0.002, 0.002, 0.002
FEATURE_DECAY = 0.995  # of the feature weight, a step
LOW, HIGH = -2.0, 7.0  # clamp of log density, and of the color features of factorised fields
RATE, SLOW_RATE = 1e-2, 1e-3  # peak learning rates
LAST_RATE = 7e-5  # at the end of the cosine, of all parameters
SLOW = frozenset({"mlp"})  # fields all of whose parameters learn slowly
FACTORISED = frozenset({"vm", "cp"})  # all but the factors learn slowly; theirs has no cp
SPARSITY_WEIGHT = 1e-4  # of the L1 loss on the density factors of these


def published_step(fraction: float) -> float:
    """The step, counted from 1, of the published run that corresponds to a used `fraction` of the
    budget; with a budget of `STEPS` steps it is the very step."""
    return round(fraction * STEPS, 6) + 1


def feature_weight(step: float) -> float:
    """Weight of the feature loss at a published step: it decays from the first step on."""
    return FEATURE_WEIGHT * FEATURE_DECAY**step


def frobenius(difference: Tensor) -> Tensor:
    """The norm of all entries together, a scalar: not a mean, so its gradient has length 1 however
    small the error is."""
    return torch.linalg.vector_norm(difference)


def sparsity(student: RadianceField) -> Tensor | float:
    """Weighted sum over all factors of the mean size of their density components; a scalar."""
    if student.architecture not in FACTORISED:
        return 0.0
    count = student.config.density_components
    factors = [p for p in student.parameter_groups()["space"] if p.ndim == 3]
    return SPARSITY_WEIGHT * sum(factor[..., :count].abs().mean() for factor in factors)


def peak_rate(architecture: str, parameter: Tensor) -> float:
    """The published peak learning rate of one parameter."""
    slow = architecture in SLOW or (architecture in FACTORISED and parameter.ndim < 3)
    return SLOW_RATE if slow else RATE


class AdamW:
    """One AdamW for the whole field: betas 0.9 and 0.99, eps 1e-15, and the library's own weight
    decay of 1e-2, on tables as well (kept on purpose: it shrinks what receives no gradient)."""

    sparse = False

    def __init__(self, groups: dict[str, list[nn.Parameter]], architecture: str):
        by_rate: dict[float, list[nn.Parameter]] = {}
        for parameter in (p for group in groups.values() for p in group):
            by_rate.setdefault(peak_rate(architecture, parameter), []).append(parameter)
        self.peaks = list(by_rate)
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters, "lr": rate} for rate, parameters in by_rate.items()],
            betas=(0.9, 0.99),
            eps=1e-15,
            weight_decay=1e-2,
            fused=True,
        )

    @staticmethod
    def schedule(step: int, fraction: float) -> float:
        """A cosine from 1 to 0 over the budget, without warm-up."""
        return 0.5 * (1 + math.cos(math.pi * fraction))

    def step(self, scale: float) -> None:
        """One step with learning rates `scale` of the way from the last one to their peaks."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks):
            group["lr"] = LAST_RATE + (peak - LAST_RATE) * scale
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict:
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self.optimizer.load_state_dict(state)
