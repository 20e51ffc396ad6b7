"""What runs on a node of a Ray cluster: one run in a folder of its own, and the way back home.

Imports no torch: the child process of the run does.
"""

from __future__ import annotations

import os
import platform
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import BackendError, UsageError
from .carried import Files, files_in, packed, unpack
from .local_runs import run_here
from .process import Outcome
from .runs import Run

TELL_EVERY = 1.0  # seconds between calls home
STOPPED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Task:
    """A run, and what a node has to know of it."""

    number: int
    run: Run
    home: Path  # the benchmark's folder, where it lies at home
    place: str  # of that folder below the root of all files of the run
    threads: int
    version: str = __version__
    settings: tuple[tuple[str, str], ...] = ()  # NERFCONVERT_ variables of the environment


@dataclass(frozen=True)
class Result:
    """How a run ended, the files that it wrote in the benchmark's folder, those that it removed."""

    outcome: Outcome
    files: Files
    gone: tuple[str, ...] = ()


class Relay:
    """An actor beside the benchmark: what runs say, and whether they should stop."""

    def __init__(self) -> None:
        self.stopped = False
        self.begun: set[int] = set()
        self.said: list[tuple[int, str]] = []

    def begin(self, number: int) -> None:
        again = number in self.begun
        self.begun.add(number)
        self.said.append((number, "starts again: its worker was lost" if again else "starts"))

    def tell(self, number: int, lines: list[str]) -> bool:
        """Takes lines of a run; whether it should stop."""
        self.said += [(number, line) for line in lines]
        return self.stopped

    def heard(self, stop: bool) -> list[tuple[int, str]]:
        """What was said since the last call."""
        said, self.said, self.stopped = self.said, [], stop
        return said


def run_there(task: Task, relay: Any, *inputs: Files) -> Result:
    """Makes the run of `task` on `inputs`, in a folder that is removed again."""
    if task.version != __version__:
        why = f"{platform.node()} has nerfconvert {__version__}, the benchmark {task.version}"
        return Result(Outcome(BackendError.exit_code, why), {})
    link = _Link(task.number, relay)
    if link.should_stop():
        return Result(Outcome(STOPPED, None), {})
    link.begin()
    os.environ.update(task.settings, OMP_NUM_THREADS=str(task.threads))
    with tempfile.TemporaryDirectory(prefix="nerfconvert-") as name:
        for files in inputs:
            unpack(files, Path(name))
        folder = Path(name, task.place)
        folder.mkdir(parents=True, exist_ok=True)
        before = _stamps(folder)
        run = task.run.moved(task.home, folder)
        outcome = run_here(run, folder, should_stop=link.should_stop, on_line=link.lines.append)
        link.tell()
        after = _stamps(folder)
        written = [folder / name for name, stamp in after.items() if before.get(name) != stamp]
        try:
            return Result(outcome, packed(written, folder), tuple(before.keys() - after.keys()))
        except UsageError as error:
            return Result(Outcome(error.exit_code, error.message), {})


class _Link:
    """Calls to the relay, from the thread that waits for the child."""

    def __init__(self, number: int, relay: Any):
        self.number, self.relay = number, relay
        self.lines: list[str] = []
        self.stopped, self.told = False, -TELL_EVERY

    def begin(self) -> None:
        self.relay.begin.remote(self.number)

    def tell(self) -> None:
        import ray

        lines, self.lines[:] = self.lines[:], []
        self.stopped = ray.get(self.relay.tell.remote(self.number, lines))
        self.told = time.monotonic()

    def should_stop(self) -> bool:
        if time.monotonic() - self.told >= TELL_EVERY:
            self.tell()
        return self.stopped


def _stamps(folder: Path) -> dict[str, tuple[int, ...]]:
    """What changes where a file is written anew, by the file's name below `folder`."""
    stats = {file: file.stat() for file in files_in(folder)}
    return {
        str(file.relative_to(folder)): (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        for file, stat in stats.items()
    }
