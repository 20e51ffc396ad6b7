"""Steps of the matrix: teachers, conversions, training from scratch and its comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .benchmark import Target, Teacher
from .cells import Cell
from .process import Outcome
from .runs import Run, cell_run, comparison_run, scratch_run, teacher_run
from .steps import Asked, Step


class Source:
    """A teacher that is a file already; nothing has to be made."""

    def __init__(self, teacher: Teacher):
        self.name, self.path = teacher.name, teacher.path
        self.failed: Outcome | None = None  # how making it ended, where that failed
        self.steps: tuple[Step, ...] = ()


class MadeSource(Source, Step):
    """A teacher that is converted from its file first."""

    def __init__(self, asked: Asked, teacher: Teacher):
        Source.__init__(self, teacher)
        Step.__init__(self, asked)
        self.teacher, self.steps = teacher, (self,)

    def make(self) -> Run:
        return teacher_run(self.asked.config, self.teacher, self.asked.folder, self.asked.where)

    def take(self, run: Run | None, outcome: Outcome) -> None:
        if run is None:
            self.failed = outcome
            return
        self.path = run.target
        if outcome.exit_code:
            self.failed = Outcome(outcome.exit_code, f"no teacher: {outcome.error}")


class Conversion(Step):
    """A cell of the matrix."""

    def __init__(self, asked: Asked, cell: Cell, source: Source):
        super().__init__(asked, *source.steps)
        self.cell, self.source = cell, source

    def make(self) -> Run | Outcome:
        asked = self.asked
        return self.source.failed or cell_run(
            asked.config, self.cell, self.source.path, asked.folder, asked.where
        )

    def take(self, run: Run | None, outcome: Outcome) -> None:
        self.cell.outcome = outcome
        self.cell.receipt = run.document() if outcome.exit_code == 0 else None


class Training(Step):
    """A target, trained from scratch on the images."""

    def __init__(self, asked: Asked, target: Target):
        super().__init__(asked)
        self.target = target
        self.path: Path | None = None
        self.document: dict[str, Any] | None = None
        self.outcome = Outcome(0, None)

    def make(self) -> Run:
        return scratch_run(self.asked.config, self.target, self.asked.folder, self.asked.where)

    def take(self, run: Run | None, outcome: Outcome) -> None:
        self.outcome = outcome
        if outcome.exit_code == 0:
            self.path, self.document = run.target, run.document()


class Comparison(Step):
    """A field from scratch beside every teacher that can be read, which a conversion tells."""

    def __init__(self, training: Training, conversions: Sequence[Conversion]):
        super().__init__(training.asked, training, *conversions)
        self.training, self.conversions = training, conversions

    @property
    def teachers(self) -> dict[str, Path]:
        return {c.source.name: c.source.path for c in self.conversions if c.cell.receipt}

    def make(self) -> Run | Outcome:
        if self.training.document is None:
            return Outcome(1, None)
        paths, asked = list(self.teachers.values()), self.asked
        return comparison_run(asked.config, self.training.path, paths, asked.folder, asked.where)

    def take(self, run: Run | None, outcome: Outcome) -> None:
        """Every cell of the target takes PSNR (dB) against its teacher, or why there is none."""
        beside = outcome
        if outcome.exit_code == 0:
            rows = run.document()["fields"][1:]
            psnr = [row["psnr_vs_first"] for row in rows]
            beside = dict(zip(self.teachers, psnr, strict=True))
        for cell in (c.cell for c in self.conversions):
            if cell.target is self.training.target:
                cell.take_scratch(self.training.document, self.training.outcome, beside)
