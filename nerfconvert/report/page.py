"""The report of a comparison or of a conversion: one HTML page that needs nothing else."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any

from ..metrics.speedup import conversion_curve
from .compared import Compared, ranked
from .figures import machine_facts
from .gates import option_of, verdict
from .html import html_page
from .plots import NO_MATPLOTLIB, curve_plot

NO_TRUTH = "there were none (--data)"
RULER = 10  # dB that a ruler spans at least
SAME = 0.03  # of a ratio: noise of what is measured
LEAST, MOST = 5.0, 60.0  # dB that a ruler shows


def comparison_page(document: dict[str, Any], compared: Compared, argv: Sequence[str]) -> str:
    """HTML of a `compare` document whose views are `compared`."""
    key = "vs_truth" if len(document["fields"]) == 1 else "vs_first"
    fields = [
        {
            **f,
            "covered": f[f"psnr_covered_{key}"],
            "depth_error": f["depth_error_vs_first"],
            "lpips": f[f"lpips_{key}"],
        }
        for f in document["fields"]
    ]
    about = {
        "title": "Comparison",
        "fields": fields,
        "argv": argv,
        "video": "compare.mp4" if document["video"] else None,
        "curve": None,
        "facts": _no_lpips(document["fields"][-1].get(f"lpips_{key}_reason")),
    }
    return _page(about, document, compared)


def conversion_page(receipt: dict[str, Any], compared: Compared) -> str:
    """HTML of a receipt of `convert`; `compared` are the views of source and target."""
    seconds = receipt["render"]
    fields = [
        {**receipt[side], "seconds_per_frame": seconds[f"{side}_s_per_frame"]}
        for side in ("source", "target")
    ]
    fields[1] |= {
        "covered": receipt["quality"]["psnr_covered_target_vs_source"],
        "depth_error": receipt["quality"]["depth_error_target_vs_source"],
        "lpips": receipt["quality"]["lpips_target_vs_source"],
    }
    time = receipt["time"]
    about = {
        "title": "Conversion",
        "fields": fields,
        "argv": receipt["argv"],
        "video": None,
        "curve": _curve(receipt),
        "facts": {
            "recipe": receipt["recipe"],
            "active learning": receipt["active"],
            "seed": str(receipt["seed"]),
            "time": f"{time['distill_s']:.1f} s of distillation ({time['steps']:,} steps, "
            f"{time['rays']:,} rays, {time['samples']:,} samples), {time['total_s']:.1f} s in all",
            **_no_lpips(receipt["quality"].get("lpips_target_vs_source_reason")),
        },
    }
    return _page(about, receipt, compared)


def _page(about: dict[str, Any], document: dict[str, Any], compared: Compared) -> str:
    figures = compared.figures()
    shown, words = compared.shown(figures)
    first, fields = about["fields"][0], about["fields"]
    subjects = [
        {**f, **_ratios(first, fields[i]), "number": i, "ruler": _ruler(f["psnr_views"])}
        for i, f in zip(compared.subjects, figures, strict=True)
    ]
    height, width = compared.images[0].shape[1:3]
    return html_page(
        "comparison",
        {
            **about,
            "names": compared.names,
            "reference": compared.reference_name,
            "subjects": subjects,
            "ranks": ranked(figures),
            "layers": compared.layers(),
            "gates": [
                {**gate, "option": option_of(gate), "verdict": verdict(gate)}
                for gate in document["gates"]
            ],
            "shown": shown,
            "picture_words": words,
            "width": width,
            "height": height,
            "truth": compared.truth is not None,
            "no_truth": NO_TRUTH,
            "command": shlex.join(["nerfconvert", *about["argv"]]) if about["argv"] else None,
            "protocol": document["protocol"],
            "machine": machine_facts(document["machine"]),
        },
    )


def _no_lpips(reason: str | None) -> dict[str, str]:
    return {"LPIPS": f"not measured: {reason}"} if reason else {}


def _ratios(first: dict[str, Any], field: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """How many times smaller and faster than `first` a field is, in words."""
    size = first["bytes"] / field["bytes"]
    speed = max(first["seconds_per_frame"], 1e-9) / max(field["seconds_per_frame"], 1e-9)
    return {
        "size": _times(size, "smaller", "larger"),
        "speed": _times(speed, "faster", "slower"),
    }


def _times(ratio: float, more: str, less: str) -> tuple[str, str]:
    """('2.4×', 'smaller') of 2.4, ('3.0×', 'larger') of a third, ('same', '') of nearly 1."""
    if abs(math.log(ratio)) < SAME:
        return "same", ""
    return (f"{ratio:.1f}×", more) if ratio >= 1 else (f"{1 / ratio:.1f}×", less)


def _ruler(levels: list[float]) -> dict[str, Any]:
    """A scale in dB: its numbers, and where they, each of `levels` and their mean lie, in %."""
    shown = [min(max(level, LEAST), MOST) for level in levels]
    low, high = 5 * math.floor(min(shown) / 5), 5 * math.ceil(max(shown) / 5)
    if high - low < RULER:
        low, high = low - 5, max(high, low + 5)
    part = 100 / (high - low)
    return {
        "ticks": [(level, (level - low) * part) for level in range(low, high + 1)],
        "marks": [(level - low) * part for level in shown],
        "mean": (sum(shown) / len(shown) - low) * part,
    }


def _curve(receipt: dict[str, Any]) -> dict[str, Any]:
    """What a receipt knows of PSNR over time: points, stages, the plot or why there is none."""
    points = [(s, level) for s, level in conversion_curve(receipt) if level is not None]
    key = "psnr_target_vs_truth"
    truth = [(p["seconds"], p[key]) for p in receipt["curve"] if p.get(key) is not None]
    if receipt["quality"][key] is not None:
        truth.append((receipt["time"]["distill_s"], receipt["quality"][key]))
    ends, stages = 0.0, []
    for stage in receipt["stages"]:
        stages.append({**stage, "start": ends, "end": ends + stage["seconds"]})
        ends = stages[-1]["end"]
    svg, words = None, []
    if points:
        svg = curve_plot(points, truth, [(s["name"], s["start"], s["end"]) for s in stages])
        words += [] if svg else [NO_MATPLOTLIB]
    if not receipt["curve"]:
        words.append("only start and end were measured (--eval-at S,S,.. measures between)")
    return {"svg": svg, "words": "; ".join(words), "points": points, "stages": stages}
