"""LastGood: a copy of a student from when it was sound, against runs that diverge."""

from __future__ import annotations

import time

import torch

from ..volume import RadianceField

KEEP_EVERY = 5.0  # seconds between copies


class LastGood:
    """Copies of `student`'s parameters, the latest of which was finite; they cost its size."""

    def __init__(self, student: RadianceField, step: int):
        self.student = student
        self._keep(step)

    def sound(self, step: int, loss: torch.Tensor) -> bool:
        """Whether `loss` and, where a copy is due, all parameters are finite; then copies them."""
        if not bool(loss.detach().isfinite()):
            return False
        if time.monotonic() - self._kept_at < KEEP_EVERY:
            return True
        if not all(bool(p.isfinite().all()) for p in self.student.parameters()):
            return False
        self._keep(step)
        return True

    def restore(self) -> int:
        """Gives the student its last copy; the step of it."""
        self.student.load_state_dict(self._copy)
        return self._step

    def _keep(self, step: int) -> None:
        self._copy = {k: v.detach().clone() for k, v in self.student.state_dict().items()}
        self._step, self._kept_at = step, time.monotonic()
