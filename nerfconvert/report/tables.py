"""Documents as human-readable tables: (header, rows) pairs of strings, or rows alone."""

from __future__ import annotations

from typing import Any

from ..students.sizes import bytes_figure, rounded
from .equal_table import equal_quality_tables
from .figures import Table, figure, pairs_table, view_figure
from .matrix import matrix_rows, name_of, speedup_figure


def export_tables(document: dict[str, Any]) -> list[Table]:
    """Both files, and how far the fields in them differ."""
    source, target, worst = document["source"], document["target"], document["max_difference"]
    same = "none, to the bit" if document["exact"] else None
    return [
        pairs_table(
            [
                ("field", f"{target['architecture']}, {target['parameters']:,} parameters"),
                ("format", f"{source['format']} -> {target['format']}"),
                ("size", f"{bytes_figure(source['bytes'])} -> {bytes_figure(target['bytes'])}"),
                ("difference of density", same or f"{worst['density']:.1e} of the largest"),
                ("difference of color", same or f"{worst['color']:.1e}"),
            ]
        )
    ]


def train_tables(document: dict[str, Any]) -> list[Table]:
    """The curve, then the final figures."""
    pairs = [
        (f"after {point['seconds']:.1f} s", figure(point["psnr_vs_truth"], "dB"))
        for point in document["curve"]
    ]
    pairs.append(("PSNR vs truth", figure(document["psnr_vs_truth"], "dB")))
    pairs.append(("PSNR of what is opaque", figure(document["psnr_covered_vs_truth"], "dB")))
    pairs.append(("worst view", view_figure(document["worst_view"])))
    pairs.append(("of empty pictures", figure(document["psnr_of_empty"], "dB")))
    placement = document["placement"]
    low, high = ("(" + ", ".join(f"{x:.4g}" for x in c) + ")" for c in placement["bounds"])
    pairs.append(("box", f"{low} to {high}, from {placement['bounds_from']}"))
    pairs.append(("background", f"{placement['background']}, from {placement['background_from']}"))
    return [pairs_table([*pairs, ("steps", f"{document['steps']:,}")])]


def bench_tables(document: dict[str, Any]) -> list[Table]:
    """One row per cell, then what equal quality takes, where that was asked for."""
    header = ["teacher", "student", "vs source", "vs truth", "drop", "seconds", "speed-up", "MB"]
    rows = [
        [
            *name_of(row),
            figure(row["psnr_vs_source"], "dB"),
            figure(row["psnr_vs_truth"], "dB"),
            figure(row["delta_vs_truth"]),
            figure(row["seconds"], digits=0),
            speedup_figure(row),
            figure(row["peak_memory_mb"], digits=0),
        ]
        for row in matrix_rows(document)
    ]
    return [(header, rows), *equal_quality_tables(document)]


def cell_line(cell: dict[str, Any]) -> str:
    """The message for a finished cell of a benchmark."""
    title = f"{cell['teacher']} -> {cell['student']} ({cell['recipe']})"
    if cell["receipt"] is None:
        return f"{title}: failed: {cell['receipt_reason']}"
    psnr = figure(cell["receipt"]["quality"]["psnr_target_vs_source"], "dB")
    return f"{title}: {psnr} in {figure(cell['seconds'], 's', 0)}"


def info_tables(document: dict[str, Any]) -> list[Table]:
    """One table per file."""
    return [pairs_table(_info_pairs(entry)) for entry in document["files"]]


def _info_pairs(entry: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = [("file", entry["path"])]
    for key in ("format", "architecture", "frame", "background"):
        if entry[key] is not None:
            pairs.append((key, entry[key]))
    if entry["parameters"] is not None:
        pairs.append(("parameters", f"{entry['parameters']:,}"))
    if entry["bytes"] is not None:
        pairs.append(("size", bytes_figure(entry["bytes"])))
    if entry["aabb"] is not None:
        low, high = (", ".join(f"{v:.4g}" for v in corner) for corner in entry["aabb"])
        pairs.append(("box", f"({low}) to ({high})"))
    if contraction := entry.get("contraction"):
        told = f"contracted beyond {contraction['radius']:.4g} of the middle: an unbounded scene"
        pairs.append(("space", told))
    if entry["occupancy"] is not None:
        pairs.append(("occupied", f"{entry['occupancy']:.1%}"))
    return pairs + [("problem", text) for text in entry["problems"]]


def formats_tables(document: dict[str, Any]) -> list[Table]:
    """The formats, then the architectures."""
    formats = [
        [
            entry["name"],
            entry["title"],
            "read, write" if entry["write"] else "read",
            ", ".join(entry["architectures"]),
            entry["verified"],
        ]
        for entry in document["formats"]
    ]
    architectures = [
        [entry["name"], _sizes(entry), ", ".join(entry["settings"])]
        for entry in document["architectures"]
    ]
    return [
        (["format", "files", "", "architectures", "verified by"], formats),
        (["architecture", "--size", "--set"], architectures),
    ]


def _sizes(entry: dict[str, Any]) -> str:
    """Sizes as text: 'small (834k), base (6.1M), nerf'."""
    counts = entry["parameters"]
    known = [f"{size} ({rounded(count)})" for size, count in counts.items()]
    return ", ".join([*known, *(s for s in entry["sizes"] if s not in counts)]) or "read only"


def doctor_tables(document: dict[str, Any]) -> list[Table]:
    """Labels and values; problems last."""
    plain = ("version", "python", "system", "cpu", "threads", "cuda", "ffmpeg")
    pairs = [(key, str(document[key] or _none(document, key))) for key in plain]
    pairs += [(name, version or "missing") for name, version in document["packages"].items()]
    kernels = document["kernels"]
    pairs.append(("kernels", kernels["isa_level"] or "references only (slow)"))
    unused = "" if document["cuda"] else ", unused: they wait for a CUDA device"
    pairs.append(("cuda kernels", f"compiled{unused}" if kernels["cuda_library"] else "none"))
    pairs += [(name, _backend(found)) for name, found in document["backends"].items()]
    return [pairs_table(pairs + [("problem", text) for text in document["problems"]])]


def _none(document: dict[str, Any], key: str) -> str:
    reason = document.get(f"{key}_reason")
    return f"none: {reason}" if reason else "none"


def _backend(found: dict[str, Any]) -> str:
    """State of a backend as text: '0.5.3, works', '2.0, OSError: ...' or 'not installed'."""
    if found["version"] is None:
        return found["reason"]
    return f"{found['version']}, {found['reason'] or 'works'}"
