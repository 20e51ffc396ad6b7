"""Judge: gives files to a child that opens and renders them, and says what is wrong with them."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 5.0  # seconds of a processor that a file may take
PATIENCE = 60.0  # seconds by the clock, on a machine that others use too
ASKED_EVERY = 0.1  # seconds
START = 120.0  # seconds that a child may take to start
PROGRAM = ("-m", "scripts.fuzzing.trial")
TOLD = 0.5  # seconds in which a child that hangs says where


@dataclass(frozen=True)
class Answer:
    """What a child said of a file, or what was said of the child."""

    verdict: str  # "read", "refused" or "finding"
    what: str
    mb: float = 0.0
    seconds: float = 0.0


class Judge:
    """A child, started when it is needed and again after each crash or hang. To be closed."""

    def __init__(
        self,
        limit: float = LIMIT,
        program: tuple[str, ...] = PROGRAM,
        patience: float = PATIENCE,
    ) -> None:
        self.limit, self.program, self.patience = limit, program, patience
        self._child: subprocess.Popen | None = None
        self._errors = tempfile.TemporaryFile()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._errors.close()

    def __call__(self, path: Path) -> Answer:
        """The answer for the file at `path`."""
        child = self._child or self._started()
        child.stdin.write(f"{path}\n".encode())
        child.stdin.flush()
        began, before = time.monotonic(), seconds_of(child)
        late = None
        while not late and (line := self._line(child, ASKED_EVERY)) is None:
            if seconds_of(child) - before > self.limit:
                late = f"takes more than {self.limit:g} s"
            elif time.monotonic() - began > self.patience:
                late = f"waits for more than {self.patience:g} s"
        if line:
            return Answer(**json.loads(line))
        answer = self._hang(child, late) if late else self._crash(child)
        self._end()
        return answer

    def _started(self) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._errors.truncate(0)
        self._child = subprocess.Popen(
            [sys.executable, *self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            cwd=ROOT,
        )
        self._line(self._child, START)  # it is ready
        return self._child

    def _line(self, child: subprocess.Popen, seconds: float) -> bytes | None:
        """The next line of a child: b"" where it ended, None where it says nothing in time."""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            return child.stdout.readline() if selector.select(seconds) else None

    def _hang(self, child: subprocess.Popen, how: str) -> Answer:
        child.send_signal(signal.SIGUSR1)
        time.sleep(TOLD)
        child.kill()
        child.wait()
        return Answer("finding", f"it {how}, {self._where()}")

    def _crash(self, child: subprocess.Popen) -> Answer:
        code = child.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Answer("finding", f"the process ended: {how}, {self._where()}")

    def _where(self) -> str:
        """The innermost line of the package in what faulthandler said."""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        frames = [line.strip() for line in lines if line.startswith("  File ")]
        ours = [frame for frame in frames if "nerfconvert/" in frame]
        return (ours or frames or ["nowhere"])[0].rpartition("/")[2]

    def _end(self) -> None:
        if self._child:
            self._child.kill()
            self._child.wait()
            self._child.stdin.close()
            self._child.stdout.close()
            self._child = None


def seconds_of(child: subprocess.Popen) -> float:
    """Seconds of a processor that a child has taken, as Linux tells; 0 of one that has ended."""
    try:
        numbers = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
