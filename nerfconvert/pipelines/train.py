"""train: a field from photographs; it makes teachers and the from-scratch baseline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import __version__
from ..adapters import ADAPTERS
from ..distiller import parallel
from ..distiller.progress import Distilled, Progress
from ..distiller.train_images import train_images
from ..distiller.trainer import Hooks
from ..formats import check_config, save
from ..metrics.evaluation import Evaluation, Evaluator, Pictures, from_data
from ..metrics.image_metrics import mean_psnr
from ..metrics.timeline import OnProgress, Timeline
from ..options.groups import parse_resolution
from ..options.per_command import TrainOptions
from ..renderer.image import BACKGROUNDS
from ..renderer.scene import Scene, read_scene
from ..report.likeness import against_truth, worst
from ..report.receipt import describe_file, stages, strict
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import as_read
from ..runtime.outputs import files_of, note_fresh_start, remove_unfinished, state_path
from ..runtime.signals import InterruptedRunError, StopRequest, stop_on_signals
from ..students.planning import check_student, plan_student
from ..students.presets import field_config
from ..volume import FieldInfo, TrainableField
from .checks import check_train
from .placement import Placement, place
from .watching import stoppable, watching

log = logging.getLogger(__name__)

SCHEMA = "nerfconvert.train/1"
SHOWN = 1.0  # dB over an empty picture from which on a field shows something


@with_backend
def train(
    options: TrainOptions,
    *,
    argv: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    on_placement: Callable[[Placement], None] | None = None,
) -> dict[str, Any]:
    """The account of a training; writes OUT. `on_placement` hears of box and background before the
    first step. Raises as `convert` does."""
    started = time.perf_counter()
    check_train(options)
    note_fresh_start(options.target, options.job.resume)
    known = field_config(options.arch, options.size, _asked(options)["settings"])
    check_config(options.target, options.format, options.arch, known)  # wrong: named at once
    timeline = Timeline(on_progress, options.budget.distill_config(options.job.seed).seconds)
    timeline.phase("reading the images")
    device = parallel.start(pick_device(options.where.device))
    check_student(options.arch, device, **_asked(options))
    scene = read_scene(
        options.data,
        split="train",
        resolution=parse_resolution(options.train_resolution, "--train-resolution"),
        background=None,
    )
    placement = place(options, scene)
    if on_placement and not parallel.rank():
        on_placement(placement)
    choice = placement.background.value
    evaluator = Evaluator(
        from_data(options.data, options.resolution, options.eval_views, BACKGROUNDS[choice])
    )
    field = _new(options, FieldInfo(aabb=placement.box.value, background=choice), device)
    with stop_on_signals() as stop:
        outcome = _fitted(options, field, scene, evaluator, timeline, stop)
        if parallel.rank():
            return {}
        heard = timeline.measures("measuring", len(evaluator.evaluation.cameras))
        written = as_read(field, options.target, options.format)
        pictures = evaluator.render(written, stoppable(heard, stop, state_path(options.target)))
    timeline.phase("writing")
    found = _found(pictures, evaluator.evaluation)
    save(field, options.target, options.format, overwrite=True)
    remove_unfinished(options.target)
    asked = {"schema": SCHEMA, "version": __version__, "argv": list(argv), "seed": options.job.seed}
    made = {"placement": placement.document(), "machine": machine(device)}
    file = describe_file(options.target, field)
    return strict({**asked, **file, **made, **found, **_spent(outcome, started)})


def _found(pictures: Pictures, evaluation: Evaluation) -> dict[str, Any]:
    """What the account says of the field's `pictures`."""
    views, figures = against_truth("vs_truth", pictures, evaluation)
    return {
        **figures,
        "psnr_of_empty": _psnr_of_empty(figures["psnr_vs_truth"], evaluation),
        "worst_view": worst(views),
        "per_view": views,
        "views": len(views),
        "resolution": evaluation.resolution,
        "seconds_per_frame": pictures.seconds_per_frame,
        "protocol": evaluation.protocol,
    }


def _spent(outcome: Distilled, started: float) -> dict[str, Any]:
    """What the account says of a training that `started` then by the clock."""
    return {
        "seconds": outcome.seconds,
        "total_s": time.perf_counter() - started,
        "steps": outcome.steps,
        "stages": stages(outcome),
        "curve": outcome.curve,
    }


def _asked(options: TrainOptions) -> dict[str, Any]:
    """What `options`, and the program whose file it will be, say about the field to be trained."""
    files = files_of(options.target, options.format, options.arch)[1]
    return {
        "size": options.size,
        "max_size": options.max_size,
        "settings": (*files.student, *options.settings),
        "memory_mb": options.budget.memory_mb,
    }


def _new(options: TrainOptions, info: FieldInfo, device: torch.device) -> TrainableField:
    """The field that is to be trained, as it begins."""
    config = plan_student(options.arch, info, device, **_asked(options))
    torch.manual_seed(options.job.seed)
    field = ADAPTERS[options.arch](config, info).to(device)
    field.start_coarse()
    return field


def _psnr_of_empty(psnr: float, evaluation: Evaluation) -> float:
    """Mean PSNR in dB of pictures with nothing but the background; warns where `psnr`, that of the
    field, is nearly equal."""
    truth = evaluation.truth
    empty = mean_psnr(torch.full_like(truth, evaluation.background), truth)
    name = evaluation.protocol["background"]
    if psnr < empty + SHOWN:
        log.warning(
            "the field shows nothing: %.1f dB against the truth, and an empty %s picture has %.1f "
            "dB; try another --bounds, --background or --seed, or more --seconds",
            psnr, name, empty,
        )  # fmt: skip
    return empty


def _fitted(
    options: TrainOptions,
    field: TrainableField,
    scene: Scene,
    evaluator: Evaluator,
    timeline: Timeline,
    stop: StopRequest,
) -> Distilled:
    state, evaluation = state_path(options.target), evaluator.evaluation

    def measure(now: Progress) -> dict[str, float]:
        images = evaluator.render(field).images
        return {**now.counts(), "psnr_vs_truth": mean_psnr(images, evaluation.truth)}

    hooks = Hooks()
    if not parallel.rank():
        run = options.target, options.budget, options.job
        hooks = watching(field, *run, evaluation, evaluation.truth[0], timeline, measure)
    hooks.should_stop = stop
    outcome = train_images(
        field,
        scene.cameras,
        scene.images,
        options.budget.distill_config(options.job.seed),
        background=evaluation.background,
        hooks=hooks,
        state_path=state,
        resume=options.job.resume,
    )
    if outcome.interrupted:
        raise InterruptedRunError(stop.signum, state)
    return outcome
