"""What `convert` and `compare` measured, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..students.sizes import bytes_figure
from .figures import Table, depth_figure, figure, pairs_table, view_figure
from .gates import option_of, verdict


def receipt_tables(receipt: dict[str, Any]) -> list[Table]:
    """A receipt of `convert`: labels and values; gates last."""
    gates = [(option_of(gate), verdict(gate)) for gate in receipt["gates"]]
    return [pairs_table([*_receipt_rows(receipt), *gates])]


def compare_tables(document: dict[str, Any]) -> list[Table]:
    """One row per field, then why there is no LPIPS, where there is none, then one row per gate."""
    fields = document["fields"]
    tables = [_field_rows(fields)]
    measured = "vs_first" if len(fields) > 1 else "vs_truth"
    if reason := fields[-1].get(f"lpips_{measured}_reason"):
        tables.append(pairs_table([("no LPIPS", reason)]))
    if document["gates"]:
        rows = [[g["path"], option_of(g), verdict(g)] for g in document["gates"]]
        tables.append((["field", "gate", ""], rows))
    return tables


def _receipt_rows(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    source, target = receipt["source"], receipt["target"]
    quality, time, render = receipt["quality"], receipt["time"], receipt["render"]
    lpips = figure(quality["lpips_target_vs_source"], digits=4)
    if reason := quality.get("lpips_target_vs_source_reason"):
        lpips = f"none: {reason}"
    rows = [
        ("source", f"{source['architecture']}, {source['parameters']:,} parameters"),
        ("target", f"{target['architecture']}, {target['parameters']:,} parameters"),
        ("size", f"{bytes_figure(source['bytes'])} -> {bytes_figure(target['bytes'])}"),
        ("PSNR target vs source", figure(quality["psnr_target_vs_source"], "dB")),
        ("SSIM target vs source", figure(quality["ssim_target_vs_source"], digits=4)),
        ("LPIPS target vs source", lpips),
        ("PSNR of what the source covers", figure(quality["psnr_covered_target_vs_source"], "dB")),
        ("worst view", view_figure(quality["worst_view"])),
        ("depth error, of the box", depth_figure(quality["depth_error_target_vs_source"])),
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


def _field_rows(fields: Sequence[dict[str, Any]]) -> Table:
    header = ["field", "architecture", "parameters", "size", "s/frame", "vs first", "vs truth"]
    header += ["covered", "worst view", "depth error"]
    rows = [
        [
            f["path"],
            f["architecture"],
            f"{f['parameters']:,}",
            bytes_figure(f["bytes"]),
            figure(f["seconds_per_frame"]),
            figure(f["psnr_vs_first"], "dB"),
            figure(f["psnr_vs_truth"], "dB"),
            figure(f["psnr_covered_vs_truth"] or f["psnr_covered_vs_first"], "dB"),
            view_figure(f["worst_view"]),
            depth_figure(f["depth_error_vs_first"]),
        ]
        for f in fields
    ]
    lpips = [_either(f["lpips_vs_truth"], f["lpips_vs_first"]) for f in fields]
    if any(found is not None for found in lpips):
        header.append("LPIPS")
        rows = [[*row, figure(found, digits=4)] for row, found in zip(rows, lpips, strict=True)]
    return header, rows


def _either(first: float | None, second: float | None) -> float | None:
    return second if first is None else first
