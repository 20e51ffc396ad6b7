"""Interrupts: Ctrl-C and SIGTERM end a run at its next step, and the run can go on later."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

    def obey(self, state: Path) -> None:
        """Raises InterruptedRunError, about the run that is saved in `state`, where one did."""
        if self.signum is not None:
            raise InterruptedRunError(self.signum, state)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While open, SIGINT and SIGTERM set the yielded request, which the log acknowledges; a second
    one takes effect at once."""
    request = StopRequest()

    def note(signum: int, frame: object) -> None:
        request.signum = signum
        log.warning("stopping after this step; once more to stop at once")
        for number, handler in previous.items():
            signal.signal(number, handler)

    with signals_to(note) as previous:
        yield request


@contextmanager
def signals_to(handler: Callable[[int, Any], None]) -> Iterator[dict[int, Any]]:
    """While open, SIGINT and SIGTERM go to `handler`; yields where they went before.

    An ignored SIGINT, as of a process in the background of a shell, stays ignored. Signals can only
    be caught in the main thread; elsewhere nothing changes.
    """
    previous: dict[int, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                previous[number] = signal.signal(number, handler)
    except ValueError:  # not the main thread
        previous.clear()
    try:
        yield previous
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
