"""Clock: how much of a budget of seconds or steps is used, pauses excluded."""

from __future__ import annotations

import time

from .config import DistillConfig


class Clock:
    """Counts work on the student; `config` gives the budget."""

    def __init__(self, config: DistillConfig):
        self.config = config
        self._start = time.monotonic()
        self._paused_at: float | None = None

    @property
    def seconds(self) -> float:
        """Spent so far."""
        now = time.monotonic() if self._paused_at is None else self._paused_at
        return now - self._start

    def fraction(self, step: int) -> float:
        """Used part of the budget, at most 1. By steps it does not depend on the machine."""
        if self.config.steps is not None:
            return min(1.0, step / self.config.steps)
        return min(1.0, self.seconds / self.config.seconds)

    def go_on_from(self, spent: float) -> None:
        """Counts on from the `spent` seconds of an earlier run."""
        self._start = time.monotonic() - spent

    def pause(self) -> None:
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        self._start += time.monotonic() - self._paused_at
        self._paused_at = None
