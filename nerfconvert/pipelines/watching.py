"""What convert and train let training and measuring call: progress, measured checkpoints, stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ..distiller.progress import Progress
from ..distiller.trainer import Hooks
from ..metrics.evaluation import Evaluation
from ..metrics.glance import LiveFigure, watched
from ..metrics.timeline import Timeline
from ..options.groups import Budget, Job
from ..runtime.preview import write_preview
from ..runtime.signals import StopRequest
from ..volume import RadianceField


def stoppable(
    heard: Callable[[int, float], None], stop: StopRequest, state: Path
) -> Callable[[int, float], None]:
    """`heard`, which hears of measured views, ending the run after the first view where `stop` asks
    for it: the run of `state` then only has to be measured again."""

    def measured(view: int, seconds: float) -> None:
        heard(view, seconds)
        stop.obey(state)

    return measured


def watching(
    field: RadianceField,
    target: Path,
    budget: Budget,
    job: Job,
    evaluation: Evaluation,
    reference: Tensor,
    timeline: Timeline,
    measure: Callable[[Progress], dict[str, float]],
) -> Hooks:
    """Hooks of the process that measures `field`, the future `target`.

    `reference` [H, W, 3] is what the first held-out view shows; `measure` gives a point of the
    curve at some progress of training.
    """
    preview = write_preview(target) if job.preview else None
    live = LiveFigure(field, evaluation, reference, preview)
    return Hooks(
        on_progress=watched(live, timeline, len(evaluation.cameras)),
        checkpoints=budget.checkpoints(),
        on_checkpoint=measure,
    )
