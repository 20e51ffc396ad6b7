"""The plan of a benchmark: all of its steps, and the results that they fill in."""

from __future__ import annotations

import itertools

from .budget_runs import ConversionAt, EqualQuality, TrainingAt, parts
from .cells import Cell
from .matrix_steps import Comparison, Conversion, MadeSource, Source, Training
from .steps import Asked, Step


class MatrixPlan:
    """Teachers and conversions, then training from scratch and its comparisons, then budgets.

    `steps` has the order of one run at a time: each comes after those that it needs.
    """

    def __init__(self, asked: Asked):
        self.asked, config = asked, asked.config
        names = itertools.product(config.teachers, config.recipes, config.targets)
        self.cells = [
            Cell(teacher, target, recipe)
            for teacher, recipe, target in names
            if config.wants(teacher, target)
        ]
        self.equal = [] if config.no_equal_quality else [EqualQuality(c) for c in self.cells]
        self.steps: list[Step] = []
        conversions = self._add_conversions()
        if config.no_scratch is None:
            self._add_trainings(conversions)
        if self.equal:
            self._add_budgets(conversions)

    def _add_conversions(self) -> list[Conversion]:
        found = []
        for teacher in self.asked.config.teachers:
            source = MadeSource(self.asked, teacher) if teacher.to else Source(teacher)
            cells = [cell for cell in self.cells if cell.teacher is teacher]
            added = [Conversion(self.asked, cell, source) for cell in cells]
            self.steps += [*source.steps, *added]
            found += added
        return found

    def _add_trainings(self, conversions: list[Conversion]) -> None:
        for target in self.asked.config.targets:
            training = Training(self.asked, target)
            self.steps += [training, Comparison(training, conversions)]

    def _add_budgets(self, conversions: list[Conversion]) -> None:
        every = parts(self.asked)
        for equal, conversion in zip(self.equal, conversions, strict=True):
            self.steps += [ConversionAt(part, equal, conversion) for part in every]
        for target in self.asked.config.targets:
            equals = [equal for equal in self.equal if equal.cell.target is target]
            self.steps += [TrainingAt(part, target, equals) for part in every]
