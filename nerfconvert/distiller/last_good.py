"""LastGood: a copy of a student from when it was sound, against runs that diverge."""

from __future__ import annotations

import time

import torch

from ..volume import RadianceField
from .optimizers import is_wide

KEEP_EVERY = 5.0  # seconds between copies


class LastGood:
    """Copies of `student`'s parameters, the latest of which was finite. They cost its size, those
    of wide tables, the largest there are, half of it: bfloat16 is within 0.4 %."""

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
        wide = {name for name, p in self.student.named_parameters() if is_wide(p)}
        self._copy = {
            name: value.to(torch.bfloat16 if name in wide else value.dtype, copy=True)
            for name, value in self.student.state_dict().items()
        }
        self._step, self._kept_at = step, time.monotonic()
