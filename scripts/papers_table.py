#!/usr/bin/env python3
"""Puts the table of the papers' recipes beside ours into BENCHMARKS.md, and draws the curves.

    python scripts/papers_table.py papers papers_long BENCHMARKS.md

reads the folders of `nerfconvert bench` (`papers.toml`, `papers_long.toml`), replaces what stands
between `<!-- papers -->` and `<!-- /papers -->`, and writes one picture of curves a pair of the
second folder into `scripts/results`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from experiments.ablation_plot import plot
from matrix_table import replace_between

OURS = "fast"
RESULTS = Path(__file__).parent / "results"
Cell = dict[str, Any]
Curve = list[tuple[float, float]]


def done(folder: Path) -> list[Cell]:
    """The cells of a benchmark that have a result."""
    document = json.loads((folder / "matrix.json").read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["receipt"]]


def pair_of(cell: Cell) -> str:
    return f"{cell['teacher']} → {cell['student']}"


def psnr(cell: Cell | None) -> str:
    return f"{cell['receipt']['quality']['psnr_target_vs_source']:.1f}" if cell else "–"


def seconds_table(cells: list[Cell]) -> str:
    """PSNR against the source of every pair and recipe at equal seconds."""
    recipes = sorted({cell["recipe"] for cell in cells}, key=lambda name: (name != OURS, name))
    rows = ["| from → to | " + " | ".join(recipes) + " |", "|---" * (1 + len(recipes)) + "|"]
    for pair in dict.fromkeys(map(pair_of, cells)):
        found = {c["recipe"]: c for c in cells if pair_of(c) == pair}
        figures = (psnr(found.get(recipe)) for recipe in recipes)
        rows.append(f"| {pair} | " + " | ".join(figures) + " |")
    return "\n".join(rows)


def curve_of(cell: Cell, over: str) -> Curve:
    """(seconds or samples, dB against the source) of a conversion, its end included."""
    time, quality = cell["receipt"]["time"], cell["receipt"]["quality"]
    points = [(p[over], p["psnr_target_vs_source"]) for p in cell["receipt"]["curve"]]
    end = time["distill_s"] if over == "seconds" else time[over]
    return [*points, (end, quality["psnr_target_vs_source"])]


def at(curve: Curve, where: float) -> float | None:
    """dB of a curve at `where`, linear between its points; None before the first."""
    for (start, low), (end, high) in itertools.pairwise(curve):
        if start <= where <= end:
            return low + (high - low) * (where - start) / (end - start)
    return curve[-1][1] if where >= curve[-1][0] else None


def samples_table(cells: list[Cell]) -> str:
    """PSNR of each recipe after as many samples as the recipe with the fewest took in all."""
    rows = ["| from → to | samples | recipe | dB |", "|---|---|---|---|"]
    for pair in dict.fromkeys(map(pair_of, cells)):
        curves = {c["recipe"]: curve_of(c, "samples") for c in cells if pair_of(c) == pair}
        fewest = min(curve[-1][0] for curve in curves.values())
        for recipe, curve in curves.items():
            level = at(curve, fewest)
            shown = "–" if level is None else f"{level:.1f}"
            rows.append(f"| {pair} | {fewest / 1e6:.0f} M | {recipe} | {shown} |")
    return "\n".join(rows)


def draw(cells: list[Cell]) -> list[str]:
    """Writes a picture of the curves of every pair; the Markdown that shows them."""
    RESULTS.mkdir(exist_ok=True)
    shown = []
    for pair in dict.fromkeys(map(pair_of, cells)):
        curves = {c["recipe"]: [curve_of(c, "seconds")] for c in cells if pair_of(c) == pair}
        name = "papers-" + pair.replace(" → ", "-to-") + ".png"
        plot(curves, RESULTS / name)
        shown.append(f"![{pair}](scripts/results/{name})")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("papers", type=Path, help="folder of papers.toml")
    parser.add_argument("long", type=Path, help="folder of papers_long.toml")
    parser.add_argument("document", type=Path, nargs="?", default=Path("BENCHMARKS.md"))
    options = parser.parse_args()
    parts = ["PSNR against the source after 180 s, dB:", seconds_table(done(options.papers))]
    if (options.long / "matrix.json").exists():
        cells = done(options.long)
        parts += ["After 600 s:", seconds_table(cells)]
        parts += ["After equally many samples of the student:", samples_table(cells), *draw(cells)]
    replace_between(options.document, "papers", "\n\n".join(parts))


if __name__ == "__main__":
    main()
