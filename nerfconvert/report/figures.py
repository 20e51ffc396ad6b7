"""Formats numbers as text, and Markdown tables of them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def figure(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number with its unit, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}{' ' + unit if unit else ''}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every row has as many cells as the header."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"rows must have {len(header)} cells, got {len(row)}: {list(row)}")
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in r) + " |" for r in lines
    )
