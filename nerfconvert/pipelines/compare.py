"""compare: fields -> renderer -> metrics, side-by-side video, heat maps, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import told_of
from ..files import write_json, write_text
from ..metrics.evaluation import Evaluation, Evaluator, Pictures, held_out
from ..metrics.image_metrics import psnr
from ..options.groups import Views, parse_resolution
from ..options.per_command import CompareOptions
from ..renderer.camera_paths import camera_path
from ..renderer.image import render_image
from ..renderer.panes import heat_map, pane, side_by_side, to_bytes
from ..renderer.video import write_image, write_video
from ..report.gates import gates, pass_gates
from ..report.likeness import against_field, against_truth, unknown, worst
from ..report.page import report_page
from ..report.receipt import describe_file, strict
from ..runtime.alone import alone_in
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import open_field
from ..volume import RadianceField
from .checks import check_compare

FPS = 24
FIRST_FIGURES = ("psnr", "ssim", "psnr_covered", "depth_error")


@with_backend
def compare(
    options: CompareOptions, *, on_frame: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """The `compare` document; writes compare.mp4, views/, report.html and compare.json.

    The first field is the reference of the others; with `data` all are measured against the
    truth as well. `on_frame` hears (video frames done, all). Raises UsageError, FormatError,
    OutputExistsError, BackendError, and QualityError after writing everything.
    """
    check_compare(options)
    folder = options.output
    device = pick_device(options.where.device)
    views = options.data or options.cameras
    fields = [open_field(path, device, views) for path in options.checkpoints]
    files = [describe_file(path, field) for path, field in zip(options.checkpoints, fields)]
    evaluator = Evaluator(held_out(fields[0], _views(options), options.seed))
    pictures = [evaluator.render(field) for field in fields]
    names = _titles(options.checkpoints, fields)
    with _cleared(folder):
        images = _write_views(folder, names, pictures, evaluator.evaluation)
        video = _write_video(options, fields, names, evaluator.evaluation.background, on_frame)
        rows = [
            _row(file, shot, pictures[0] if number else None, evaluator.evaluation)
            for number, (file, shot) in enumerate(zip(files, pictures, strict=True))
        ]
        document = {
            "schema": "nerfconvert.compare/1",
            "protocol": evaluator.evaluation.protocol,
            "machine": machine(device),
            "views": len(evaluator.evaluation.cameras),
            "resolution": evaluator.evaluation.resolution,
            "fields": rows,
            "gates": _judged(options, rows),
            "video": str(video) if video else None,
            "report": str(folder / "report.html"),
        }
        document = strict(document)
        write_text(folder / "report.html", report_page(document, images))
        write_json(folder / "compare.json", document)
    pass_gates(document)
    return document


@contextlib.contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """While open, `folder` is this process's alone, without the comparison that it held: one that
    has no compare.json is not finished. Raises UsageError, NerfConvertError."""
    with told_of(folder):
        (folder / "views").mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        with told_of(folder):
            for name in ("compare.json", "report.html", "compare.mp4"):
                (folder / name).unlink(missing_ok=True)
            for view in (folder / "views").glob("[0-9]*.png"):
                view.unlink()
        yield


def _views(options: CompareOptions) -> Views:
    return Views(
        data=options.data,
        cameras=options.cameras,
        frame=options.frame,
        resolution=options.resolution,
        background=options.background,
        eval_views=options.eval_views,
    )


def _titles(paths: tuple[Path, ...], fields: list[RadianceField]) -> list[str]:
    """What each pane is called: the architecture, with the file's name where that is unclear."""
    names = [field.architecture for field in fields]
    if len(set(names)) < len(names):
        names = [f"{path.stem} ({name})" for path, name in zip(paths, names, strict=True)]
    return names


def _row(
    file: dict[str, Any], shot: Pictures, first: Pictures | None, evaluation: Evaluation
) -> dict[str, Any]:
    """One entry of `fields`; `first` is None for the first field itself."""
    views, like_truth = against_truth("vs_truth", shot, evaluation)
    if first is None:
        like_first = unknown([f"{key}_vs_first" for key in FIRST_FIGURES], "this is the first")
    else:
        beside_first, like_first = against_field("vs_first", shot, first, evaluation)
        views = views or beside_first
    speed = {"seconds_per_frame": shot.seconds_per_frame}
    shown = {"worst_view": worst(views), "per_view": views}
    return {**file, **speed, **like_truth, **like_first, **shown}


def _judged(options: CompareOptions, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The `gates` of the document: of every field but the first, of one alone of that."""
    judged = []
    for row in rows[1:] or rows:
        found = {
            "min_psnr": row["psnr_vs_first"] if rows[1:] else row["psnr_vs_truth"],
            "max_size": row["bytes"],
            "max_seconds_per_frame": row["seconds_per_frame"],
        }
        if options.gates.max_drop is not None:
            found["max_drop"] = rows[0]["psnr_vs_truth"] - row["psnr_vs_truth"]
        entries = gates(options.gates, options.max_size, found)
        judged += [{"path": row["path"], **entry} for entry in entries]
    return judged


def _write_views(
    folder: Path, names: list[str], pictures: list[Pictures], evaluation: Evaluation
) -> list[str]:
    """One PNG a held-out view: truth, every field, and heat maps; returns paths in the folder."""
    reference = pictures[0].images if evaluation.truth is None else evaluation.truth
    written = []
    for view, truth in enumerate(reference):
        row = [] if evaluation.truth is None else [pane(to_bytes(truth), "truth")]
        for name, shot in zip(names, pictures, strict=True):
            image = shot.images[view]
            same = shot is pictures[0] and evaluation.truth is None
            note = "reference" if same else f"{psnr(image, truth):.2f} dB"
            row.append(pane(to_bytes(image), name, note))
        row += [
            pane(heat_map(shot.images[view], truth), f"error {name}")
            for name, shot in zip(names, pictures, strict=True)
            if shot is not pictures[0] or evaluation.truth is not None
        ]
        written.append(f"views/{view:03d}.png")
        write_image(folder / written[-1], side_by_side(row))
    return written


def _write_video(
    options: CompareOptions,
    fields: list[RadianceField],
    names: list[str],
    background: float,
    on_frame: Callable[[int, int], None] | None,
) -> Path | None:
    if not options.frames:
        return None
    size = parse_resolution(options.resolution)
    cameras = camera_path(fields[0], options.cameras, options.frames, size, options.frame)

    def frames() -> Iterator[np.ndarray]:
        for view in range(len(cameras)):
            shots = [render_image(f, cameras, view, background=background).cpu() for f in fields]
            yield _video_frame(names, shots)
            if on_frame:
                on_frame(view + 1, len(cameras))

    path = options.output / "compare.mp4"
    write_video(path, frames(), fps=FPS)
    return path


def _video_frame(names: list[str], shots: list[torch.Tensor]) -> np.ndarray:
    panes = [pane(to_bytes(shots[0]), names[0])]
    for name, shot in zip(names[1:], shots[1:], strict=True):
        panes.append(pane(to_bytes(shot), name, f"{psnr(shot, shots[0]):.2f} dB"))
        panes.append(pane(heat_map(shot, shots[0]), f"error {name}"))
    return side_by_side(panes)
