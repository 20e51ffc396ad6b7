"""The conversion matrix as one HTML page: cells colored by a figure that can be chosen."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..students.sizes import bytes_figure
from .equal_table import budget_lines, equal_quality_tables
from .figures import figure, machine_facts
from .html import html_page
from .matrix import matrix_rows, name_of, speedup_figure
from .plots import NO_MATPLOTLIB, budget_plot, rate_plot

Row = dict[str, Any]


@dataclass(frozen=True)
class Shade:
    """A figure that colors the matrix: its value in a row (None: there is none), and its text."""

    title: str
    value: Callable[[Row], float | None]
    text: Callable[[Row], str]
    less_is_better: bool = False
    logarithmic: bool = False

    def levels(self, rows: list[Row]) -> list[float | None]:
        """Of each row how good it is among all, 0 to 100."""
        known = [self._scaled(row) for row in rows]
        ends = [value for value in known if value is not None]
        if not ends:
            return known
        low, high = min(ends), max(ends)
        span = high - low or 1.0
        return [None if v is None else 100 * (v - low) / span for v in known]

    def _scaled(self, row: Row) -> float | None:
        value = self.value(row)
        if value is None or (self.logarithmic and value <= 0):
            return None
        value = math.log(value) if self.logarithmic else value
        return -value if self.less_is_better else value


def _of(key: str) -> Callable[[Row], float | None]:
    return lambda row: row[key]


SHADES = {
    "psnr": Shade(
        "PSNR to the source, dB", _of("psnr_vs_source"), lambda r: figure(r["psnr_vs_source"])
    ),
    "truth": Shade(
        "PSNR to the photographs, dB", _of("psnr_vs_truth"), lambda r: figure(r["psnr_vs_truth"])
    ),
    "speedup": Shade(
        "Speed-up over training anew", _of("speedup"), speedup_figure, logarithmic=True
    ),
    "bytes": Shade(
        "Size of the file",
        _of("bytes"),
        lambda r: "–" if r["bytes"] is None else bytes_figure(r["bytes"]),
        less_is_better=True,
        logarithmic=True,
    ),
    "frame": Shade(
        "Seconds a frame",
        _of("frame"),
        lambda r: figure(r["frame"], "s"),
        less_is_better=True,
        logarithmic=True,
    ),
    "seconds": Shade(
        "Seconds of the conversion",
        _of("seconds"),
        lambda r: figure(r["seconds"], "s", 0),
        less_is_better=True,
    ),
}


def matrix_page(document: dict[str, Any]) -> str:
    """HTML of a `bench` document, to lie in the folder of the benchmark."""
    rows = [
        {**row, **_more(cell)}
        for row, cell in zip(matrix_rows(document), document["cells"], strict=True)
    ]
    shades = {
        key: shade for key, shade in SHADES.items() if any(shade.value(r) is not None for r in rows)
    }
    levels = {key: shade.levels(rows) for key, shade in shades.items()}
    cells = {}
    for number, row in enumerate(rows):
        shown = {key: (s.text(row), levels[key][number]) for key, s in shades.items()}
        cells[name_of(row)] = {**row, "number": number, "shown": shown}
    done = [row for row in rows if row["psnr_vs_source"] is not None]
    teachers, students = (list(dict.fromkeys(names)) for names in zip(*cells))
    points = [(r["bytes"], r["psnr_vs_source"], r["frame"], *name_of(r)) for r in done]
    receipt = next((cell["receipt"] for cell in document["cells"] if cell["receipt"]), None)
    equal = document.get("equal_quality") or []
    sources = {entry["psnr_source_vs_truth"] for entry in equal}
    return html_page(
        "matrix",
        {
            "cells": cells,
            "teachers": teachers,
            "students": students,
            "shades": {key: shade.title for key, shade in shades.items()},
            "plot": rate_plot(points) if points else None,
            "plot_words": NO_MATPLOTLIB if points else "not drawn: no conversion has ended yet",
            "equal": equal_quality_tables(document),
            "equal_plot": budget_plot(budget_lines(equal), *sources) if len(sources) == 1 else None,
            "no_speedup": None if equal else document["speedup_reason"],
            "command": shlex.join(["nerfconvert", *document["argv"]]) if document["argv"] else None,
            "receipt": receipt,
            "machine": machine_facts((receipt or document)["machine"]),
        },
    )


def _more(cell: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a cell beside the rows for a spreadsheet; links are relative."""
    receipt = cell["receipt"]
    if receipt is None:
        return {"frame": None, "receipt": None, "links": {}}
    page = receipt.get("report")
    links = {"report with pictures": quote(page)} if page else {}
    links["receipt"] = quote(f"{receipt['target']['path']}.receipt.json")
    frame = receipt["render"]["target_s_per_frame"]
    return {"frame": frame, "receipt": receipt, "links": links}
