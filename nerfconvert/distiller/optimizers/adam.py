"""Adam, of whole parameters or of the numbers that a step reached."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from ...kernels.adam_lines import adam_lines
from ...kernels.kept_gradient import kept_gradient


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
