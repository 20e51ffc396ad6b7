"""What the receipt of a conversion says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .. import __version__
from ..distiller.progress import Distilled
from ..metrics.evaluation import Evaluator, Pictures
from ..options.per_command import ConvertOptions
from .gates import gates
from .quality import quality, render_speed
from .receipt import stages

SCHEMA = "nerfconvert.receipt/1"


def choices(options: ConvertOptions, active: tuple[str, ...], page: Path | None) -> dict[str, Any]:
    """What the receipt says of what was asked for; `active` are the samplers of active learning,
    `page` is written, too."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "seed": options.job.seed,
        "recipe": options.recipe,
        "active": ",".join(active) or "none",
        "report": str(page) if page else None,
    }


def findings(
    options: ConvertOptions,
    target: dict[str, Any],
    evaluator: Evaluator,
    pictures: tuple[Pictures, Pictures],
    outcome: Distilled,
) -> dict[str, Any]:
    """What the receipt says of what was measured; `pictures` are of the source and the target."""
    figures = quality(evaluator.evaluation, *pictures, outcome.psnr_initial)
    return {
        "quality": figures,
        "gates": _judged(options, target, figures, pictures[1]),
        "stages": stages(outcome),
        "curve": outcome.curve,
        "render": render_speed(*pictures),
        "protocol": evaluator.evaluation.protocol,
    }


def _judged(
    options: ConvertOptions, target: dict[str, Any], figures: dict[str, Any], after: Pictures
) -> list[dict[str, Any]]:
    """The `gates` of the receipt."""
    found = {
        "min_psnr": figures["psnr_target_vs_source"],
        "max_drop": -(figures["delta_vs_truth"] or 0.0),
        "max_size": target["bytes"],
        "max_seconds_per_frame": after.seconds_per_frame,
    }
    return gates(options.gates, options.max_size, found)


def times(
    outcome: Distilled, evaluator: Evaluator, started: float, load_s: float
) -> dict[str, float]:
    """The seconds, and the work done in them, of a conversion that `started` then by the clock."""
    return {
        "load_s": load_s,
        "total_s": time.perf_counter() - started,
        "initialise_s": outcome.initialise_s,
        "distill_s": outcome.seconds,
        "evaluate_s": evaluator.seconds,
        "steps": outcome.steps,
        "rays": outcome.rays,
        "samples": outcome.samples,
    }
