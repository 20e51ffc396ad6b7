"""The runs of a benchmark: the title, command line and files of each.

The name of a run's files holds a digest of everything that decides its result, so an existing file
is that very result, and a saved state resumes the same run.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..distiller.recipes import DEFAULT
from ..files import sha256
from ..options.groups import Where
from ..runtime.given import checkpoint_of, files_of_field
from ..runtime.outputs import receipt_path, state_path
from .benchmark import BenchConfig, Target, Teacher, as_settings
from .cells import Cell

TEACHER_SEED = 1000  # added for teachers: a student must not start from its teacher's first weights
CURVE = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 1 / 3, 1 / 2, 3 / 4)  # of the budget
KNOWN = 1 / 8  # by then training has found empty space; before, large networks take hours to render


@dataclass(frozen=True)
class Run:
    """One child process: `nerfconvert ARGV`, started in the benchmark's folder."""

    title: str
    argv: tuple[str, ...]
    target: Path  # what it writes
    account: Path  # the JSON document with its figures
    prints: bool = False  # the account is what the command prints, not a file that it writes
    reads: tuple[Path, ...] = ()  # files, and folders with all that is in them

    def finished(self) -> bool:
        """Whether all its files are there: a conversion's saved state goes when the last is."""
        ended = not state_path(self.target).exists()
        return ended and self.target.is_file() and self.account.is_file()

    def document(self) -> dict[str, Any]:
        return json.loads(self.account.read_text(encoding="utf-8"))

    def flags(self) -> list[str]:
        """Extra arguments: JSON instead of tables, the report of a conversion, resuming a saved
        state, overwriting what a crash left behind."""
        report = ["--report"] if self.argv[0] == "convert" else []
        resume = ["--resume"] if state_path(self.target).exists() else []
        return ["--json", *report, *resume, *(["--overwrite"] if self.target.exists() else [])]

    def moved(self, folder: Path, there: Path) -> Run:
        """The same run where the benchmark's `folder` is `there`; what it reads moves along."""
        target, account = (there / path.relative_to(folder) for path in (self.target, self.account))
        return replace(self, target=target, account=account)

    def forget(self) -> None:
        """Removes the files of the run."""
        for path in (self.target, self.account, state_path(self.target)):
            path.unlink(missing_ok=True)


def teacher_run(config: BenchConfig, teacher: Teacher, folder: Path, where: Where) -> Run:
    """The conversion that makes a teacher which is not a file yet."""
    option, count = config.budget(teacher.to)
    if teacher.seconds:
        option, count = "--seconds", teacher.seconds
    asked = [
        "--to", teacher.to, "--size", teacher.size, *_set(teacher.set), option, f"{count:g}",
        "--memory-mb", str(config.memory_mb), *_views(config, folder),
        "--seed", str(config.seed + TEACHER_SEED), *_where(where),
    ]  # fmt: skip
    title, name = f"teacher {teacher.name}", f"teachers/{teacher.name}"
    return _conversion(title, folder, name, teacher.path, asked, config)


def cell_run(config: BenchConfig, cell: Cell, source: Path, folder: Path, where: Where) -> Run:
    """The conversion of one cell; `source` is the teacher's file. OSError where it is missing."""
    target = cell.target
    option, count = config.budget(target.arch)
    asked = [
        "--to", target.arch, "--size", target.size_for(cell.recipe), *_set(target.set),
        "--recipe", cell.recipe, option, f"{count:g}",
        "--memory-mb", str(config.memory_mb), *_views(config, folder),
        "--seed", str(config.seed), *_where(where),
    ]  # fmt: skip
    if config.curves:
        asked += _curve(option, count)
    name = f"cells/{cell.teacher.name}-to-{target.name}-{cell.recipe}"
    return _conversion(cell.title, folder, name, source, asked, config)


def scratch_run(
    config: BenchConfig, target: Target, folder: Path, where: Where, *, curve: bool = True
) -> Run:
    """The training of one target on the images, measured on its way too where `curve` says so."""
    option, count = config.scratch_budget(target.arch)
    asked = [
        "--arch", target.arch, "--size", target.size_for(DEFAULT), *_set(target.set),
        option, f"{count:g}",
        "--eval-views", str(config.views), "--background", config.background,
        "--seed", str(config.seed), *_where(where),
    ]  # fmt: skip
    asked += _curve(option, count, KNOWN) if curve else []
    for name in ("resolution", "bounds"):
        if getattr(config, name) is not None:
            asked += [f"--{name}", getattr(config, name)]
    data = os.path.relpath(config.data, folder)
    path = f"scratch/{target.name}-{_digest(['train', data, *asked])}.safetensors"
    argv = ("train", data, path, *asked)
    account = folder / f"{path}.json"
    title = f"{target.name} from scratch"
    return Run(title, argv, folder / path, account, prints=True, reads=(config.data,))


def comparison_run(
    config: BenchConfig, scratch: Path, teachers: list[Path], folder: Path, where: Where
) -> Run:
    """The comparison of a field from scratch with every teacher; PSNR is symmetric."""
    paths = [os.path.relpath(path, folder) for path in (scratch, *teachers)]
    asked = ["--frames", "0", *_views(config, folder), *_where(where)]
    name = f"compared/{scratch.stem}-{_digest(['compare', *paths, *asked])}"
    argv = ("compare", *paths, "-o", name, *asked)
    account = folder / name / "compare.json"
    title, reads = f"{scratch.stem} beside the teachers", _reads(config, scratch, *teachers)
    return Run(title, argv, account, account, reads=reads)


def _conversion(
    title: str, folder: Path, name: str, source: Path, asked: list[str], config: BenchConfig
) -> Run:
    path = f"{name}-{_digest(['convert', sha256(checkpoint_of(source)), *asked])}.safetensors"
    argv = ("convert", os.path.relpath(source, folder), path, *asked)
    reads = _reads(config, source)
    return Run(title, argv, folder / path, receipt_path(folder / path), reads=reads)


def _reads(config: BenchConfig, *fields: Path) -> tuple[Path, ...]:
    files = [file for path in fields for file in files_of_field(path)]
    return (*files, *([config.data] if config.data else []))


def _curve(option: str, count: float, first: float = 0.0) -> list[str]:
    """Arguments for evaluations during a run; none for budgets in steps, which have no clock."""
    if option != "--seconds":
        return []
    return ["--eval-at", ",".join(f"{part * count:g}" for part in CURVE if part >= first)]


def _views(config: BenchConfig, folder: Path) -> list[str]:
    words = ["--eval-views", str(config.views), "--background", config.background]
    if config.resolution is not None:
        words += ["--resolution", config.resolution]
    if config.data is not None:
        words += ["--data", os.path.relpath(config.data, folder)]
    return words


def _where(where: Where) -> list[str]:
    """Arguments of device and backend; native is left out, as in digests of earlier benchmarks."""
    words = ["--device", where.device]
    return words if where.backend == "native" else [*words, "--backend", where.backend]


def _set(table: dict[str, Any]) -> list[str]:
    return [word for setting in as_settings(table) for word in ("--set", setting)]


def _digest(words: list[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
