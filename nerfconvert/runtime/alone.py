"""One process at a time in an output folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While open, other processes that ask for `folder` are refused: UsageError.

    The lock is the system's, on the folder itself: it ends with the process, however that ends.
    Where the file system knows no locks, there is none.
    """
    if fcntl is None:
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{folder}: another nerfconvert writes there; wait until it is done, or stop it"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(opened)
