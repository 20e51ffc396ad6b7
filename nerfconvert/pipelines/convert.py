"""convert: checkpoint -> field -> distiller -> field -> checkpoint, and the receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..adapters import ADAPTERS
from ..distiller import parallel
from ..distiller.config import DistillConfig
from ..distiller.distill import distill
from ..distiller.progress import Distilled, Progress
from ..distiller.recipes import RECIPES
from ..distiller.trainer import Hooks
from ..distiller.visibility_pruning import prune_unseen
from ..files import write_json, write_text
from ..formats import check_config, check_space, save
from ..formats.rounding import round_to_half
from ..metrics.evaluation import Evaluator, Pictures, held_out, teaching_cameras
from ..metrics.glance import initial_psnr
from ..metrics.image_metrics import mean_psnr
from ..metrics.timeline import OnProgress, Timeline
from ..options.per_command import ConvertOptions
from ..renderer.cameras import Cameras
from ..renderer.crop import crop_occupancy
from ..report.compared import Compared
from ..report.conversion_receipt import choices, findings, times
from ..report.gates import pass_gates
from ..report.page import conversion_page
from ..report.quality import curve_point
from ..report.receipt import describe_file, strict
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import as_read, open_crop, open_field, refuse_empty, warn_of_invalid
from ..runtime.outputs import (
    files_of,
    note_fresh_start,
    receipt_path,
    remove_unfinished,
    report_path,
    state_path,
)
from ..runtime.signals import InterruptedRunError, StopRequest, stop_on_signals
from ..students.planning import check_student, plan_student
from ..students.presets import field_config
from ..students.student_box import student_info
from ..volume import Aabb, Pace, RadianceField, TrainableField
from ..volume.nan_masked import NanMaskedField
from .checks import check_convert, settled
from .watching import stoppable, watching

SLOW = 1 << 18  # weights of a source whose networks take most of the time
PRUNE_SHARE = 0.1  # of N: what finding the places that cameras see may take


@with_backend
def convert(
    options: ConvertOptions, *, argv: Sequence[str] = (), on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """The receipt of a conversion; writes OUT, OUT.receipt.json and, where asked, a page.

    Started by `torchrun`, all processes train one student; only the first measures and writes, the
    others return {}.

    `argv` is recorded. Raises UsageError, FormatError, OutputExistsError, UnsupportedError,
    BackendError, InterruptedRunError (the state is saved), and QualityError after writing OUT.
    """
    started = time.perf_counter()
    options = settled(options)
    check_convert(options)
    note_fresh_start(options.target, options.job.resume)
    config = _config(options)
    timeline = Timeline(on_progress, config.seconds)
    timeline.phase("opening the source")
    device = parallel.start(pick_device(options.where.device))
    _check_target(options, device)
    source = _opened(options, device)
    load_s = time.perf_counter() - started
    teacher = source.field
    config = replace(config, active=options.samplers(slow=teacher.network_weights >= SLOW))
    evaluator = Evaluator(held_out(teacher, options.views, options.job.seed))
    views = len(evaluator.evaluation.cameras)
    heard = timeline.measures("measuring the source", views, views)
    before = None if parallel.rank() else evaluator.render(teacher, heard)
    refuse_empty(options.source, teacher)
    student, cameras, spent, outside = _prepared(options, teacher, config)
    task = teacher, student, cameras, config
    with stop_on_signals() as stop:
        outcome = _distilled(options, task, evaluator, before, timeline, spent, stop)
        if before is None:
            return {}
        heard = timeline.measures("measuring the target", views)
        watched = stoppable(heard, stop, state_path(options.target))
        after, precision = _measured(options, student, evaluator, watched)
    timeline.phase("writing")
    warn_of_invalid(options.source, teacher)
    save(student, options.target, options.format, overwrite=True)
    target = {**describe_file(options.target, student), "outside_box": outside}
    pictures = before, after
    page = report_path(options.target) if options.report is True else options.report or None
    asked = {"argv": list(argv), **choices(options, config.active, page)}
    made = {**source.told(), "target": target, "machine": machine(device), **precision}
    found = findings(options, target, evaluator, pictures, outcome)
    receipt = strict(asked | made | found | {"time": times(outcome, evaluator, started, load_s)})
    write_json(receipt_path(options.target), receipt)
    if page:
        names = [f"{side}, {receipt[side]['architecture']}" for side in ("source", "target")]
        shown = Compared(names, [side.images for side in pictures], evaluator.evaluation.truth)
        write_text(page, conversion_page(receipt, shown))
    remove_unfinished(options.target)
    pass_gates(receipt)
    return receipt


@dataclass(frozen=True)
class _Source:
    """The opened source, what its file was then, which may be gone at the end, and the part of it
    that is converted."""

    field: NanMaskedField
    file: dict[str, Any]
    crop: Aabb | None

    def told(self) -> dict[str, Any]:
        """Its entries in the receipt."""
        box = [self.crop.low, self.crop.high] if self.crop else None
        return {"source": {**self.file, "nan": self.field.counts()}, "crop": box}


def _opened(options: ConvertOptions, device: torch.device) -> _Source:
    """The source; refused where it is empty, or where OUT cannot hold what lies in its space."""
    seen_by = options.views.data or options.views.cameras
    teacher = NanMaskedField(open_field(options.source, device, seen_by))
    file = describe_file(options.source, teacher)
    refuse_empty(options.source, teacher)
    crop = open_crop(options.crop)
    if crop:
        crop_occupancy(teacher, crop)
    check_space(options.target, options.format, options.to, student_info(teacher))
    return _Source(teacher, file, crop)


def _config(options: ConvertOptions) -> DistillConfig:
    """The optimisation's own config, but for active learning, on which the source has a say."""
    shows = files_of(options.target, options.format, options.to)[1].shows
    return options.budget.distill_config(options.job.seed, empty=shows)


