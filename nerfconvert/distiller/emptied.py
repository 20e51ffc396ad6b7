"""A student that trained itself empty: noticed by its opacity, and begun anew."""

from __future__ import annotations

import torch
from torch import Tensor

from ..volume import TrainableField, sent
from . import parallel

FIRST_LOOK = 256  # steps: by then a student shows something, or nothing any more
NOTHING = 0.02  # of the opacity that the pixels ask for
MEMORY = 0.95  # of the running means, a step


class Emptied:
    """Running means of the opacity that rays have and that their pixels ask for."""

    def __init__(self, device: torch.device):
        self.means = torch.zeros(2, device=device)  # shown, asked for

    def learn(self, opacity: Tensor, least: Tensor) -> None:
        """Takes in one step's rays: their opacity [R], and the least that explains their pixels."""
        now = torch.stack([opacity.detach().mean(), sent(least, opacity.device).mean()])
        self.means.lerp_(now.where(now.isfinite(), self.means), 1 - MEMORY)

    def looks_so(self, step: int) -> bool:
        """Whether the student shows nothing of what it should; waits for the device."""
        shown, asked = self.means.tolist()
        return parallel.any_of(step >= FIRST_LOOK and shown < NOTHING * asked)


def begin_anew(student: TrainableField, seed: int) -> None:
    """Gives `student` the weights of a new one, drawn from `seed`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(student)(student.config, student.info)
    fresh.start_coarse()
    student.occupancy.assign(fresh.occupancy.dense().to(student.device))
    student.load_state_dict(fresh.state_dict())
    parallel.same_everywhere(student)
