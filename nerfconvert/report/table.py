"""Rows of figures as text: Markdown tables, and how a figure is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def figure(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number with its unit, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}{' ' + unit if unit else ''}"


def bytes_figure(count: int | None) -> str:
    """A file size in the largest unit that leaves at least one digit before the point."""
    if count is None:
        return "–"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count} B"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every row has as many cells as the header."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"rows must have {len(header)} cells, got {len(row)}: {list(row)}")
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in r) + " |" for r in lines
    )


def receipt_rows(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, value) pairs that sum up a receipt of `convert`."""
    source, target = receipt["source"], receipt["target"]
    quality, time, render = receipt["quality"], receipt["time"], receipt["render"]
    rows = [
        ("source", f"{source['architecture']}, {source['parameters']:,} parameters"),
        ("target", f"{target['architecture']}, {target['parameters']:,} parameters"),
        ("size", f"{bytes_figure(source['bytes'])} -> {bytes_figure(target['bytes'])}"),
        ("PSNR target vs source", figure(quality["psnr_target_vs_source"], "dB")),
        ("SSIM target vs source", figure(quality["ssim_target_vs_source"], digits=4)),
    ]
    if quality["psnr_target_vs_truth"] is not None:
        rows += [
            ("PSNR source vs truth", figure(quality["psnr_source_vs_truth"], "dB")),
            ("PSNR target vs truth", figure(quality["psnr_target_vs_truth"], "dB")),
            ("difference", figure(quality["delta_vs_truth"], "dB")),
        ]
    before, after = (figure(render[f"{side}_s_per_frame"], "s") for side in ("source", "target"))
    return [
        *rows,
        ("distilled in", f"{figure(time['distill_s'], 's', 1)}, {time['steps']:,} steps"),
        ("one frame", f"{before} -> {after}"),
    ]


def compare_rows(document: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a `compare` document, one row per field."""
    header = ["field", "architecture", "parameters", "size", "s/frame", "vs first", "vs truth"]
    rows = [
        [
            f["path"],
            f["architecture"],
            f"{f['parameters']:,}",
            bytes_figure(f["bytes"]),
            figure(f["seconds_per_frame"]),
            figure(f["psnr_vs_first"], "dB"),
            figure(f["psnr_vs_truth"], "dB"),
        ]
        for f in document["fields"]
    ]
    return header, rows
