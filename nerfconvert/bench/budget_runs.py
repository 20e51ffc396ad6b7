"""Runs at several budgets, with several seeds: of conversions, and of training from photographs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..metrics.equal_quality import DROPS, Reached, middle, reached, speedup_at
from ..metrics.speedup import conversion_seconds
from ..options.groups import Where
from .benchmark import BenchConfig, Target
from .cells import Cell
from .process import Outcome
from .runs import Run, cell_run, scratch_run

Do = Callable[[Run], Outcome]
Points = list[dict[str, Any]]  # {"budget", "seed", "seconds", "psnr_vs_truth", "problem"}


@dataclass
class EqualQuality:
    """What one cell's student needs, converted and trained, to come near the source."""

    cell: Cell
    conversions: Points = field(default_factory=list)
    trainings: Points = field(default_factory=list)

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


def convert_at_budgets(
    config: BenchConfig, cell: Cell, source: Path, folder: Path, where: Where, do: Do
) -> Points:
    """Makes the conversions of a cell; seconds as `conversion_seconds` counts them."""
    points = []
    for part, budget, seed in _parts(config):
        run = cell_run(part, cell, source, folder, where)
        run = dataclasses.replace(run, title=f"{run.title}, {budget:g} s, seed {seed}")
        outcome = do(run)
        point = {"budget": budget, "seed": seed, "seconds": None, "psnr_vs_truth": None}
        if outcome.exit_code == 0:
            receipt = run.document()
            point["seconds"] = conversion_seconds(receipt)
            point["psnr_vs_truth"] = receipt["quality"]["psnr_target_vs_truth"]
        points.append(point | {"problem": outcome.error})
    return points


def train_at_budgets(
    config: BenchConfig, target: Target, folder: Path, where: Where, do: Do
) -> Points:
    """Trains a target on the photographs; seconds are those of its steps, without reading."""
    points = []
    for part, budget, seed in _parts(config):
        run = scratch_run(part, target, folder, where, curve=False)
        run = dataclasses.replace(run, title=f"{run.title}, {budget:g} s, seed {seed}")
        outcome = do(run)
        point = {"budget": budget, "seed": seed, "seconds": None, "psnr_vs_truth": None}
        if outcome.exit_code == 0:
            document = run.document()
            point |= {key: document[key] for key in ("seconds", "psnr_vs_truth")}
        points.append(point | {"problem": outcome.error})
    return points


def _parts(config: BenchConfig) -> list[tuple[BenchConfig, float, int]]:
    """The benchmark with one budget and one seed, once for each pair of them."""
    pairs = itertools.product(config.budgets, config.all_seeds)
    alone = {"seconds": None, "steps": None, "scratch_seconds": None, "curves": False}
    return [
        (dataclasses.replace(config, budgets=(budget,), seeds=(), seed=seed, **alone), budget, seed)
        for budget, seed in pairs
    ]


def _by_seed(points: Points, psnr: float) -> dict[int, Reached]:
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
