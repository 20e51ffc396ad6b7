"""Interrupts: Ctrl-C and SIGTERM end a run at its next step, and the run can go on later."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import NerfConvertError


class InterruptedRunError(NerfConvertError):
    """A run was stopped by a signal; its state is on disk."""

    def __init__(self, signum: int, state: Path):
        name = signal.Signals(signum).name
        super().__init__(f"stopped by {name}; repeat the command with --resume to go on ({state})")
        self.exit_code = 128 + signum


class StopRequest:
    """Whether a signal asked to stop, and which."""

    signum: int | None = None

    def __call__(self) -> bool:
        return self.signum is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While open, SIGINT and SIGTERM set the yielded request; a second one takes effect at once.

    Signals can only be caught in the main thread; elsewhere the request stays unset.
    """
    request = StopRequest()
    previous = {}

    def note(signum: int, frame: object) -> None:
        request.signum = signum
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
