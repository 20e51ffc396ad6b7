"""Tables of a benchmark's equal quality: seconds to one PSNR, and PSNR over seconds."""

from __future__ import annotations

import statistics
from typing import Any

from ..distiller.recipes import DEFAULT
from ..metrics.equal_quality import Bound, Reached, in_order, middle
from .figures import Table, figure

Curve = list[tuple[float, float]]
SIGNS: dict[Bound, str] = {"exact": "", "at most": "≤ ", "more than": "> "}
# of the times, for the table of speed-ups: how many times sooner at least, or at most
SPEEDUP_SIGNS: dict[Bound, str] = {"exact": "", "at most": "≤ ", "more than": "≥ "}


def equal_quality_tables(document: dict[str, Any]) -> list[Table]:
    """The two tables of a `bench` document; none where it has no such runs."""
    entries = document.get("equal_quality") or []
    return [_levels(entries), _curves(entries)] if entries else []


def budget_lines(entries: list[dict[str, Any]]) -> list[tuple[str, Curve, Curve]]:
    """(conversion, its runs, those of training): (budget in seconds, median PSNR in dB) a point."""
    kinds = ("conversions", "trainings")
    return [(_name(entry), *(_medians(entry[kind]) for kind in kinds)) for entry in entries]


def _medians(points: list[dict[str, Any]]) -> Curve:
    found: dict[float, list[float]] = {}
    for point in points:
        if point["psnr_vs_truth"] is not None:
            found.setdefault(point["budget"], []).append(point["psnr_vs_truth"])
    return [(budget, statistics.median(found[budget])) for budget in sorted(found)]


def _levels(entries: list[dict[str, Any]]) -> Table:
    header = ["conversion", "below source", "PSNR", "converted in", "trained in", "speed-up"]
    rows = [
        [
            _name(entry),
            f"{level['below_source']:g} dB",
            figure(level["psnr_vs_truth"], "dB"),
            _seconds(level["conversion"]),
            _seconds(level["training"]),
            _speedup(level),
        ]
        for entry in entries
        for level in entry["levels"]
    ]
    return header, rows


def _curves(entries: list[dict[str, Any]]) -> Table:
    header = ["conversion", "budget", "converted", "trained"]
    rows = []
    for entry in entries:
        points = [*entry["conversions"], *entry["trainings"]]
        for budget in sorted({point["budget"] for point in points}):
            kinds = (entry["conversions"], entry["trainings"])
            levels = [_decibels([p for p in points if p["budget"] == budget]) for points in kinds]
            rows.append([_name(entry), f"{budget:g} s", *levels])
    return header, rows


def _name(entry: dict[str, Any]) -> str:
    recipe = "" if entry["recipe"] == DEFAULT else f", {entry['recipe']}"
    return f"{entry['teacher']} -> {entry['student']}{recipe}"


def _seconds(seeds: list[dict[str, Any]]) -> str:
    """The median of several seeds and their range: '42 s (38 to > 60)'."""
    found = [Reached(seed["seconds"], seed["bound"]) for seed in seeds]
    if not found:
        return "–"
    one = middle(found)
    text = f"{SIGNS[one.bound]}{one.value:.0f} s"
    ordered = in_order(found)
    ends = [f"{SIGNS[end.bound]}{end.value:.0f}" for end in (ordered[0], ordered[-1])]
    return text if len(found) == 1 else f"{text} ({' to '.join(ends)})"


def _speedup(level: dict[str, Any]) -> str:
    if level["speedup"] is None:
        return "–"
    return f"{SPEEDUP_SIGNS[level['speedup_bound']]}{level['speedup']:.2g}×"


def _decibels(points: list[dict[str, Any]]) -> str:
    """The median PSNR of several seeds and its range: '25.10 dB (24.90 to 25.30)'."""
    known = sorted(p["psnr_vs_truth"] for p in points if p["psnr_vs_truth"] is not None)
    if not known:
        return "–"
    text = figure(statistics.median(known), "dB")
    return text if len(known) == 1 else f"{text} ({figure(known[0])} to {figure(known[-1])})"
