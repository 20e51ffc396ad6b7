"""Formats numbers as text, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Table = tuple[list[str], list[list[str]]]  # header and rows


def figure(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number with its unit, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}{' ' + unit if unit else ''}"


def view_figure(view: dict[str, Any] | None) -> str:
    """A view with its PSNR, '24.31 dB, view 5', or a dash where there is none."""
    if view is None or view["psnr"] is None:
        return "–"
    return f"{figure(view['psnr'], 'dB')}, view {view['view']}"


def depth_figure(error: float | None) -> str:
    """A depth error as text, '0.12%' of the diagonal of the source's box; a dash for none."""
    return figure(None if error is None else 100 * error, digits=2) + ("" if error is None else "%")


def pairs_table(pairs: Sequence[tuple[str, str]]) -> Table:
    """Labels and values, under no header."""
    return ["", ""], [list(pair) for pair in pairs]


def machine_facts(machine: dict[str, Any]) -> dict[str, Any]:
    """What is known of a document's `machine`, by names in words."""
    known = {key.replace("_", " "): v for key, v in machine.items() if v is not None}
    if "peak memory mb" in known:
        known["peak memory"] = figure(known.pop("peak memory mb"), "MB", 0)
    return known


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every row has as many cells as the header."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"rows must have {len(header)} cells, got {len(row)}: {list(row)}")
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in r) + " |" for r in lines
    )
