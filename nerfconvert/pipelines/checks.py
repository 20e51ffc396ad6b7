"""What is refused before any work: inputs that are not there, outputs that cannot be.

Imports no torch: the command line calls these before it imports a pipeline, so that a mistake is
named at once; every pipeline calls its own again, for callers from Python.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ..adapters import TRAINABLE
from ..errors import OutputExistsError, UnsupportedError, UsageError
from ..files import remove_partial_folders
from ..formats import possible_formats
from ..options.groups import Job
from ..options.per_command import ConvertOptions, ExportOptions, TrainOptions
from ..options.showing import CompareOptions, RenderOptions, ViewOptions
from ..runtime import network
from ..runtime.crop_file import read_crop
from ..runtime.extras import require
from ..runtime.given import check_cameras, files_of_field, there
from ..runtime.outputs import (
    check_file,
    check_folder,
    check_holds,
    check_run,
    check_state,
    compared_files,
    comparing_path,
    files_of,
    frames_path,
    is_unaccounted,
    preview_path,
    receipt_path,
    refuse_inputs,
    report_path,
    state_path,
)
from ..students.presets import field_config
from ..students.sizes import check_max_size


def settled(options: ConvertOptions) -> ConvertOptions:
    """The options with an architecture: as asked, else the only one that files like OUT hold.

    Raises UsageError where there is a choice, UnsupportedError where there is none.
    """
    if options.to is not None:
        return options
    name, files = files_of(options.target, options.format)
    held = [architecture for architecture in files.writes if architecture in TRAINABLE]
    if not held:
        raise UnsupportedError(f"{options.target}: nothing can be converted to {name} files")
    if len(held) > 1:
        raise UsageError(
            f"{options.target}: {name} files hold {', '.join(held[:-1])} or {held[-1]}; choose one "
            "with --to"
        )
    size = None if options.max_size else options.size  # the options look at both once more
    return dataclasses.replace(options, to=held[0], size=size)


def check_convert(options: ConvertOptions) -> None:
    """Raises UsageError, UnsupportedError, FormatError, OutputExistsError."""
    options = settled(options)
    _check_student(options.to, options.size, options.max_size, options.settings)
    views = options.views
    inputs = _inputs([options.source], views.data, views.cameras, options.crop)
    beside = [receipt_path(options.target), *_beside(options.target, options.job)]
    beside += [report_path(options.target)] if options.report is True else []
    check_run(options.target, _may_replace(options), inputs, beside)
    check_state(options.target, options.job.overwrite or options.job.resume)
    if isinstance(options.report, Path):
        check_file(options.report, options.job.overwrite, inputs)
        if options.report.resolve() == options.target.resolve():
            raise UsageError(f"{options.report} is OUT itself; name another page with --report")
    check_holds(options.target, options.format, options.to)
    possible_formats(options.source)
    _check_views(views.data, views.cameras)
    check_cameras(views.cameras or views.data, "train")
    _check_crop(options.crop)


def check_export(options: ExportOptions) -> None:
    """Raises as `check_convert` does."""
    inputs = _inputs([options.source], options.crop)
    check_file(options.target, options.overwrite, inputs)
    _check_crop(options.crop)
    name, files = files_of(options.target, options.format)
    if not files.writes:
        raise UnsupportedError(f"{options.target}: {name} files can be read but not written")


def check_train(options: TrainOptions) -> None:
    """Raises as `check_convert` does."""
    _check_student(options.arch, options.size, options.max_size, options.settings)
    inputs = there(options.data)
    check_run(options.target, _may_replace(options), inputs, _beside(options.target, options.job))
    check_state(options.target, options.job.overwrite or options.job.resume)
    check_holds(options.target, options.format, options.arch)
    check_cameras(options.data, "test")
    check_cameras(options.data, "train", images=True)


def check_render(options: RenderOptions) -> None:
    """Raises as `check_convert` does."""
    inputs = there(options.checkpoint, options.cameras, options.crop)
    remove_partial_folders(frames_path(options.output))  # of a film that is there, too
    if options.output.suffix:
        check_file(options.output, options.overwrite, inputs)
    else:
        refuse_inputs(options.output, inputs)
        check_folder(options.output)
        if options.output.exists() and not options.overwrite:
            raise OutputExistsError(options.output)
    possible_formats(options.checkpoint)
    check_cameras(options.cameras, None)
    _check_crop(options.crop)


def check_compare(options: CompareOptions) -> None:
    """Raises as `check_convert` does."""
    inputs = _inputs(options.checkpoints, options.data, options.cameras)
    inputs += [options.data.parent] if options.data and options.data.is_file() else []
    check_folder(options.output)
    refuse_inputs(options.output, inputs)
    known = compared_files(options.output)
    unfinished = known and known[0].suffix != ".json" and comparing_path(options.output).exists()
    if known and not (options.overwrite or unfinished):
        raise OutputExistsError(known[0])
    for path in known:
        refuse_inputs(path, inputs)
    for path in options.checkpoints:
        possible_formats(path)
    _check_views(options.data, options.cameras)


def _may_replace(options: ConvertOptions | TrainOptions) -> bool:
    job = options.job
    return job.overwrite or (job.resume and is_unaccounted(options.target))


def check_view(options: ViewOptions) -> None:
    """Raises UsageError, FormatError, BackendError (viser is missing)."""
    there(*options.checkpoints, options.data, options.cameras)
    for path in options.checkpoints:
        possible_formats(path)
    check_cameras(options.data or options.cameras, None)
    if options.crop is not None and options.crop.exists():
        _check_crop(options.crop)
    require("viser", extra="view", of="view")
    network.check_port(options.host, options.port)


def _inputs(fields: Sequence[Path], *others: Path | None) -> list[Path]:
    """All files and folders that are read: of `fields` what a run's folder stands for, too. Raises
    FormatError for one that is not there."""
    return [*there(*fields, *others), *(file for path in fields for file in files_of_field(path))]


def _check_crop(path: Path | None) -> None:
    if path is not None:
        read_crop(path)


def _beside(target: Path, job: Job) -> list[Path]:
    """What a training leaves beside `target` while it goes on."""
    return [state_path(target), *([preview_path(target)] if job.preview else [])]


def _check_student(
    architecture: str, size: str, max_size: str | None, settings: Sequence[str]
) -> None:
    field_config(architecture, size, settings)
    check_max_size(architecture, max_size, settings)


def _check_views(data: Path | None, cameras: Path | None) -> None:
    """Raises FormatError where there are no views to measure on in `data`, else in `cameras`."""
    check_cameras(data or cameras, "test")
