"""The published settings of PVD (Fang et al., AAAI 2023, and the authors' code), in one place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

STEPS = 30_000  # of a run; a budget of another size is that run compressed
SECOND_STAGE, THIRD_STAGE = 2000, 5000  # steps, counted from 1, at which they begin
RGB_WEIGHT, COLOR_WEIGHT, DENSITY_WEIGHT, FEATURE_WEIGHT = 1.0, 0.002, 0.002, 0.002
FEATURE_DECAY = 0.995  # of the feature weight, a step
LOW, HIGH = -2.0, 7.0  # clamp of log density, and of the features of factorised fields
LAST_RATE = 7e-5  # at the end of the cosine, of all parameters
RATES = {  # peak learning rates of (space, decoder)
    "mlp": (1e-3, 1e-3),
    "vm": (1e-2, 1e-3),
    "cp": (1e-2, 1e-3),  # not among theirs; as vm
}
RATE = (1e-2, 1e-2)  # of all others
CLAMPED_FEATURES = frozenset({"vm", "cp"})


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


class AdamW:
    """One AdamW for the whole field: betas 0.9 and 0.99, eps 1e-15, and the library's own weight
    decay of 1e-2, on tables as well (kept on purpose: it shrinks what receives no gradient)."""

    def __init__(self, groups: dict[str, list[nn.Parameter]], architecture: str):
        rates = dict(zip(("space", "decoder"), RATES.get(architecture, RATE)))
        self.peaks = [rates[name] for name in groups if groups[name]]
        self.optimizer = torch.optim.AdamW(
            [{"params": groups[name], "lr": rates[name]} for name in groups if groups[name]],
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
