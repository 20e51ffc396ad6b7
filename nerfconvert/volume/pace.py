"""Pace: how long a start in closed form may take, and who is told how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Pace:
    """A wall-clock budget that shrinks while work goes on; without `seconds` there is no limit.

    `on_progress(what, part)` is called now and then with the kind of work and the finished part
    of the whole start, 0 to 1; it may raise to end the start.
    """

    seconds: float | None = None
    on_progress: Callable[[str, float], None] | None = None
    _begun: float = field(default_factory=time.monotonic)

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all: without one, work does not depend on the machine."""
        return self.seconds is not None

    @property
    def spent(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds that remain, 0 at least; infinite without a limit."""
        return float("inf") if self.seconds is None else max(0.0, self.seconds - self.spent)

    def report(self, what: str, part: float) -> None:
        """Says that `part` (0 to 1) of the start is done and `what` comes now."""
        if self.on_progress:
            self.on_progress(what, part)
