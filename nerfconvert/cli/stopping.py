"""Ctrl-C and SIGTERM outside of a run that saves its state: acknowledged, then the command ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ..runtime.signals import signals_to

INTERRUPTED = 128  # plus the signal's number: the exit code
IMPORTING = "<frozen importlib._bootstrap>"


class Stopped(BaseException):
    """A signal asked the command to end; raised wherever it is, so that nothing is left half."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name}"


class Stop:
    """The handler: it says that the command ends and raises Stopped; a second signal ends at once.

    Nor does it raise in an import: an extension module may swallow that, and nothing is written.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is not None or _imports(frame):
            _say(str(Stopped(signum)))
            os._exit(INTERRUPTED + signum)
        self.signum = signum
        _say("stopping; once more to stop at once")
        raise Stopped(signum)


@contextmanager
def stopping() -> Iterator[Stop]:
    """While open, SIGINT and SIGTERM go to the yielded handler."""
    stop = Stop()
    with signals_to(stop):
        yield stop


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            return True
        frame = frame.f_back
    return False


def _say(message: str) -> None:
    """Straight to the terminal: a handler may have interrupted a print."""
    with suppress(OSError):
        os.write(2, f"nerfconvert: {message}\n".encode())
