"""convert: checkpoint -> field -> distiller -> field -> checkpoint, and the receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import __version__
from ..adapters import ADAPTERS
from ..distiller import parallel
from ..distiller.distill import distill
from ..distiller.progress import Distilled, Progress
from ..distiller.recipes import RECIPES
from ..distiller.trainer import Hooks
from ..distiller.visibility_pruning import prune_unseen
from ..errors import UsageError
from ..files import write_json
from ..formats import save
from ..metrics.evaluation import Evaluator, Pictures, held_out, teaching_cameras
from ..metrics.image_metrics import mean_psnr
from ..options.per_command import ConvertOptions
from ..renderer.cameras import Cameras
from ..report.quality import check_gates, curve_point, quality, render_speed
from ..report.receipt import describe_file, stages, strict
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import open_field, refuse_empty, warn_of_invalid
from ..runtime.outputs import check_holds, check_output, receipt_path, state_path
from ..runtime.signals import InterruptedRunError, stop_on_signals
from ..students.planning import plan_student
from ..students.presets import field_config, student_info
from ..volume import RadianceField, TrainableField
from ..volume.nan_masked import NanMaskedField

SCHEMA = "nerfconvert.receipt/1"
OnProgress = Callable[[Progress], None]


@with_backend
def convert(
    options: ConvertOptions, *, argv: Sequence[str] = (), on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """The receipt of a conversion; writes OUT and OUT.receipt.json.

    Started by `torchrun`, all processes train one student; only the first measures and writes, the
    others return {}.

    `argv` is recorded. Raises UsageError, FormatError, OutputExistsError, UnsupportedError,
    BackendError, InterruptedRunError (the state is saved), and QualityError after writing OUT.
    """
    started = time.perf_counter()
    _check(options)
    device = parallel.start(pick_device(options.where.device))
    teacher = NanMaskedField(open_field(options.source, device))
    refuse_empty(options.source, teacher)
    load_s = time.perf_counter() - started
    evaluator = Evaluator(held_out(teacher, options.views, options.job.seed))
    before = None if parallel.rank() else evaluator.render(teacher)
    refuse_empty(options.source, teacher)
    cameras = teaching_cameras(teacher, options.views, options.job.seed)
    prune_unseen(teacher, cameras, options.job.seed)
    parallel.same_everywhere(teacher.occupancy)
    student = _new_student(options, teacher)
    outcome = _distilled(options, teacher, student, cameras, evaluator, before, on_progress)
    if before is None:
        return {}
    after = evaluator.render(student)
    warn_of_invalid(options.source, teacher)
    save(student, options.target, options.format, overwrite=True)
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "argv": list(argv),
        "seed": options.job.seed,
        "recipe": options.recipe,
        "active": ",".join(options.samplers()) or "none",
        "source": {**describe_file(options.source, teacher), "nan": teacher.counts()},
        "target": describe_file(options.target, student),
        "quality": quality(evaluator.evaluation, before, after, outcome.psnr_initial),
        "time": {**_time(outcome, evaluator, started), "load_s": load_s},
        "stages": stages(outcome),
        "curve": outcome.curve,
        "render": render_speed(before, after),
        "protocol": evaluator.evaluation.protocol,
        "machine": machine(device),
    }
    receipt = strict(document)
    write_json(receipt_path(options.target), receipt)
    state_path(options.target).unlink(missing_ok=True)
    check_gates(options.gates, receipt)
    return receipt


def _check(options: ConvertOptions) -> None:
    """Refuses, before any work, what cannot end well."""
    if options.gates.max_drop is not None and options.views.data is None:
        raise UsageError("--max-drop compares with the truth: give --data DIR as well")
    field_config(options.to, options.size, options.settings)  # a wrong one is named at once
    check_output(options.target, options.job.overwrite)
    check_holds(options.target, options.format, options.to)


def _new_student(options: ConvertOptions, teacher: RadianceField) -> TrainableField:
    """A student as it is before it knows anything, on the teacher's device."""
    info = student_info(teacher)
    config = plan_student(
        options.to,
        info,
        teacher.device,
        size=options.size,
        max_size=options.max_size,
        settings=options.settings,
        memory_mb=options.budget.memory_mb,
        sparse=RECIPES[options.recipe].sparse,
        teacher=teacher,
    )
    torch.manual_seed(options.job.seed)  # of its first weights
    return ADAPTERS[options.to](config, info).to(teacher.device)


def _distilled(
    options: ConvertOptions,
    teacher: RadianceField,
    student: TrainableField,
    cameras: Cameras,
    evaluator: Evaluator,
    before: Pictures | None,
    on_progress: OnProgress | None,
) -> Distilled:
    """Trains `student` in place; the account of it."""
    state = state_path(options.target)

    def measure(seconds: float) -> dict[str, float]:
        return curve_point(seconds, evaluator.render(student), before, evaluator.evaluation)

    def probe() -> float:
        return mean_psnr(evaluator.render(student).images, before.images)

    with stop_on_signals() as stop:
        outcome = distill(
            teacher,
            student,
            cameras,
            options.budget.distill_config(options.job.seed, options.samplers()),
            recipe=options.recipe,
            hooks=Hooks(
                on_progress=on_progress,
                should_stop=stop,
                checkpoints=options.budget.checkpoints() if before else (),
                on_checkpoint=measure,
            ),
            probe=probe if before else None,
            state_path=state,
            resume=options.job.resume,
        )
    if outcome.interrupted:
        raise InterruptedRunError(stop.signum, state)
    return outcome


def _time(outcome: Distilled, evaluator: Evaluator, started: float) -> dict[str, float]:
    return {
        "total_s": time.perf_counter() - started,
        "initialise_s": outcome.initialise_s,
        "distill_s": outcome.seconds,
        "evaluate_s": evaluator.seconds,
        "steps": outcome.steps,
        "rays": outcome.rays,
        "samples": outcome.samples,
    }
