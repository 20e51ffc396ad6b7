"""The TOML file of a benchmark: teachers, targets, budgets, data.

    data = "lego"                     # optional: truth, cameras, from-scratch training
    views = 8                         # held-out views that are measured
    resolution = "200x200"
    background = "white"              # of all images
    recipes = ["fast"]
    pairs = [["lego-mlp", "hashgrid"]]  # optional: these cells only
    curves = true                     # PSNR over time of conversions by our recipe
    scratch = true                    # train every target on the images as well (needs data)
    bounds = "1.2"                    # box of the from-scratch fields, as of `train --bounds`
    seed = 0
    memory_mb = 1024                  # of a source's answers, in each run
    budgets = [30, 60, 120, 300]      # in place of seconds: conversions and trainings (needs data)
    seeds = [0, 1, 2]                 # with each of these, for the table of equal quality

    [seconds]                         # of a conversion, by target architecture; or [steps]
    default = 180
    mlp = 600

    [scratch_seconds]                 # of training from scratch; default: as long as a conversion
    mlp = 1200

    [[teachers]]
    name = "lego-mlp"
    path = "lego.ppng"
    to = "mlp"                        # optional: the teacher is PATH converted to this first,
    size = "base"                     # with `size`, `set` and `seconds`

    [[targets]]
    arch = "hashgrid"
    size = "base"                     # default: base, pvd with the published recipes
    set = { log2_table_size = 17 }
    name = "hashgrid-17"              # default: the architecture

Paths are relative to the file. A number in place of [seconds], [steps] or [scratch_seconds]
applies to all architectures.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ..distiller.recipes import DEFAULT
from ..errors import FormatError, UnknownNameError, UsageError
from ..files import tomllib
from .benchmark import BenchConfig, Budgets, Target, Teacher

KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("data", "resolution", "background", "bounds", "name", "path", "to", "arch", "size"), (str,)
    ),
    **dict.fromkeys(("views", "seed", "memory_mb"), (int,)),
    **dict.fromkeys(("teachers", "targets", "recipes", "pairs", "budgets", "seeds"), (list,)),
    **dict.fromkeys(("seconds", "steps", "scratch_seconds"), (int, float, dict)),
    **dict.fromkeys(("scratch", "curves"), (bool,)),
    "set": (dict,),
}


def read_bench_config(path: Path) -> BenchConfig:
    """The benchmark in `path`. Raises FormatError for a file that is not TOML, UsageError for
    invalid content."""
    if not path.is_file():
        raise FormatError(path, "no such file: a benchmark is a TOML file with teachers, targets")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FormatError(path, f"not a TOML file: {error}") from error
    try:
        return _config(document, path.parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _config(document: dict[str, Any], folder: Path) -> BenchConfig:
    values = checked(BenchConfig, document, "the benchmark")
    for key in ("seconds", "steps", "scratch_seconds"):
        if key in values:
            values[key] = _budgets(key, values[key])
    for key, kinds in (("budgets", (int, float)), ("seeds", (int,))):
        values[key] = tuple(values.get(key, ()))
        if any(isinstance(v, bool) or not isinstance(v, kinds) for v in values[key]):
            raise UsageError(f"{key} must be numbers, got {list(values[key])}")
    if "data" in values:
        values["data"] = folder / values["data"]
    values["recipes"] = tuple(str(r) for r in values.get("recipes", (DEFAULT,)))
    if "pairs" in values:
        values["pairs"] = tuple(
            tuple(map(str, p)) if isinstance(p, list) else (str(p),) for p in values["pairs"]
        )
    values["targets"] = tuple(
        Target(**checked(Target, entry, "[[targets]]")) for entry in values["targets"]
    )
    teachers = [checked(Teacher, entry, "[[teachers]]") for entry in values["teachers"]]
    values["teachers"] = tuple(Teacher(**{**t, "path": folder / t["path"]}) for t in teachers)
    return BenchConfig(**values)


def checked(kind: type, table: Any, where: str) -> dict[str, Any]:
    """`table`, copied, if keys and types are those of the dataclass `kind`. Raises UsageError."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table, got {table!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            raise UnknownNameError(f"key of {where}", key, fields)
        wanted = KINDS[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            names = " or ".join(k.__name__ for k in wanted)
            raise UsageError(f"{key} of {where} must be {names}, got {value!r}")
    for name, entry in fields.items():
        needed = entry.default is entry.default_factory is dataclasses.MISSING
        if needed and name not in table:
            raise UsageError(f"{where} needs the key '{name}'")
    return dict(table)


def _budgets(key: str, value: float | dict[str, Any]) -> Budgets:
    table = value if isinstance(value, dict) else {"default": value}
    for name, count in table.items():
        number = isinstance(count, int | float) and not isinstance(count, bool)
        if not number or not 0 < count < float("inf"):
            raise UsageError(f"{key} of {name} must be a positive number, got {count!r}")
    return table
