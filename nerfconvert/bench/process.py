"""Runs nerfconvert in child processes, which isolates the memory and the crashes of each run."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

POLL_S = 0.1
PARENT_DEATH_SIGNAL = 1  # of prctl, Linux
SYSTEM = ctypes.CDLL(None) if sys.platform == "linux" else None
MARK = "nerfconvert: "  # prefix of a failed command's message
PACKAGES = Path(__file__).resolve().parents[2]  # the folder that this very package is in


@dataclass(frozen=True)
class Outcome:
    """How a child ended."""

    exit_code: int  # as a shell reports it: 128 + signal for a killed one
    error: str | None  # its last message, where it failed


def run_child(
    argv: Sequence[str],
    folder: Path,
    stdout: Path | None,
    *,
    should_stop: Callable[[], bool],
    on_line: Callable[[str], None] | None = None,
) -> Outcome:
    """Runs `nerfconvert ARGV...` in `folder`, its standard output in the file `stdout`.

    `on_line` receives each line of standard error. When `should_stop` returns True, the child gets
    SIGTERM (SIGINT may be ignored, in the background of a shell), saves its state, and is waited
    for. An exception, such as of a second Ctrl-C, kills it. On Linux the child gets SIGTERM, too,
    where this process is killed.
    """
    with open(stdout or os.devnull, "w", encoding="utf-8") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "nerfconvert", *argv],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            env=_environment(),
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C of a terminal reaches the parent alone
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    heard = _Listener(child.stderr, on_line)
    try:
        _wait(child, should_stop)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        heard.join()
    return _outcome(child.returncode, heard.lines)


def _end_with_parent() -> None:
    """In a child: SIGTERM once its parent is gone, so that it saves its state and ends too."""
    SYSTEM.prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _wait(child: subprocess.Popen, should_stop: Callable[[], bool]) -> None:
    asked = False
    while True:
        try:
            child.wait(POLL_S)
            return
        except subprocess.TimeoutExpired:
            if not asked and should_stop():
                child.send_signal(signal.SIGTERM)
                asked = True


class _Listener(threading.Thread):
    """Keeps the last 20 lines of a stream and passes each on."""

    def __init__(self, stream: TextIO, on_line: Callable[[str], None] | None):
        super().__init__(daemon=True)
        self.stream, self.on_line, self.lines = stream, on_line, []
        self.start()

    def run(self) -> None:
        with self.stream:
            for line in self.stream:
                self.lines = [*self.lines[-19:], line.rstrip()]
                if self.on_line:
                    self.on_line(line.rstrip())


def _outcome(returncode: int, lines: list[str]) -> Outcome:
    if returncode == 0:
        return Outcome(0, None)
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = " (the system does that when memory runs out)" if name == "SIGKILL" else ""
        return Outcome(128 - returncode, f"ended by {name}{hint}")
    said = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    return Outcome(returncode, (said or lines or [f"exit code {returncode}"])[-1])


def _environment() -> dict[str, str]:
    known = os.environ.get("PYTHONPATH")
    paths = [str(PACKAGES), *([known] if known else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
