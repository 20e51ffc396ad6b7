"""What a user may ask of each pipeline; of those that show fields: `showing.py`. The command line
is generated from these dataclasses.

Imports no torch, so that `--help` stays fast. `Annotated` carries what only the command line
needs; a caller from Python passes plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from ..adapters import ARCHITECTURES, SIZES, TRAINABLE
from ..distiller.recipes import DEFAULT, RECIPES, refuse
from ..distiller.samplers import SAMPLERS
from ..errors import UnknownNameError, UsageError
from ..students.sizes import one_size
from .groups import (
    Budget,
    Crop,
    Data,
    EvalViews,
    Format,
    Gates,
    Job,
    MaxSize,
    MayLack,
    Overwrite,
    Precision,
    Resolution,
    Settings,
    Size,
    StudentSize,
    TrainBackground,
    Views,
    Where,
    as_paths,
    at_least,
    optional,
    parse_corners,
    parse_resolution,
)

Recipe = Literal[tuple(RECIPES)]
NO_SAMPLERS, MEASURED = "none", "auto"  # of active learning
PAGE = ".html"


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    source: Positional[Annotated[Path, arg(metavar="IN", help="Checkpoint to convert.")]]
    target: Positional[Annotated[Path, arg(metavar="OUT", help="File to write (.safetensors).")]]
    to: Annotated[
        str | None,
        optional(
            metavar="ARCH",
            help=f"Architecture of OUT: {', '.join(TRAINABLE)}; see `formats`. Default: the one "
            "that files like OUT hold, where it is one.",
        ),
    ] = None
    size: StudentSize = None
    max_size: MaxSize = None
    settings: Settings = ()
    format: Format = None
    precision: Precision = "full"
    crop: Crop = None
    report: Annotated[
        bool | Path,
        MayLack(PAGE),
        optional(
            metavar=f"[PAGE{PAGE}]",
            help="Write a page as well: the receipt with pictures; default name: OUT.report.html.",
        ),
    ] = False
    recipe: Annotated[
        Recipe,
        arg(
            help="How to distil: fast is ours, pvd and pvd-al are published ones, pvd-al-paired is "
            "pvd-al with a defect mended."
        ),
    ] = DEFAULT
    active: Annotated[
        str,
        arg(
            metavar="NAMES",
            help="Active learning, of fast: cameras, rays and samples where OUT is worst; "
            f"{NO_SAMPLERS}, some of {','.join(SAMPLERS)}, or {MEASURED}: those that gained where "
            f"they were measured ({', '.join(n for n, a in ARCHITECTURES.items() if a.samplers)}, "
            f"not {SIZES[0]}; from large networks to "
            f"{', '.join(n for n, a in ARCHITECTURES.items() if a.samplers_of_slow)}, too).",
        ),
    ] = MEASURED
    budget: Budget = field(default_factory=Budget)
    views: Views = field(default_factory=Views)
    gates: Gates = field(default_factory=Gates)
    job: Job = field(default_factory=Job)
    where: Where = field(default_factory=Where)

    def __post_init__(self):
        as_paths(self, "source", "target")
        if not isinstance(self.report, bool):
            as_paths(self, "report")
            if self.report.suffix != PAGE:
                raise UsageError(f"--report must end in {PAGE}, got '{self.report}'")
        one_size(self.size, self.max_size)
        if self.size is None:
            object.__setattr__(self, "size", RECIPES[self.recipe].size)
        refuse(self.recipe, self.samplers())
        if self.crop is not None and self.views.data is not None:
            raise UsageError(
                "--crop takes a part of the scene, but photographs show all of it: give --cameras "
                "instead of --data"
            )
        if self.gates.max_drop is not None and self.views.data is None:
            raise UsageError("--max-drop compares with the truth: give --data as well")

    def samplers(self, slow: bool = False) -> tuple[str, ...]:
        """The samplers of `active`, in the order of the table; `slow`: whether the source is slow
        to ask. Raises UnknownNameError."""
        names, words = {name.strip() for name in self.active.split(",")}, {NO_SAMPLERS, MEASURED}
        for name in names - {*SAMPLERS, *words}:
            raise UnknownNameError(SAMPLERS.kind, name, (*SAMPLERS, NO_SAMPLERS, MEASURED))
        if names & words and len(names) > 1:
            raise UsageError(f"--active {self.active}: {min(names & words)} stands alone")
        measured = names == {MEASURED} and RECIPES[self.recipe].supports_active
        if measured and self.to in ARCHITECTURES:
            known = ARCHITECTURES[self.to]
            names = set(known.samplers if self.size != SIZES[0] else ())
            names |= set(known.samplers_of_slow if slow else ())
        return tuple(name for name in SAMPLERS if name in names)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    source: Positional[Annotated[Path, arg(metavar="IN", help="Checkpoint to export.")]]
    target: Positional[Annotated[Path, arg(metavar="OUT", help="File to write.")]]
    format: Format = None
    precision: Precision = "full"
    crop: Crop = None
    overwrite: Overwrite = False

    def __post_init__(self):
        as_paths(self, "source", "target")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    data: Positional[
        Annotated[Path, arg(metavar="DATA", help="Folder of cameras (as --data) and images.")]
    ]
    target: Positional[Annotated[Path, arg(metavar="OUT", help="File to write (.safetensors).")]]
    arch: Annotated[
        str, arg(metavar="ARCH", help=f"Architecture: {', '.join(TRAINABLE)}; see `formats`.")
    ]
    size: Size = "base"
    max_size: MaxSize = None
    settings: Settings = ()
    format: Format = None
    bounds: Annotated[
        str | None,
        optional(
            metavar="M|X,Y,Z,X,Y,Z",
            help="Box: half edge or two corners; default: of aabb_scale, else of the cameras.",
        ),
    ] = None
    train_resolution: Annotated[
        str | None,
        optional(metavar="WxH", help="Shrinks the photographs; default: as they are."),
    ] = None
    budget: Budget = field(default_factory=Budget)
    resolution: Resolution = None
    background: TrainBackground = None
    eval_views: EvalViews = 8
    job: Job = field(default_factory=Job)
    where: Where = field(default_factory=Where)

    def __post_init__(self):
        as_paths(self, "data", "target")
        one_size(self.size, self.max_size)
        at_least("--eval-views", self.eval_views, 1)
        parse_resolution(self.resolution)
        parse_resolution(self.train_resolution, "--train-resolution")
        if self.bounds is not None:
            parse_corners(self.bounds)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    config: Positional[
        Annotated[
            Path | None,
            optional(metavar="CONFIG", help="TOML of the benchmark; default: the one of DIR."),
        ]
    ] = None
    output: Annotated[
        Path, arg(aliases=("-o",), metavar="DIR", help="Folder for all files and the matrix.")
    ]
    data: Data = None
    executor: Annotated[
        Literal["local", "ray"],
        arg(
            help="local: here, one run after the other. ray: all at once on the Ray cluster of "
            "RAY_ADDRESS, else of this machine (`ray start --head`). There each run takes as many "
            "CPUs as it would have threads here (OMP_NUM_THREADS), files are sent there and back, "
            "a run whose worker is lost starts again, and seconds are those of the nodes."
        ),
    ] = "local"
    where: Where = field(default_factory=Where)
    overwrite: Annotated[
        bool, arg(aliases=("-w",), help="Run everything anew; default: only what is missing.")
    ] = False

    def __post_init__(self):
        as_paths(self, "output", *(["config"] if self.config else []))
