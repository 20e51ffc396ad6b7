"""What a user may ask of each pipeline. The command line is generated from these dataclasses.

Imports no torch, so that `--help` stays fast. `Annotated` carries what only the command line
needs; a caller from Python passes plain values.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from tyro.conf import Positional, UseAppendAction, arg

from ..distiller.config import LEVELS
from ..errors import UnknownNameError, UsageError
from .sizes import PARAMETERS, SIZES, one_size, parameters_help

DEFAULT_SECONDS = 120.0
Recipe = Literal["fast", "pvd", "pvd-al"]
NO_LEVELS = "none"  # of active learning
RECIPES = get_args(Recipe)
optional = functools.partial(arg, help_behavior_hint="")  # the help text says what None means
Overwrite = Annotated[bool, arg(aliases=("-w",), help="Replace an output that is there.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], arg(help="Where to compute; auto takes CUDA where it works.")
]
Backend = Annotated[
    Literal["native", "half", "tcnn", "nerfacc"],
    arg(
        help="Kernels: ours; on CUDA also ours with hash tables in half precision, or what an "
        "installed tiny-cuda-nn or nerfacc has of them."
    ),
]
Data = Annotated[
    Path | None,
    optional(metavar="DIR", help="Folder or file with transforms*.json and images: ground truth."),
]
Resolution = Annotated[
    str | None,
    optional(metavar="WxH", help="Size of evaluated images, pixels; default: at most 200x200."),
]
Background = Annotated[
    Literal["white", "black"] | None,
    optional(help="What rays end on; default: as the source program."),
]
DistillBackground = Annotated[
    Literal["white", "black", "random"] | None,
    optional(help="What figures are measured on; rays always learn on random ones."),
]
CameraFile = Annotated[
    Path | None,
    optional(metavar="FILE", help="Any transforms.json; its images are not needed."),
]
EvalViews = Annotated[int, arg(metavar="N", help="Held-out views that are rendered and measured.")]
Settings = Annotated[
    UseAppendAction[tuple[str, ...]],
    arg(name="set", metavar="KEY=VALUE", help="A number of the architecture, e.g. width=128."),
]
Size = Annotated[
    str,
    arg(
        metavar="PRESET",
        help=f"Size of the architecture: {', '.join(SIZES)}. Parameters: {parameters_help()}.",
    ),
]
MaxSize = Annotated[
    str | None,
    optional(metavar="BYTES", help="Instead of --size: the largest whose file fits, e.g. 5MB."),
]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much work goes into the field."""

    seconds: Annotated[
        float | None,
        optional(metavar="N", help="Wall clock of the optimisation, s; default 120."),
    ] = None
    steps: Annotated[
        int | None, optional(metavar="N", help="Gradient steps; the same result on every machine.")
    ] = None
    memory_mb: Annotated[
        int, arg(metavar="N", help="Memory for samples of the source field, MB.")
    ] = 1024
    eval_at: Annotated[
        str,
        optional(metavar="S,S,..", help="Measure at these seconds, clock stopped."),
    ] = ""

    def __post_init__(self):
        at_least("--seconds", self.seconds, 0.001)
        at_least("--steps", self.steps, 1)
        at_least("--memory-mb", self.memory_mb, 16)

    def checkpoints(self) -> tuple[float, ...]:
        """The seconds of `eval_at`, ascending. Raises UsageError."""
        try:
            times = sorted(float(t) for t in self.eval_at.split(",") if t.strip())
        except ValueError as error:
            raise UsageError(
                f"--eval-at must be seconds like 60,120, got {self.eval_at}"
            ) from error
        if times and times[0] <= 0:
            raise UsageError(f"--eval-at must be positive seconds, got {self.eval_at}")
        return tuple(times)

    def limits(self) -> tuple[float | None, int | None]:
        """(seconds, steps), exactly one of them given. Raises UsageError."""
        if self.seconds is not None and self.steps is not None:
            raise UsageError("give --seconds or --steps, not both")
        if self.seconds is None and self.steps is None:
            return DEFAULT_SECONDS, None
        return self.seconds, self.steps


