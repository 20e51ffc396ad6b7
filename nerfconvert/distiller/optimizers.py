"""Adam for tables and biases, Muon for the hidden matrices of networks, one schedule for both."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TABLE_RATE, ADAM_RATE, MUON_RATE = 2e-2, 3e-3, 4e-2  # peak learning rates
WARM_UP = 8  # steps
NARROW = 16  # matrices with a side below this are no hidden matrices (tables, output heads)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is replaced by its nearest orthogonal matrix (Jordan et al. 2024).

    In float32: torch's own Muon works in bfloat16, which most CPUs emulate a hundredfold slower.
    """

    def __init__(self, params, lr: float, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalize(p.grad.lerp(buffer, group["momentum"]))
                scale = math.sqrt(max(1.0, p.shape[0] / p.shape[1]))
                p.add_(update, alpha=-group["lr"] * scale)


def orthogonalize(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Nearly the polar factor of [m, n]: quintic Newton-Schulz, singular values to about 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.T


def schedule(step: int, fraction: float) -> float:
    """Learning-rate factor: linear warm-up, then cosine from 1 to 0.01 over the budget."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


class Optimizers:
    """The optimizers of one field, stepped and scheduled together."""

    schedule = staticmethod(schedule)

    def __init__(self, groups: dict[str, list[nn.Parameter]]):
        parameters = [p for group in groups.values() for p in group]
        tables = [p for p in parameters if p.ndim != 1 and is_table(p)]
        hidden = [p for p in parameters if _is_hidden(p)]
        rest = [p for p in parameters if not is_table(p) and not _is_hidden(p)]
        fused = {"fused": True, "betas": (0.9, 0.99), "eps": 1e-15}
        self.parts: list[torch.optim.Optimizer] = []
        if tables or rest:
            adam = [{"params": tables, "lr": TABLE_RATE}, {"params": rest, "lr": ADAM_RATE}]
            self.parts.append(torch.optim.Adam([g for g in adam if g["params"]], **fused))
        if hidden:
            self.parts.append(Muon(hidden, lr=MUON_RATE))
        self._peaks = [[g["lr"] for g in part.param_groups] for part in self.parts]

    def step(self, scale: float) -> None:
        """One step with all learning rates at `scale` times their peak; clears gradients."""
        for part, peaks in zip(self.parts, self._peaks):
            for group, peak in zip(part.param_groups, peaks):
                group["lr"] = peak * scale
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)


def is_table(p: nn.Parameter) -> bool:
    return p.ndim > 2 or (p.ndim == 2 and p.shape[0] > 64 * p.shape[1])


def _is_hidden(p: nn.Parameter) -> bool:
    return p.ndim == 2 and min(p.shape) >= NARROW and not is_table(p)