def _check_target(options: ConvertOptions, device: torch.device) -> None:
    """Refuses a student that is too large, or that OUT cannot hold."""
    asked = _asked(options)
    check_student(options.to, device, **asked)
    known = field_config(options.to, options.size, asked["settings"])
    check_config(options.target, options.format, options.to, known)


def _asked(options: ConvertOptions) -> dict[str, Any]:
    """What `options` say about the student."""
    return {
        "size": options.size,
        "max_size": options.max_size,
        "settings": (
            *files_of(options.target, options.format, options.to)[1].student,
            *options.settings,
        ),
        "memory_mb": options.budget.memory_mb,
        "sparse": RECIPES[options.recipe].sparse,
    }


def _prepared(
    options: ConvertOptions, teacher: RadianceField, config: DistillConfig
) -> tuple[TrainableField, Cameras, float, float]:
    """A student that knows nothing yet, the cameras to teach it by, the seconds of its budget that
    finding what these see took, and the share of that outside of its box; the occupancy of
    `teacher` shrinks to what they see."""
    limit = None if config.seconds is None else PRUNE_SHARE * config.seconds
    pace = Pace(limit)
    cameras = teaching_cameras(teacher, options.views, options.job.seed)
    seen = prune_unseen(teacher, cameras, options.job.seed, pace)
    parallel.same_everywhere(teacher.occupancy)
    info = student_info(teacher)
    chosen = plan_student(
        options.to,
        info,
        teacher.device,
        teacher=teacher,
        **_asked(options),
    )
    torch.manual_seed(options.job.seed)  # of its first weights
    student = ADAPTERS[options.to](chosen, info).to(teacher.device)
    return student, cameras, pace.spent, seen.outside(info.aabb)


def _distilled(
    options: ConvertOptions,
    task: tuple[RadianceField, TrainableField, Cameras, DistillConfig],
    evaluator: Evaluator,
    before: Pictures | None,
    timeline: Timeline,
    spent: float,
    stop: StopRequest,
) -> Distilled:
    """Trains the student of `task` in place; the account of it. `before` is None in processes that
    do not measure."""
    state, student, evaluation = state_path(options.target), task[1], evaluator.evaluation

    def measure(now: Progress) -> dict[str, float]:
        return curve_point(now, evaluator.render(student), before, evaluation)

    def probe() -> float:
        return initial_psnr(student, evaluation, before.images)

    hooks = Hooks()
    if before:
        run = options.target, options.budget, options.job
        hooks = watching(student, *run, evaluation, before.images[0], timeline, measure)
    hooks.should_stop = stop
    outcome = distill(
        *task,
        recipe=options.recipe,
        hooks=hooks,
        probe=probe if before else None,
        spent=spent,
        state_path=state,
        resume=options.job.resume,
    )
    if outcome.interrupted:
        raise InterruptedRunError(stop.signum, state)
    return outcome


def _measured(
    options: ConvertOptions,
    student: TrainableField,
    evaluator: Evaluator,
    heard: Callable[[int, float], None],
) -> tuple[Pictures, dict[str, Any]]:
    """The views of the target as its file is read, and what its precision costs; it is rounded
    where that was asked for."""
    file = options.target, options.format, options.views.data or options.views.cameras
    if options.precision == "full":
        return evaluator.render(as_read(student, *file), heard), {"precision": "full"}
    whole = evaluator.render(student, heard)
    round_to_half(student)
    after = evaluator.render(as_read(student, *file), heard)
    cost = mean_psnr(after.images, whole.images)
    return after, {"precision": "half", "psnr_half_vs_full": cost}
