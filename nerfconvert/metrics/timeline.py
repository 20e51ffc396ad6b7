"""Timeline: how far a whole command is and how long it will still take."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

from ..distiller.progress import Progress

log = logging.getLogger(__name__)
# A command of N seconds should end by (1 + LATE_SHARE) * N + LATE_SECONDS, measuring included.
LATE_SHARE, LATE_SECONDS = 0.15, 10.0
REPORT_EVERY = 0.25  # seconds between reports
FINISH = 1.0  # seconds to write files

OnProgress = Callable[[Progress], None]


class Timeline:
    """Reports of one command, from its first second to its last.

    `seconds` is the budget of training, None where it is in steps. What is left is that of the
    training and what measuring will take, as soon as a view has been measured.
    """

    def __init__(self, on_progress: OnProgress | None, seconds: float | None):
        self.on_progress, self.seconds = on_progress, seconds
        self.training_left = seconds or 0.0
        self.measuring_left = 0.0
        self._warned = False
        self._begun, self._told = time.monotonic(), -REPORT_EVERY

    @property
    def spent(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds until it ends, as far as known."""
        return self.training_left + self.measuring_left + FINISH

    def phase(self, what: str) -> None:
        """Says that `what` begins."""
        self._tell(Progress(what, 0, 0.0, 0.0, None, rays=0, samples=0), at_once=True)

    def measures(self, what: str, views: int, later: int = 0) -> Callable[[int, float], None]:
        """What hears of each view that is measured now (its number, its seconds); `later` views
        will be measured after that."""

        def measured(number: int, seconds: float) -> None:
            self.expects(seconds * (views - number - 1 + later))
            self._tell(Progress(what, 0, 0.0, 0.0, None, rays=0, samples=0))

        return measured

    def expects(self, seconds: float) -> None:
        """Takes `seconds` of measuring as still ahead; warns, once, where they make it late."""
        self.measuring_left = seconds
        total, budget = self.spent + self.left, self.seconds
        if self._warned or not budget or not self.training_left:
            return
        if total > (1 + LATE_SHARE) * budget + LATE_SECONDS:
            self._warned = True
            log.warning(
                "this takes about %.0f s, not %.0f: measuring takes %.0f s from here on; "
                "--eval-views or --resolution make it less",
                *(total, budget, seconds),
            )

    def training(self, progress: Progress) -> None:
        """Passes on what training reports, with the time that all of the command takes."""
        if self.seconds is not None:
            self.training_left = max(0.0, self.seconds - progress.seconds)
        elif progress.fraction > 0:
            self.training_left = progress.seconds * (1 / progress.fraction - 1)
        self._tell(progress)

    def _tell(self, progress: Progress, *, at_once: bool = False) -> None:
        if not self.on_progress or (self.spent - self._told < REPORT_EVERY and not at_once):
            return
        self._told = self.spent
        part = self.spent / (self.spent + self.left)
        self.on_progress(dataclasses.replace(progress, fraction=part, left=self.left))
