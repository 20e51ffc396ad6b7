#!/usr/bin/env python3
"""Puts the tables of the papers' recipes beside ours into BENCHMARKS.md, and draws the curves.

    python scripts/papers_table.py papers papers_al papers_long papers_hour

reads folders of `nerfconvert bench`, of those of `papers*.toml` that have run. The cells of folders
without curves make one table, between `<!-- papers -->` and `<!-- /papers -->`; a folder with
curves makes its own, between `<!-- papers, longer -->` and its end, and a picture of each pair in
`scripts/results`. What no folder is for stays.
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


def has_curve(cell: Cell) -> bool:
    return bool(cell["receipt"].get("curve"))


def pair_of(cell: Cell) -> str:
    return f"{cell['teacher']} → {cell['student']}"


def by_pair(cells: list[Cell]) -> dict[str, list[Cell]]:
    return {
        pair: [cell for cell in cells if pair_of(cell) == pair]
        for pair in dict.fromkeys(map(pair_of, cells))
    }


def shown(level: float | None) -> str:
    return "–" if level is None else f"{level:.1f}"


def recipes_table(cells: list[Cell]) -> str:
    """PSNR of every pair and recipe at equal seconds: against the source, against photographs."""
    recipes = sorted({cell["recipe"] for cell in cells}, key=lambda name: (name != OURS, name))
    rows = [f"| from → to | {' | '.join(recipes)} |", "|---" * (1 + len(recipes)) + "|"]
    for pair, found in by_pair(cells).items():
        qualities = {cell["recipe"]: cell["receipt"]["quality"] for cell in found}
        figures = (
            f"{shown(q['psnr_target_vs_source'])} ({shown(q['psnr_target_vs_truth'])})"
            if (q := qualities.get(recipe))
            else "–"
            for recipe in recipes
        )
        rows.append(f"| {pair} | {' | '.join(figures)} |")
    return "\n".join(rows)


def runs_table(cells: list[Cell]) -> str:
    """What every run did and came to, and where each was after as many samples as the one of its
    pair with the fewest."""
    rows = [
        "| from → to | recipe | seconds | steps | samples | dB | after equal samples |",
        "|---" * 7 + "|",
    ]
    for pair, found in by_pair(cells).items():
        curves = [curve_of(cell, "samples") for cell in found]
        fewest = min(curve[-1][0] for curve in curves)
        for cell, curve in zip(found, curves, strict=True):
            time = cell["receipt"]["time"]
            equal = at(curve, fewest) if len(found) > 1 else None
            rows.append(
                f"| {pair} | {cell['recipe']} | {time['distill_s']:.0f} | {time['steps']} | "
                f"{time['samples'] / 1e6:.0f} M | {shown(curve[-1][1])} | {shown(equal)} |"
            )
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
            return low + (high - low) * (where - start) / max(end - start, 1e-9)
    return curve[-1][1] if where >= curve[-1][0] else None


def draw(cells: list[Cell], folder: str) -> list[str]:
    """Writes a picture of the curves of every pair; the Markdown that shows them."""
    RESULTS.mkdir(exist_ok=True)
    pictures = []
    for pair, found in by_pair(cells).items():
        curves = {cell["recipe"]: [curve_of(cell, "seconds")] for cell in found}
        name = f"{folder}-{pair.replace(' → ', '-to-')}.png"
        plot(curves, RESULTS / name)
        pictures.append(f"![{pair}](scripts/results/{name})")
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="of papers*.toml, that first")
    parser.add_argument("--document", type=Path, default=Path("BENCHMARKS.md"))
    options = parser.parse_args()
    found = {folder.name: done(folder) for folder in options.folders}
    plain = [cell for cells in found.values() for cell in cells if not has_curve(cell)]
    if plain:
        table = recipes_table(plain)
        text = f"dB against the source (against the photographs) after 180 s:\n\n{table}"
        replace_between(options.document, "papers", text)
    parts = []
    for folder, cells in found.items():
        if longer := [cell for cell in cells if has_curve(cell)]:
            parts += [runs_table(longer), *draw(longer, folder)]
    if parts:
        replace_between(options.document, "papers, longer", "\n\n".join(parts))


if __name__ == "__main__":
    main()
