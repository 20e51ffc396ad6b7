"""What a benchmark is asked: its config and its photographs, all looked at before any work.

Imports no torch, so that the command line can call it first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import FormatError, UsageError
from ..options.per_command import BenchOptions
from ..runtime.given import check_cameras
from ..runtime.outputs import check_folder
from .benchmark import BenchConfig
from .config_toml import read_bench_config
from .executors import EXECUTORS


def asked_benchmark(options: BenchOptions) -> tuple[Path, BenchConfig]:
    """The config's path, and the benchmark on the photographs that `options` name.

    Raises UsageError, FormatError, BackendError (ray is missing).
    """
    EXECUTORS[options.executor].require()
    check_folder(options.output)
    path, data = _paths(options)
    config = read_bench_config(path)
    if data is not None:
        config = config.with_data(data)
    check_cameras(config.data, "test")
    return path, config


def _paths(options: BenchOptions) -> tuple[Path, Path | None]:
    """Paths of config and data (None: as the config says); without a config, those of the benchmark
    in the output folder."""
    if options.config is not None:
        return options.config, options.data
    matrix = options.output / "matrix.json"
    if not matrix.is_file():
        raise UsageError(
            f"{options.output} holds no benchmark to go on with: name one, as in "
            f"nerfconvert bench CONFIG.toml -o {options.output}"
        )
    try:
        known = json.loads(matrix.read_text(encoding="utf-8"))
        data = options.output / known["data"] if known["data"] else None
        config = Path(os.path.relpath(options.output / known["config"]))
    except (ValueError, KeyError, TypeError) as problem:
        raise FormatError(matrix, f"it is not a benchmark's: {problem!r}") from problem
    return config, options.data or data
