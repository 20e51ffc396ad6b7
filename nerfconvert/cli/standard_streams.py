"""Standard streams as a command gets them: some closed, some that take nothing."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from ..errors import NerfConvertError, UsageError

STANDARD = (0, 1, 2)


def open_streams() -> None:
    """Closed standard streams are nowhere from now on, so that no file gets their numbers and what
    libraries print into it; what standard error does not take is dropped: no run ends by that."""
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the least free number
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace")  # in a locale without UTF-8
    encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
    sys.stderr = io.TextIOWrapper(
        _Dropping(STANDARD[2]), encoding, errors="backslashreplace", write_through=True
    )


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """What is printed inside reaches standard output. Raises NerfConvertError where it does not,
    as on a full disk, UsageError where that is closed, BrokenPipeError where nobody reads it."""
    refuse_closed()
    try:
        yield
        sys.stdout.flush()
    except OSError as problem:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left in it
        if isinstance(problem, BrokenPipeError):
            raise
        why = problem.strerror or problem
        raise NerfConvertError(f"standard output cannot be written: {why}") from problem


def refuse_closed() -> None:
    """Raises UsageError where nothing can be printed."""
    if sys.stdout is None:
        raise UsageError("this command prints to standard output, which is closed")


class _Dropping(io.RawIOBase):
    """Writes to a file descriptor as far as that takes it."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def write(self, content: bytes) -> int:
        left = bytes(content)
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(self.descriptor, left) :]
        return len(content)
