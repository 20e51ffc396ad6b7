#!/usr/bin/env python3
"""What each level of active learning gains: on and off, at equal samples and at equal wall clock.

    python scripts/experiments/ablation.py SOURCE DATA -o DIR --arch mlp --steps 2000 --seconds 300

Every level set of `--levels` runs with every seed, once for `--steps` gradient steps (a step costs
the student the same number of samples in all of them) and once for `--seconds`; leave one out with
0. One JSON file a run lies in DIR: what is there is not run again, so an interrupted ablation goes
on. At the end DIR/ablation.md has means and spreads, and DIR/<budget>.png the PSNR over time.
PSNR is that of `contenders.py`, here over all pixels.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

from ablation_plot import plot
from contenders import Setting, psnr

from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.samplers import SAMPLERS
from nerfconvert.distiller.trainer import Hooks

SETS = {"none": (), **{name: (name,) for name in SAMPLERS}, "all": tuple(SAMPLERS)}
Run = dict[str, Any]


class Ablation(Setting):
    """What all runs share."""

    def run(self, levels: str, seed: int, budget: dict[str, Any]) -> Run:
        """One distillation, measured every `--every-seconds` and at its end."""
        student = self.new(seed)
        config = DistillConfig(**budget, seed=seed, active=SETS[levels])
        every = self.options.every_seconds
        hooks = Hooks(
            checkpoints=[every * i for i in range(1, 1000)],
            on_checkpoint=lambda now: [now.seconds, self._measure(student)["source"]],
        )
        outcome = distill(self.teacher, student, self.cameras, config, hooks=hooks)
        found = self._measure(student)
        return {
            "levels": levels,
            "seed": seed,
            "psnr_vs_source": found["source"],
            "psnr_vs_truth": found["truth"],
            "seconds": outcome.seconds,
            "steps": outcome.steps,
            "samples": outcome.samples,
            "rays": outcome.rays,
            "curve": [*outcome.curve, [outcome.seconds, found["source"]]],
        }

    def _measure(self, student) -> dict[str, float]:
        seen = self.pixels.of(student)
        wanted = {"source": self.pixels.source, "truth": self.pixels.truth}
        return {name: psnr(seen, picture) for name, picture in wanted.items()}


def ablate(options: argparse.Namespace) -> dict[str, list[Run]]:
    """All runs by budget; those whose file is there are read."""
    budgets = {}
    if options.steps:
        budgets["samples"] = {"steps": options.steps, "seconds": None}
    if options.seconds:
        budgets["clock"] = {"seconds": options.seconds}
    runs: dict[str, list[Run]] = {name: [] for name in budgets}
    ablation = None
    seeds, sets = options.seeds.split(","), options.levels.split(",")
    for name, seed, levels in itertools.product(budgets, map(int, seeds), sets):
        file = options.output / f"{name}-{levels}-{seed}.json"
        if not file.exists():
            ablation = ablation or Ablation(options, 0)
            found = ablation.run(levels, seed, budgets[name])
            temporary = file.with_suffix(".tmp")
            temporary.write_text(json.dumps(found, indent=1))
            os.replace(temporary, file)
        runs[name].append(json.loads(file.read_text()))
        print(time.strftime("%H:%M:%S"), describe(name, runs[name][-1]), flush=True)
    return runs


def describe(budget: str, run: Run) -> str:
    """One line for people who wait."""
    return (
        f"equal {budget}, {run['levels']}, seed {run['seed']}: {run['psnr_vs_source']:.2f} dB in "
        f"{run['seconds']:.0f} s, {run['samples'] / 1e6:.1f} M samples"
    )


def spread(values: list[float]) -> str:
    """Mean and standard deviation, which one run alone does not have."""
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


def table(budget: str, runs: list[Run]) -> str:
    """Markdown: one row for each set of levels; gains are means over the seeds of both."""
    by_set: dict[str, list[Run]] = {}
    for run in runs:
        by_set.setdefault(run["levels"], []).append(run)
    plain = {run["seed"]: run["psnr_vs_source"] for run in by_set.get("none", [])}
    lines = [
        f"## Equal {budget}\n",
        "| levels | dB against the source | gain | dB against photographs | s | M samples | runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for levels, own in by_set.items():
        pairs = [r["psnr_vs_source"] - plain[r["seed"]] for r in own if r["seed"] in plain]
        columns = [
            levels,
            spread([r["psnr_vs_source"] for r in own]),
            spread(pairs) if pairs and levels != "none" else "",
            spread([r["psnr_vs_truth"] for r in own]),
            f"{statistics.mean(r['seconds'] for r in own):.0f}",
            f"{statistics.mean(r['samples'] for r in own) / 1e6:.1f}",
            str(len(own)),
        ]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--arch", default="mlp")
    parser.add_argument("--size", default="small")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--levels", default=",".join(SETS), help="sets that are run")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--every-seconds", type=float, default=15.0, help="between measurements")
    parser.add_argument("--resolution", default="200x200")
    # of fewer pixels, an edge along a row that is measured moves a whole view by 2 dB
    parser.add_argument("--every", type=int, default=1, help="pixels of rows and columns")
    parser.add_argument("--views", type=int, default=8)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    runs = ablate(options)
    tables = [table(budget, found) for budget, found in runs.items()]
    (options.output / "ablation.md").write_text("\n".join(tables))
    for budget, found in runs.items():
        curves: dict[str, list[list]] = {}
        for run in found:
            curves.setdefault(run["levels"], []).append(run["curve"])
        plot(curves, options.output / f"{budget}.png")
    print("\n".join(tables))


if __name__ == "__main__":
    main()
