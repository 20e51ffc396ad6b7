"""Definition of a benchmark: teachers, targets, budgets, data, all checked before the first run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..distiller.recipes import DEFAULT, RECIPES
from ..errors import UnknownNameError, UsageError
from ..options.groups import DEFAULT_SECONDS, parse_resolution
from ..students.presets import field_config

Budgets = dict[str, float]  # by architecture; "default" for all others


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A field that is converted: a file, or the result of converting that file first."""

    name: str
    path: Path
    to: str | None = None
    size: str = "base"
    set: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None  # budget to make it; default as of a cell of that architecture

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path))
        check_name("teacher", self.name)
        if self.to is not None:
            field_config(self.to, self.size, as_settings(self.set))


@dataclass(frozen=True, kw_only=True)
class Target:
    """An architecture with its size: what teachers are converted to."""

    arch: str
    size: str | None = None  # None: that of the recipe, and base from scratch
    set: dict[str, Any] = field(default_factory=dict)
    name: str = ""  # default: the architecture

    def __post_init__(self):
        field_config(self.arch, self.size_for(DEFAULT), as_settings(self.set))
        object.__setattr__(self, "name", self.name or self.arch)
        check_name("target", self.name)

    def size_for(self, recipe: str) -> str:
        """Its size where `recipe` makes it."""
        return self.size or RECIPES[recipe].size


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """A whole benchmark; `config_toml` describes each key."""

    teachers: tuple[Teacher, ...]
    targets: tuple[Target, ...]
    seconds: Budgets | None = None
    steps: Budgets | None = None
    budgets: tuple[float, ...] = ()  # seconds: conversions and trainings at each, to equal quality
    seeds: tuple[int, ...] = ()  # of these; none: `seed` alone
    data: Path | None = None
    views: int = 8
    resolution: str | None = None
    background: str = "white"
    recipes: tuple[str, ...] = (DEFAULT,)
    pairs: tuple[tuple[str, str], ...] | None = None  # None: every teacher to every target
    curves: bool = False
    scratch: bool = False  # without data there is none, and the tables say so
    scratch_seconds: Budgets | None = None
    bounds: str | None = None
    seed: int = 0
    memory_mb: int = 1024

    def __post_init__(self):
        if sum(map(bool, (self.seconds, self.steps, self.budgets))) > 1:
            raise UsageError("give one of seconds, steps and budgets, not two")
        self._check_budgets()
        if not (self.teachers and self.targets and self.recipes):
            raise UsageError("a benchmark needs at least one teacher, one target and one recipe")
        for kind, entries in (("teachers", self.teachers), ("targets", self.targets)):
            names = [entry.name for entry in entries]
            if len(set(names)) < len(names):
                raise UsageError(f"{kind} must have different names, got {', '.join(names)}")
        for recipe in self.recipes:
            if recipe not in RECIPES:
                raise UnknownNameError("recipe", recipe, RECIPES)
        if self.background not in ("white", "black"):
            raise UsageError(f"background must be white or black, got '{self.background}'")
        parse_resolution(self.resolution, "resolution")
        self._check_pairs()
        for architecture in [t.arch for t in self.targets] + [t.to for t in self.teachers if t.to]:
            self.budget(architecture)

    def _check_budgets(self) -> None:
        """Raises UsageError unless `budgets` are different positive seconds, `seeds` different."""
        for name, values in (("budgets", self.budgets), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise UsageError(f"{name} must be different, got {list(values)}")
        for seconds in self.budgets:
            if not 0 < seconds < math.inf:
                raise UsageError(f"budgets must be positive seconds, got {seconds!r}")
        if self.seeds and not self.budgets:
            raise UsageError("seeds are those of budgets: give budgets as well, or one seed")

    def _check_pairs(self) -> None:
        """Raises UsageError unless `pairs` hold a teacher and a target each, and at least one."""
        if self.pairs == ():
            raise UsageError("pairs is empty: name a [teacher, target], or leave pairs out for all")
        names = [entry.name for entry in self.teachers], [entry.name for entry in self.targets]
        for pair in self.pairs or ():
            if len(pair) != 2:
                raise UsageError(f"pairs must be [teacher, target], got {list(pair)}")
            for kind, name, known in zip(("teacher", "target"), pair, names):
                if name not in known:
                    raise UnknownNameError(kind, name, known)

    def wants(self, teacher: Teacher, target: Target) -> bool:
        """Whether the matrix has a cell for the two."""
        return self.pairs is None or (teacher.name, target.name) in self.pairs

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds of runs at `budgets`; the cells of the matrix have `seed`."""
        return self.seeds or (self.seed,)

    @property
    def no_equal_quality(self) -> str | None:
        """Why seconds to equal quality are not measured; None where they are."""
        if not self.budgets:
            return "the benchmark does not ask for it (budgets = [30, 60, 120])"
        if self.data is None:
            return "no data: there are no photographs to train on or to compare with"
        return None

    @property
    def no_scratch(self) -> str | None:
        """Why nothing is trained from scratch; None where it is."""
        if self.data is None:
            return "no data: there are no photographs to train on or to compare with"
        return None if self.scratch else "the benchmark does not ask for it (scratch = true)"

    def with_data(self, data: Path) -> BenchConfig:
        """The same benchmark on other photographs."""
        return replace(self, data=data)

    def budget(self, architecture: str) -> tuple[str, float]:
        """("--seconds" or "--steps", how many) of a conversion to `architecture`."""
        if self.budgets:
            return "--seconds", max(self.budgets)
        if self.steps:
            return "--steps", of_architecture(self.steps, architecture, None)
        return "--seconds", of_architecture(self.seconds or {}, architecture, DEFAULT_SECONDS)

    def scratch_budget(self, architecture: str) -> tuple[str, float]:
        """The same for training `architecture` from scratch."""
        option, count = self.budget(architecture)
        own = of_architecture(self.scratch_seconds or {}, architecture, 0)
        return ("--seconds", own) if own else (option, count)


def as_settings(table: dict[str, Any]) -> tuple[str, ...]:
    """KEY=VALUE strings, as `--set` takes them."""
    return tuple(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in table.items()
    )


def of_architecture(budgets: Budgets, architecture: str, otherwise: float | None) -> float:
    """The budget of `architecture`, else the default one, else `otherwise`. Raises UsageError."""
    count = budgets.get(architecture, budgets.get("default", otherwise))
    if count is None:
        raise UsageError(f"there is neither a budget of {architecture} nor a default one")
    return count


def check_name(kind: str, name: str) -> None:
    """Raises UsageError unless `name` can be part of a file's name."""
    if not name or not all(c.isalnum() or c in "-_." for c in name):
        raise UsageError(f"name of a {kind} must be letters, digits, '-', '_', '.', got '{name}'")
