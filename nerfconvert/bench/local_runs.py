"""Runs on this machine: one child process after the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .executors import Executor
from .process import Outcome, run_child
from .runs import Run


class LocalRuns(Executor):
    """One run at a time, so that each has the whole machine and its seconds mean something."""

    def __enter__(self) -> LocalRuns:
        return self

    def __exit__(self, *_: object) -> None:
        pass  # a child does not outlive `ended`

    def start(self, run: Run) -> None:
        self.run = run

    def ended(self) -> tuple[Run, Outcome]:
        run = self.run
        self.on_line(run, "starts")
        outcome = run_here(
            run,
            self.asked.folder,
            should_stop=self.should_stop,
            on_line=lambda line: self.on_line(run, line),
        )
        return run, outcome


def run_here(
    run: Run,
    folder: Path,
    *,
    should_stop: Callable[[], bool],
    on_line: Callable[[str], None],
) -> Outcome:
    """Makes `run` in a child process in `folder`; see `run_child`. Its account is there only where
    the run went well."""
    run.target.parent.mkdir(parents=True, exist_ok=True)
    printed = run.account.with_name(f".{run.account.name}.printed") if run.prints else None
    argv = [*run.argv, *run.flags()]
    outcome = run_child(argv, folder, printed, should_stop=should_stop, on_line=on_line)
    if printed and outcome.exit_code == 0:
        os.replace(printed, run.account)
    elif printed:
        printed.unlink(missing_ok=True)
    return outcome
