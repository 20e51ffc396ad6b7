"""train: a field from photographs; it makes teachers and the from-scratch baseline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import __version__
from ..adapters import ADAPTERS
from ..distiller import parallel
from ..distiller.descent import Hooks
from ..distiller.images import fit_images
from ..distiller.progress import Distilled, Progress
from ..errors import UsageError
from ..formats import save
from ..renderer.image import BACKGROUNDS
from ..renderer.scene import read_scene
from ..report.metrics import mean_psnr
from ..volume import Aabb, FieldInfo, RadianceField
from .accelerators import with_backend
from .convert import distill_config
from .evaluation import Album, from_data
from .files import check_holds, check_output, state_path
from .interrupt import InterruptedRunError, stop_on_signals
from .machine import machine, pick_device
from .option_groups import parse_resolution
from .options import TrainOptions
from .planning import plan_student
from .receipt import describe_file, stages, strict
from .students import field_config

HALF_EDGE = 1.5  # world units; holds every object of NeRF-Synthetic


@with_backend
def train(
    options: TrainOptions,
    *,
    argv: Sequence[str] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """The account of a training; writes OUT. Raises as `convert` does."""
    started = time.perf_counter()
    field_config(options.arch, options.size, options.settings)  # a wrong one is named at once
    check_output(options.target, options.job.overwrite)
    check_holds(options.target, options.format, options.arch)
    device = parallel.start(pick_device(options.where.device))
    choice = options.background or "white"
    album = Album(
        from_data(options.data, options.resolution, options.eval_views, BACKGROUNDS[choice])
    )
    info = FieldInfo(aabb=parse_bounds(options.bounds), background=choice)
    config = plan_student(options.arch, options, info, device)
    torch.manual_seed(options.job.seed)
    field = ADAPTERS[options.arch](config, info).to(device)
    outcome = _fitted(options, field, album, on_progress)
    if parallel.rank():
        return {}
    pictures = album.photograph(field)
    save(field, options.target, options.format, overwrite=True)
    state_path(options.target).unlink(missing_ok=True)
    return strict(
        {
            "schema": "nerfconvert.train/1",
            "version": __version__,
            "argv": list(argv),
            "seed": options.job.seed,
            **describe_file(options.target, field),
            "psnr_vs_truth": mean_psnr(pictures.images, album.evaluation.truth),
            "views": len(pictures.images),
            "resolution": album.evaluation.resolution,
            "seconds": outcome.seconds,
            "total_s": time.perf_counter() - started,
            "steps": outcome.steps,
            "stages": stages(outcome),
            "curve": outcome.curve,
            "seconds_per_frame": pictures.seconds_per_frame,
            "protocol": album.evaluation.protocol,
            "machine": machine(device),
        }
    )


def parse_bounds(text: str | None) -> Aabb:
    """The box of '1.5' (half edge about the origin) or 'x,y,z,x,y,z'. Raises UsageError."""
    try:
        numbers = [float(n) for n in text.split(",")] if text else [HALF_EDGE]
        if len(numbers) == 1:
            numbers = [-numbers[0]] * 3 + [numbers[0]] * 3
        return Aabb(tuple(numbers[:3]), tuple(numbers[3:]))
    except ValueError as error:
        raise UsageError(f"--bounds must be a half edge or two corners: {error}") from error


def _fitted(
    options: TrainOptions,
    field: RadianceField,
    album: Album,
    on_progress: Callable[[Progress], None] | None,
) -> Distilled:
    scene = read_scene(
        options.data,
        split="train",
        resolution=parse_resolution(options.train_resolution),
        background=album.evaluation.background,
    )
    state = state_path(options.target)

    def measure(seconds: float) -> dict[str, float]:
        images = album.photograph(field).images
        return {"seconds": seconds, "psnr_vs_truth": mean_psnr(images, album.evaluation.truth)}

    with stop_on_signals() as stop:
        outcome = fit_images(
            field,
            scene.cameras,
            scene.images,
            distill_config(options.budget, options.job),
            background=album.evaluation.background,
            hooks=Hooks(
                on_progress=on_progress,
                should_stop=stop,
                checkpoints=() if parallel.rank() else options.budget.checkpoints(),
                on_checkpoint=measure,
            ),
            state_path=state,
            resume=options.job.resume,
        )
    if outcome.interrupted:
        raise InterruptedRunError(stop.signum, state)
    return outcome
