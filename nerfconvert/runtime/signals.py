"""Interrupts: Ctrl-C and SIGTERM end a run at its next step, and the run can go on later."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import NerfConvertError

log = logging.getLogger(__name__)


class InterruptedRunError(NerfConvertError):
    """A run was stopped by a signal; the message says whether its state is on disk."""

    def __init__(self, signum: int, state: Path):
        name = signal.Signals(signum).name
        how = (
            f"; repeat the command with --resume to go on ({state})"
            if state.is_file()
            else " before its first step: there is nothing to go on from, repeat the command"
        )
        super().__init__(f"stopped by {name}{how}")
        self.exit_code = 128 + signum


class StopRequest:
    """Whether a signal asked to stop, and which."""

    signum: int | None = None

    def __call__(self) -> bool:
        return self.signum is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While open, SIGINT and SIGTERM set the yielded request, which the log acknowledges; a second
    one takes effect at once.

    Signals can only be caught in the main thread; elsewhere the request stays unset.
    """
    request = StopRequest()
    previous = {}

    def note(signum: int, frame: object) -> None:
        request.signum = signum
        log.warning("stopping after this step; once more to stop at once")
        for number, handler in previous.items():
            signal.signal(number, handler)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, note)
    except ValueError:  # not the main thread
        previous.clear()
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
