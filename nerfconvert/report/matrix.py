"""The conversion matrix as text: one Markdown table per figure, and rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..distiller.recipes import DEFAULT
from ..students.sizes import bytes_figure
from .equal_table import equal_quality_tables
from .figures import depth_figure, figure, markdown_table

Cell = dict[str, Any]
COLUMNS = {
    "psnr_vs_source": lambda cell: cell["receipt"]["quality"]["psnr_target_vs_source"],
    "psnr_initial": lambda cell: cell["receipt"]["quality"]["psnr_initial"],
    "psnr_covered_vs_source": lambda cell: _later(cell, "psnr_covered_target_vs_source"),
    "worst_view_psnr": lambda cell: (_later(cell, "worst_view") or {}).get("psnr"),
    "depth_error": lambda cell: _later(cell, "depth_error_target_vs_source"),
    "psnr_vs_truth": lambda cell: cell["receipt"]["quality"]["psnr_target_vs_truth"],
    "delta_vs_truth": lambda cell: cell["receipt"]["quality"]["delta_vs_truth"],
    "seconds": lambda cell: cell["seconds"],
    "speedup": lambda cell: cell["speedup_to_scratch_psnr"],
    "speedup_is_lower_bound": lambda cell: cell["speedup_is_lower_bound"],
    "fast_seconds_to_psnr": lambda cell: cell.get("fast_seconds_to_psnr"),
    "peak_memory_mb": lambda cell: cell["receipt"]["machine"]["peak_memory_mb"],
    "parameters": lambda cell: cell["receipt"]["target"]["parameters"],
    "bytes": lambda cell: cell["receipt"]["target"]["bytes"],
}


def _later(cell: Cell, key: str) -> Any:
    """A figure that cells of older benchmarks do not have."""
    return cell["receipt"]["quality"].get(key)


def matrix_rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """One flat row per cell of a `bench` document; missing figures are None."""
    return [
        {
            **{key: cell[key] for key in ("teacher", "student", "recipe")},
            **{key: value(cell) if cell["receipt"] else None for key, value in COLUMNS.items()},
            "problem": cell.get("receipt_reason"),
        }
        for cell in document["cells"]
    ]


def matrix_markdown(document: dict[str, Any]) -> str:
    """Tables with a row per teacher and a column per student, the students, and what failed."""
    rows = matrix_rows(document)
    parts = []
    for title, show in FIGURES.items():
        shown = {name_of(row): show(row) for row in rows}
        if any(text != "–" for text in shown.values()):
            parts += [f"**{title}**", _grid(rows, show)]
    if reason := document["speedup_reason"]:
        parts.append(f"No speed-up over training from scratch: {reason}.")
    for title, table in zip(EQUAL, equal_quality_tables(document)):
        parts += [f"**{title}**", markdown_table(*table)]
    parts += ["**The students**", _students(document)]
    failed = [f"- {' '.join(name_of(r))}: {r['problem']}" for r in rows if r["problem"]]
    if failed:
        parts += ["**Without a result**", "\n".join(failed)]
    return "\n\n".join([*parts, _legend(document)]) + "\n"


def name_of(row: dict[str, Any]) -> tuple[str, str]:
    """(row label, column label) of a cell."""
    recipe = "" if row["recipe"] == DEFAULT else f", {row['recipe']}"
    return row["teacher"] + recipe, row["student"]


def speedup_figure(row: dict[str, Any]) -> str:
    """A speed-up as text: '3.2×', '> 12×' for a lower bound, a dash for none."""
    if row["speedup"] is None:
        return "–"
    return f"{'> ' if row['speedup_is_lower_bound'] else ''}{row['speedup']:.3g}×"


def _truth(row: dict[str, Any]) -> str:
    if row["psnr_vs_truth"] is None:
        return "–"
    if row["delta_vs_truth"] is None:  # a source that is equal to the photographs
        return f"{row['psnr_vs_truth']:.2f}"
    return f"{row['psnr_vs_truth']:.2f} ({row['delta_vs_truth']:+.2f})"


FIGURES: dict[str, Callable[[dict[str, Any]], str]] = {
    "PSNR against the source, dB": lambda row: figure(row["psnr_vs_source"]),
    "Speed-up over training from scratch to the same PSNR": speedup_figure,
    "PSNR over the pixels that the source covers, dB": lambda row: figure(
        row["psnr_covered_vs_source"]
    ),
    "PSNR of the worst view, dB": lambda row: figure(row["worst_view_psnr"]),
    "Depth error, of the diagonal of the source's box": lambda row: depth_figure(
        row["depth_error"]
    ),
    "PSNR against the source before the first gradient step, dB": lambda row: figure(
        row["psnr_initial"]
    ),
    "PSNR against the photographs, dB (difference to the source's)": _truth,
    "Seconds of the conversion": lambda row: figure(row["seconds"], digits=0),
    "Seconds of our own recipe to the PSNR of this one": lambda row: figure(
        row["fast_seconds_to_psnr"], digits=1
    ),
    "Peak memory, MB": lambda row: figure(row["peak_memory_mb"], digits=0),
}


EQUAL = (
    "Seconds to equal quality against the photographs, from runs with a schedule of their own",
    "PSNR against the photographs over seconds",
)


def _grid(rows: list[dict[str, Any]], show: Callable[[dict[str, Any]], str]) -> str:
    """A table with a row per teacher (and recipe) and a column per student."""
    cells = {name_of(row): show(row) for row in rows}
    teachers, students = (list(dict.fromkeys(names)) for names in zip(*cells))
    header = ["from \\ to", *students]
    body = [[t, *(cells.get((t, s), "–") for s in students)] for t in teachers]
    return markdown_table(header, body)


def _students(document: dict[str, Any]) -> str:
    header = ["student", "architecture", "parameters", "file", "from scratch"]
    body = {}
    for cell in document["cells"]:
        if cell["receipt"]:
            target, scratch = cell["receipt"]["target"], cell["scratch"]
            trained = "–"
            if scratch:
                psnr = figure(scratch["psnr_vs_truth"], "dB")
                trained = f"{psnr} after {figure(scratch['seconds'], 's', 0)}"
            body[cell["student"]] = [
                cell["student"],
                target["architecture"],
                f"{target['parameters']:,}",
                bytes_figure(target["bytes"]),
                trained,
            ]
    return markdown_table(header, list(body.values()))


def _legend(document: dict[str, Any]) -> str:
    """Protocol and machine of the figures: that of the conversions, not that of the table."""
    done = next((cell["receipt"] for cell in document["cells"] if cell["receipt"]), None)
    machine = (done or document)["machine"]
    threads = f"{machine['threads']} thread{'' if machine['threads'] == 1 else 's'}"
    where = f"{machine['device']}, {machine['cpu']}, {threads}"
    if done is None:
        return f"Machine: {where}."
    quality, protocol = done["quality"], done["protocol"]
    width, height = quality["resolution"]
    return (
        f"{quality['views']} held-out views at {width}×{height} on {protocol['background']}; "
        f"{where}; nerfconvert {document['version']}."
    )