@dataclass(frozen=True, kw_only=True)
class Views:
    """Where the field is looked at from, and how it is measured."""

    data: Data = None
    cameras: CameraFile = None
    resolution: Resolution = None
    background: DistillBackground = None
    eval_views: EvalViews = 8

    def __post_init__(self):
        at_least("--eval-views", self.eval_views, 1)


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Fail with exit code 5 (OUT is still written) below a quality."""

    min_psnr: Annotated[
        float | None, optional(metavar="DB", help="Least PSNR of OUT against IN, dB.")
    ] = None
    max_drop: Annotated[
        float | None,
        optional(metavar="DB", help="Most PSNR lost against the truth, dB (needs --data)."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """How the run behaves."""

    seed: Annotated[int, arg(metavar="N", help="Seed of every random draw.")] = 0
    device: Device = "auto"
    backend: Backend = "native"
    resume: Annotated[bool, arg(help="Go on from OUT.state of an interrupted run.")] = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    source: Positional[Annotated[Path, arg(metavar="IN", help="Checkpoint to convert.")]]
    target: Positional[Annotated[Path, arg(metavar="OUT", help="File to write (.safetensors).")]]
    to: Annotated[
        str,
        arg(metavar="ARCH", help=f"Architecture of OUT: {', '.join(PARAMETERS)}; see `formats`."),
    ]
    size: Size = "base"
    max_size: MaxSize = None
    settings: Settings = ()
    format: Annotated[
        str | None, optional(metavar="NAME", help="File format of OUT; default: by its suffix.")
    ] = None
    recipe: Annotated[
        Recipe, arg(help="How to distil: fast is ours, pvd and pvd-al are published ones.")
    ] = "fast"
    active: Annotated[
        str,
        arg(
            metavar="LEVELS",
            help="Active learning, of fast: cameras, rays and samples where OUT is worst; "
            f"{NO_LEVELS}, or some of {','.join(LEVELS)}.",
        ),
    ] = NO_LEVELS
    budget: Budget = field(default_factory=Budget)
    views: Views = field(default_factory=Views)
    gates: Gates = field(default_factory=Gates)
    job: Job = field(default_factory=Job)

    def __post_init__(self):
        as_paths(self, "source", "target")
        one_size(self.size, self.max_size)
        if self.levels() and self.recipe != "fast":
            raise UsageError(f"--active is for --recipe fast, not for {self.recipe}")

    def levels(self) -> tuple[str, ...]:
        """The levels of `active`, in the order of LEVELS. Raises UnknownNameError."""
        names = {name.strip() for name in self.active.split(",")}
        for name in names - {*LEVELS, NO_LEVELS}:
            raise UnknownNameError("level of --active", name, (*LEVELS, NO_LEVELS))
        if NO_LEVELS in names and len(names) > 1:
            raise UsageError(f"--active {self.active}: {NO_LEVELS} stands alone")
        return tuple(level for level in LEVELS if level in names)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    data: Positional[
        Annotated[Path, arg(metavar="DATA", help="Folder with transforms*.json and images.")]
    ]
    target: Positional[Annotated[Path, arg(metavar="OUT", help="File to write (.safetensors).")]]
    arch: Annotated[
        str, arg(metavar="ARCH", help=f"Architecture: {', '.join(PARAMETERS)}; see `formats`.")
    ]
    size: Size = "base"
    max_size: MaxSize = None
    settings: Settings = ()
    format: Annotated[
        str | None, optional(metavar="NAME", help="File format of OUT; default: by its suffix.")
    ] = None
    bounds: Annotated[
        str | None,
        optional(metavar="M|X,Y,Z,X,Y,Z", help="Box: half edge or two corners; default 1.5."),
    ] = None
    train_resolution: Annotated[
        str | None,
        optional(metavar="WxH", help="Shrinks the photographs; default: as they are."),
    ] = None
    budget: Budget = field(default_factory=Budget)
    resolution: Resolution = None
    background: Background = None
    eval_views: EvalViews = 8
    job: Job = field(default_factory=Job)

    def __post_init__(self):
        as_paths(self, "data", "target")
        one_size(self.size, self.max_size)
        at_least("--eval-views", self.eval_views, 1)


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    checkpoint: Positional[Annotated[Path, arg(metavar="CKPT", help="Field to render.")]]
    output: Annotated[
        Path, arg(aliases=("-o",), metavar="OUT", help="A video (.mp4), or a folder of PNG files.")
    ]
    cameras: CameraFile = None
    resolution: Annotated[
        str | None, optional(metavar="WxH", help="Size of the frames, pixels; default 400x400.")
    ] = None
    background: Background = None
    frames: Annotated[int, arg(metavar="N", help="Frames of the orbit, without --cameras.")] = 48
    fps: Annotated[int, arg(metavar="N", help="Frames a second of the video.")] = 24
    device: Device = "auto"
    backend: Backend = "native"
    overwrite: Overwrite = False

    def __post_init__(self):
        as_paths(self, "checkpoint", "output")
        at_least("--frames", self.frames, 1)
        at_least("--fps", self.fps, 1)


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    checkpoints: Positional[
        Annotated[tuple[Path, ...], arg(metavar="CKPT", help="Fields; the first is the reference.")]
    ]
    output: Annotated[
        Path, arg(aliases=("-o",), metavar="DIR", help="Folder for video, images and report.")
    ]
    data: Data = None
    cameras: CameraFile = None
    resolution: Resolution = None
    background: Background = None
    eval_views: EvalViews = 8
    frames: Annotated[int, arg(metavar="N", help="Frames of the video; 0 writes none.")] = 48
    seed: Annotated[int, arg(metavar="N", help="Seed of the held-out cameras.")] = 0
    device: Device = "auto"
    overwrite: Overwrite = False

    def __post_init__(self):
        as_paths(self, "output")
        object.__setattr__(self, "checkpoints", tuple(Path(c) for c in self.checkpoints))
        at_least("--eval-views", self.eval_views, 1)
        at_least("--frames", self.frames, 0)


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
    device: Device = "auto"
    overwrite: Annotated[
        bool, arg(aliases=("-w",), help="Run everything anew; default: only what is missing.")
    ] = False

    def __post_init__(self):
        as_paths(self, "output", *(["config"] if self.config else []))


def as_paths(options: object, *names: str) -> None:
    """Turns the strings that a caller from Python may pass into paths."""
    for name in names:
        object.__setattr__(options, name, Path(getattr(options, name)))


def at_least(option: str, value: float | None, low: float) -> None:
    """Raises UsageError unless `value` is None or at least `low`."""
    if value is not None and not value >= low:
        raise UsageError(f"{option} must be at least {low:g}, got {value:g}")


def parse_resolution(text: str | None) -> tuple[int, int] | None:
    """(width, height) of '400x300', or of '400' for a square; None of None. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", text.strip())
    if not match:
        raise UsageError(f"--resolution must look like 400x300, got '{text}'")
    width, height = int(match[1]), int(match[2] or match[1])
    if not (1 <= width <= 16384 and 1 <= height <= 16384):
        raise UsageError(f"--resolution must be 1 to 16384 pixels a side, got '{text}'")
    return width, height
