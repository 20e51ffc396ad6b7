"""Runs at several budgets, with several seeds: of conversions, and of training from photographs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..metrics.equal_quality import DROPS, Reached, middle, reached, speedup_at
from ..metrics.speedup import conversion_seconds
from .benchmark import Target
from .cells import Cell
from .matrix_steps import Conversion
from .process import Outcome
from .runs import Run, cell_run, scratch_run
from .steps import Asked, Step

Points = dict[int, dict[str, Any]]  # of each part: budget, seed, seconds, psnr_vs_truth, problem


@dataclass
class EqualQuality:
    """What one cell's student needs, converted and trained, to come near the source."""

    cell: Cell
    converted: Points = field(default_factory=dict)
    trained: Points = field(default_factory=dict)

    @property
    def conversions(self) -> list[dict[str, Any]]:
        return [self.converted[part] for part in sorted(self.converted)]

    @property
    def trainings(self) -> list[dict[str, Any]]:
        return [self.trained[part] for part in sorted(self.trained)]

    def entry(self) -> dict[str, Any]:
        """Its entry in the document; `levels` is empty where the source was never measured."""
        source = self.cell.receipt and self.cell.receipt["quality"]["psnr_source_vs_truth"]
        return {
            "teacher": self.cell.teacher.name,
            "student": self.cell.target.name,
            "recipe": self.cell.recipe,
            "psnr_source_vs_truth": source,
            "levels": [] if source is None else [self._level(source, drop) for drop in DROPS],
            "conversions": self.conversions,
            "trainings": self.trainings,
        }

    def _level(self, source: float, drop: float) -> dict[str, Any]:
        conversions = _by_seed(self.conversions, source - drop)
        trainings = _by_seed(self.trainings, source - drop)
        speedup = speedup_at(*(middle(list(f.values())) for f in (conversions, trainings)))
        return {
            "below_source": drop,
            "psnr_vs_truth": source - drop,
            "conversion": [_told(seed, found) for seed, found in conversions.items()],
            "training": [_told(seed, found) for seed, found in trainings.items()],
            "speedup": speedup and speedup.value,
            "speedup_bound": speedup and speedup.bound,
        }


@dataclass(frozen=True)
class Part:
    """The benchmark with one budget and one seed."""

    number: int  # in the order of budgets, then seeds
    budget: float
    seed: int
    asked: Asked

    def named(self, run: Run) -> Run:
        title = f"{run.title}, {self.budget:g} s, seed {self.seed}"
        return dataclasses.replace(run, title=title)

    def point(self, outcome: Outcome, **figures: float | None) -> dict[str, Any]:
        found = {"seconds": None, "psnr_vs_truth": None} | figures
        return {"budget": self.budget, "seed": self.seed} | found | {"problem": outcome.error}


def parts(asked: Asked) -> list[Part]:
    """The parts of a benchmark at budgets."""
    config = asked.config
    alone = {"seconds": None, "steps": None, "scratch_seconds": None, "curves": False, "seeds": ()}
    found = []
    for number, (budget, seed) in enumerate(itertools.product(config.budgets, config.all_seeds)):
        one = dataclasses.replace(config, budgets=(budget,), seed=seed, **alone)
        found.append(Part(number, budget, seed, dataclasses.replace(asked, config=one)))
    return found


class ConversionAt(Step):
    """A cell's conversion at one budget with one seed; seconds as `conversion_seconds` counts."""

    def __init__(self, part: Part, equal: EqualQuality, conversion: Conversion):
        super().__init__(part.asked, conversion)
        self.part, self.equal, self.source = part, equal, conversion.source

    def make(self) -> Run | Outcome:
        cell, asked = self.equal.cell, self.asked
        if cell.receipt is None:  # its source is no good, or the student
            return cell.outcome
        return self.part.named(
            cell_run(asked.config, cell, self.source.path, asked.folder, asked.where)
        )

    def take(self, run: Run | None, outcome: Outcome) -> None:
        if self.equal.cell.receipt is None:
            return
        figures = {}
        if outcome.exit_code == 0:
            receipt = run.document()
            figures["seconds"] = conversion_seconds(receipt)
            figures["psnr_vs_truth"] = receipt["quality"]["psnr_target_vs_truth"]
        self.equal.converted[self.part.number] = self.part.point(outcome, **figures)


class TrainingAt(Step):
    """A target's training at one budget with one seed, for all of its cells; seconds are those of
    its steps, without reading."""

    def __init__(self, part: Part, target: Target, equals: Sequence[EqualQuality]):
        super().__init__(part.asked)
        self.part, self.target, self.equals = part, target, equals

    def make(self) -> Run:
        asked = self.asked
        run = scratch_run(asked.config, self.target, asked.folder, asked.where, curve=False)
        return self.part.named(run)

    def take(self, run: Run | None, outcome: Outcome) -> None:
        figures = {}
        if outcome.exit_code == 0:
            document = run.document()
            figures = {key: document[key] for key in ("seconds", "psnr_vs_truth")}
        for equal in self.equals:
            equal.trained[self.part.number] = self.part.point(outcome, **figures)


def _by_seed(points: list[dict[str, Any]], psnr: float) -> dict[int, Reached]:
    found = {}
    for seed in dict.fromkeys(point["seed"] for point in points):
        known = [
            (point["seconds"], point["psnr_vs_truth"])
            for point in points
            if point["seed"] == seed and point["psnr_vs_truth"] is not None
        ]
        if known:
            found[seed] = reached(known, psnr)
    return found


def _told(seed: int, found: Reached) -> dict[str, Any]:
    return {"seed": seed, "seconds": found.value, "bound": found.bound}
