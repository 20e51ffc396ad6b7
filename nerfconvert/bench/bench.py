"""bench: the conversion matrix. Every run is a child process; finished runs are not repeated."""

from __future__ import annotations

import csv
import io
import itertools
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import FormatError, NerfConvertError
from ..files import write_json, write_text
from ..options.per_command import BenchOptions
from ..report.matrix import matrix_markdown, matrix_rows
from ..report.matrix_page import matrix_page
from ..report.receipt import strict
from ..runtime.alone import alone_in
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.signals import StopRequest, stop_on_signals
from .asked import asked_benchmark
from .benchmark import BenchConfig, Target, Teacher
from .budget_runs import EqualQuality, convert_at_budgets, train_at_budgets
from .cells import Cell, bench_document
from .process import Outcome, run_child
from .runs import Run, cell_run, comparison_run, scratch_run, teacher_run

log = logging.getLogger(__name__)
OnProgress = Callable[[float, str], None]


class BenchInterruptedError(NerfConvertError):
    """A benchmark was stopped by a signal; everything finished so far is in its folder."""

    def __init__(self, signum: int):
        super().__init__("stopped; the same command goes on where it was")
        self.exit_code = 128 + signum


@with_backend
def bench(
    options: BenchOptions,
    *,
    argv: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    on_cell: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """The `bench` document; writes matrix.json, .csv, .md and bench.html after every run.

    `on_progress` receives the finished fraction of the runs and a status line, `on_cell` every new
    cell. A run that fails makes its cells fail and no others. Raises UsageError, FormatError,
    BackendError, BenchInterruptedError.
    """
    folder = options.output
    path, config = asked_benchmark(options)
    device = pick_device(options.where.device)
    about = {
        "version": __version__,
        "argv": list(argv),
        "config": os.path.relpath(path, folder),
        "data": os.path.relpath(config.data, folder) if config.data else None,
        "machine": machine(device),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder), stop_on_signals() as stop:
        work = Bench(config, options, about, stop, on_progress, on_cell)
        work.everything()
        return work.write()


class Bench:
    """A benchmark in progress."""

    def __init__(
        self,
        config: BenchConfig,
        options: BenchOptions,
        about: dict[str, Any],
        stop: StopRequest,
        on_progress: OnProgress | None,
        on_cell: Callable[[dict[str, Any]], None] | None,
    ):
        self.config, self.options, self.about, self.stop = config, options, about, stop
        self.folder, self.where = options.output.absolute(), options.where
        self.on_progress, self.on_cell = on_progress, on_cell
        names = itertools.product(config.teachers, config.recipes, config.targets)
        self.cells = [
            Cell(teacher, target, recipe)
            for teacher, recipe, target in names
            if config.wants(teacher, target)
        ]
        self.equal = [] if config.no_equal_quality else [EqualQuality(c) for c in self.cells]
        self.made: set[Path] = set()  # by this process
        made = sum(teacher.to is not None for teacher in config.teachers)
        trained = 0 if config.no_scratch else 2 * len(config.targets)
        each = len(config.budgets) * len(config.all_seeds)
        repeated = each * (len(self.equal) + len(config.targets)) if self.equal else 0
        self.runs, self.done = made + len(self.cells) + trained + repeated, 0

    def everything(self) -> None:
        """Teachers and conversions, then training from scratch and its comparisons."""
        sources = {}
        for teacher in self.config.teachers:
            sources[teacher.name] = self._source(teacher)
            for cell in self.cells:
                if cell.teacher is teacher:
                    self._convert(cell, *sources[teacher.name])
        if self.config.no_scratch is None:
            good = {cell.teacher.name for cell in self.cells if cell.receipt}
            there = {name: path for name, (path, _) in sources.items() if name in good}
            for target in self.config.targets:
                self._train(target, there)
        if self.equal:
            self._equal_quality({name: path for name, (path, _) in sources.items()})

    def _equal_quality(self, sources: dict[str, Path]) -> None:
        """Conversions at every budget with every seed, then trainings."""
        where = self.folder, self.where, self._do
        for equal in self.equal:
            if equal.cell.receipt:  # else its source is no good, or the student
                source = sources[equal.cell.teacher.name]
                equal.conversions = convert_at_budgets(self.config, equal.cell, source, *where)
                self.write()
        for target in self.config.targets:
            points = train_at_budgets(self.config, target, *where)
            for equal in self.equal:
                if equal.cell.target is target:
                    equal.trainings = points
            self.write()

    def write(self) -> dict[str, Any]:
        """The document as it stands; written to the folder, each file atomically."""
        document = bench_document(self.config, self.cells, self.about)
        document["equal_quality"] = [equal.entry() for equal in self.equal] or None
        if not self.equal:
            document["equal_quality_reason"] = self.config.no_equal_quality
        document = strict(document)
        write_json(self.folder / "matrix.json", document)
        rows = matrix_rows(document)
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.folder / "matrix.csv", table.getvalue())
        write_text(self.folder / "matrix.md", matrix_markdown(document))
        write_text(self.folder / "bench.html", matrix_page(document))
        return document

    def _source(self, teacher: Teacher) -> tuple[Path, Outcome | None]:
        """A teacher's file, made if necessary, and the outcome if that failed."""
        if teacher.to is None:
            return teacher.path, None
        try:
            run = teacher_run(self.config, teacher, self.folder, self.where)
        except OSError as error:
            self.done += 1
            return teacher.path, _unreadable(teacher.path, error)
        outcome = self._do(run)
        if outcome.exit_code:
            return run.target, Outcome(outcome.exit_code, f"no teacher: {outcome.error}")
        return run.target, None

    def _convert(self, cell: Cell, source: Path, failed: Outcome | None) -> None:
        run = None
        if failed is None:
            try:
                run = cell_run(self.config, cell, source, self.folder, self.where)
            except OSError as error:
                failed = _unreadable(source, error)
        if run is None:
            self.done += 1
            cell.outcome = failed
        else:
            cell.outcome = self._do(run)
            cell.receipt = run.document() if cell.outcome.exit_code == 0 else None
        self._tell(cell)

    def _train(self, target: Target, teachers: dict[str, Path]) -> None:
        """One target from scratch, and its PSNR against every teacher."""
        run = scratch_run(self.config, target, self.folder, self.where)
        outcome = self._do(run)
        training = run.document() if outcome.exit_code == 0 else None
        beside = self._beside(run, teachers) if training else Outcome(1, None)
        for cell in self.cells:
            if cell.target is target:
                cell.take_scratch(training, outcome, beside)
        self.write()

    def _beside(self, scratch: Run, teachers: dict[str, Path]) -> dict[str, float] | Outcome:
        """PSNR (dB) of a field from scratch against every teacher, or how the attempt failed."""
        paths = list(teachers.values())
        run = comparison_run(self.config, scratch.target, paths, self.folder, self.where)
        outcome = self._do(run)
        if outcome.exit_code:
            return outcome
        rows = run.document()["fields"][1:]
        return {name: row["psnr_vs_first"] for name, row in zip(teachers, rows, strict=True)}

    def _do(self, run: Run) -> Outcome:
        """Runs a child unless its result exists. Raises BenchInterruptedError."""
        if self.options.overwrite and run.target not in self.made:
            run.forget()
        self.made.add(run.target)
        outcome = Outcome(0, None) if run.finished() else self._child(run)
        if self.stop():
            raise BenchInterruptedError(self.stop.signum)
        self.done += 1
        return outcome

    def _child(self, run: Run) -> Outcome:
        run.target.parent.mkdir(parents=True, exist_ok=True)
        printed = run.account.with_name(f".{run.account.name}.printed") if run.prints else None

        def hear(line: str) -> None:
            if self.on_progress:
                self.on_progress(self.done / self.runs, f"{run.title}: {line}")

        hear("starts")
        argv = [*run.argv, *run.flags()]
        outcome = run_child(argv, self.folder, printed, should_stop=self.stop, on_line=hear)
        if printed and outcome.exit_code == 0:
            os.replace(printed, run.account)
        elif printed:
            printed.unlink(missing_ok=True)
        return outcome

    def _tell(self, cell: Cell) -> None:
        self.write()
        if self.on_cell:
            self.on_cell(strict(cell.entry()))


def _unreadable(path: Path, error: OSError) -> Outcome:
    return Outcome(FormatError.exit_code, f"{path}: {error.strerror or error}")
