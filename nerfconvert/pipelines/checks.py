"""What is refused before any work: inputs that are not there, outputs that cannot be.

Imports no torch: the command line calls these before it imports a pipeline, so that a mistake is
named at once; every pipeline calls its own again, for callers from Python.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import FormatError, OutputExistsError
from ..options.groups import Job
from ..options.per_command import (
    BenchOptions,
    CompareOptions,
    ConvertOptions,
    RenderOptions,
    TrainOptions,
)
from ..runtime.outputs import (
    check_file,
    check_folder,
    check_holds,
    check_run,
    preview_path,
    receipt_path,
    refuse_inputs,
    state_path,
)
from ..students.presets import field_config
from ..students.sizes import check_max_size


def check_convert(options: ConvertOptions) -> None:
    """Raises UsageError, UnsupportedError, FormatError, OutputExistsError."""
    _check_student(options.to, options.size, options.max_size, options.settings)
    inputs = _there(options.source, options.views.data, options.views.cameras)
    beside = [receipt_path(options.target), *_beside(options.target, options.job)]
    check_run(options.target, options.job.overwrite, inputs, beside)
    check_holds(options.target, options.format, options.to)


def check_train(options: TrainOptions) -> None:
    """Raises as `check_convert` does."""
    _check_student(options.arch, options.size, options.max_size, options.settings)
    inputs = _there(options.data)
    check_run(options.target, options.job.overwrite, inputs, _beside(options.target, options.job))
    check_holds(options.target, options.format, options.arch)


def check_render(options: RenderOptions) -> None:
    """Raises as `check_convert` does."""
    inputs = _there(options.checkpoint, options.cameras)
    if options.output.suffix:
        check_file(options.output, options.overwrite, inputs)
        return
    refuse_inputs(options.output, inputs)
    check_folder(options.output)
    if options.output.exists() and not options.overwrite:
        raise OutputExistsError(options.output)


def check_compare(options: CompareOptions) -> None:
    """Raises as `check_convert` does."""
    _there(*options.checkpoints, options.data, options.cameras)
    check_folder(options.output)
    if (options.output / "compare.json").exists() and not options.overwrite:
        raise OutputExistsError(options.output / "compare.json")


def check_bench(options: BenchOptions) -> None:
    """Raises as `check_convert` does."""
    _there(options.config, options.data)
    check_folder(options.output)


def _beside(target: Path, job: Job) -> list[Path]:
    """What a training leaves beside `target` while it goes on."""
    return [state_path(target), *([preview_path(target)] if job.preview else [])]


def _check_student(
    architecture: str, size: str, max_size: str | None, settings: Sequence[str]
) -> None:
    field_config(architecture, size, settings)
    check_max_size(architecture, max_size, settings)


def _there(*paths: Path | None) -> Iterable[Path]:
    """The paths that were given. Raises FormatError for one where nothing is."""
    given = [path for path in paths if path is not None]
    for path in given:
        if not os.path.exists(path):
            raise FormatError(path, "no such file or folder")
    return given
