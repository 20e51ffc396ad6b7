"""What several pipelines may be asked, in groups: budget, views, gates, job, where it runs.

Imports no torch, as `options` does.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import UseAppendAction, arg

from ..adapters import SIZES
from ..distiller.config import DistillConfig
from ..errors import UsageError
from ..kernels.backends import BACKENDS
from ..students.sizes import parameters_help

DEFAULT_SECONDS = 120.0
MOST = 2**31 - 1  # no count, seed, figure or time in seconds is larger
optional = functools.partial(arg, help_behavior_hint="")  # the help text says what None means
Overwrite = Annotated[bool, arg(aliases=("-w",), help="Replace an output that is there.")]
Data = Annotated[
    Path | None,
    optional(
        metavar="DIR", help="transforms*.json, COLMAP or poses_bounds.npy, and images: truth."
    ),
]
Resolution = Annotated[
    str | None,
    optional(metavar="WxH", help="Size of evaluated images, pixels; default: at most 200x200."),
]
Background = Annotated[
    Literal["white", "black"] | None,
    optional(metavar="{white,black}", help="What rays end on; default: as the source program."),
]
TrainBackground = Annotated[
    Literal["white", "black"] | None,
    optional(
        metavar="{white,black}",
        help="What figures are measured on; default: as the images have it. Where they have alpha, "
        "rays learn on random ones.",
    ),
]
DistillBackground = Annotated[
    Literal["white", "black", "random"] | None,
    optional(
        metavar="{white,black,random}",
        help="What figures are measured on; default: as the source program. "
        "Rays always learn on random ones.",
    ),
]
CameraFile = Annotated[
    Path | None,
    optional(
        metavar="FILE",
        help="transforms.json, camera_path.json of nerfstudio, base_cam.json of instant-ngp, "
        "COLMAP or poses_bounds.npy; images are not needed.",
    ),
]
Frame = Annotated[
    Literal["world", "blender", "opencv", "instant-ngp", "nerfstudio"] | None,
    optional(
        metavar="{world,blender,opencv,instant-ngp,nerfstudio}",
        help="Frame of the file's poses; default: world, of a program's camera path its own.",
    ),
]
Crop = Annotated[
    Path | None,
    optional(metavar="FILE", help="Only what is in the box that `view` exported."),
]
ResumeFilm = Annotated[
    bool, arg(help="Go on with the frames that an interrupted run has kept in OUT.frames.")
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
StudentSize = Annotated[
    str | None,
    optional(
        metavar="PRESET",
        help=f"Size of the architecture: {', '.join(SIZES)}; default: base, pvd with the published "
        f"recipes. Parameters: {parameters_help()}.",
    ),
]
Precision = Annotated[
    Literal["full", "half"],
    arg(help="half: numbers of OUT are rounded to 16 bits, and our own file is half as large."),
]
MaxSize = Annotated[
    str | None,
    optional(metavar="BYTES", help="Instead of --size: the largest whose file fits, as 5MB."),
]
LargestFile = Annotated[
    str | None,
    optional(metavar="BYTES", help="Largest file of each CKPT but the first, as 5MB."),
]
Format = Annotated[
    str | None, optional(metavar="NAME", help="File format of OUT; default: by its suffix.")
]


@dataclass(frozen=True)
class MayLack:
    """Of an option that is `bool | Path`: its value may be left out, which is True. The word behind
    it is its value where that ends in `ending`."""

    ending: str


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much work goes into the field."""

    seconds: Annotated[
        float | None,
        optional(metavar="N", help="Wall clock of the optimisation, s; default 120."),
    ] = None
    steps: Annotated[
        int | None, optional(metavar="N", help="Gradient steps; the same result in every run.")
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
        if self.seconds is not None and self.steps is not None:
            raise UsageError("give --seconds or --steps, not both")
        self.checkpoints()

    def checkpoints(self) -> tuple[float, ...]:
        """The seconds of `eval_at`, ascending. Raises UsageError."""
        try:
            times = sorted(float(t) for t in self.eval_at.split(",") if t.strip())
        except ValueError as error:
            raise UsageError(
                f"--eval-at must be seconds like 60,120, got {self.eval_at}"
            ) from error
        if not all(0 < t < math.inf for t in times):
            raise UsageError(f"--eval-at must be positive seconds, got {self.eval_at}")
        return tuple(times)

    def distill_config(self, seed: int, **more: Any) -> DistillConfig:
        """The optimisation's own config; `more` is of it."""
        seconds = DEFAULT_SECONDS if self.seconds is self.steps is None else self.seconds
        own = {"seconds": seconds, "steps": self.steps, "memory_mb": self.memory_mb}
        return DistillConfig(seed=seed, **own, **more)


@dataclass(frozen=True, kw_only=True)
class Views:
    """Where the field is looked at from, and how it is measured."""

    data: Data = None
    cameras: CameraFile = None
    frame: Frame = None
    resolution: Resolution = None
    background: DistillBackground = None
    eval_views: EvalViews = 8

    def __post_init__(self):
        at_least("--eval-views", self.eval_views, 1)
        parse_resolution(self.resolution)
        check_frame(self.frame, self.cameras, self.data)


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Fail with exit code 5 (what was asked for is still written) beyond a limit."""

    min_psnr: Annotated[
        float | None,
        optional(
            metavar="DB",
            help="Least PSNR, dB: of OUT against IN, of each CKPT against the first, of one alone "
            "against the truth.",
        ),
    ] = None
    max_drop: Annotated[
        float | None,
        optional(metavar="DB", help="Most PSNR lost against the truth, dB (needs --data)."),
    ] = None
    max_seconds_per_frame: Annotated[
        float | None, optional(metavar="S", help="Longest time of a rendered view, s (median).")
    ] = None

    def __post_init__(self):
        at_least("--min-psnr", self.min_psnr, -MOST)
        at_least("--max-drop", self.max_drop, -MOST)
        at_least("--max-seconds-per-frame", self.max_seconds_per_frame, 0)


@dataclass(frozen=True, kw_only=True)
class Job:
    """How the run behaves."""

    seed: Annotated[int, arg(metavar="N", help="Seed of every random draw.")] = 0
    resume: Annotated[bool, arg(help="Go on from OUT.state of an interrupted run.")] = False
    overwrite: Overwrite = False
    preview: Annotated[
        bool, arg(help="Write OUT.preview.png every few seconds, until OUT is there.")
    ] = False

    def __post_init__(self):
        at_least("--seed", self.seed, -MOST)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the run computes, and with which kernels."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        arg(help="Where to compute; auto takes CUDA where it works."),
    ] = "auto"
    backend: Annotated[
        Literal[tuple(BACKENDS)],
        arg(
            help="Kernels: ours, or their slow references in torch; on CUDA also ours with hash "
            "tables in half precision, or what an installed tiny-cuda-nn or nerfacc has of them."
        ),
    ] = "native"


def at_least(option: str, value: float | None, low: float) -> None:
    """Raises UsageError unless `value` is None, or a number from `low` to MOST."""
    if value is None or low <= value <= MOST:
        return
    if value >= low:
        raise UsageError(f"{option} must be at most {MOST:,}, got {value:g}")
    wanted = "a number" if low == -MOST else f"at least {low:g}"
    raise UsageError(f"{option} must be {wanted}, got {value:g}")


def check_frame(frame: str | None, *files: Path | None) -> None:
    """Raises UsageError for a frame of cameras that are in none of `files`."""
    if frame is not None and not any(files):
        raise UsageError(f"--frame {frame} says where a file's cameras are: give the file as well")


def parse_resolution(text: str | None, option: str = "--resolution") -> tuple[int, int] | None:
    """(width, height) of '400x300', or of '400' for a square; None of None. Raises UsageError,
    which names `option`."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", text.strip())
    if not match:
        raise UsageError(f"{option} must look like 400x300, got '{text}'")
    width, height = int(match[1]), int(match[2] or match[1])
    if not (1 <= width <= 16384 and 1 <= height <= 16384):
        raise UsageError(f"{option} must be 1 to 16384 pixels a side, got '{text}'")
    return width, height


def parse_corners(text: str) -> tuple[list[float], list[float]]:
    """(low, high) of '1.5', half an edge about the origin, or of two corners 'x,y,z,x,y,z'.

    Raises UsageError.
    """
    try:
        numbers = [float(n) for n in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers = [-numbers[0]] * 3 + [numbers[0]] * 3
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise UsageError(
            f"--bounds must be half an edge, as 1.5, or two corners, as -1,-1,0,1,1,2; got '{text}'"
        )
    low, high = numbers[:3], numbers[3:]
    if not all(a < b for a, b in zip(low, high)):
        raise UsageError(f"--bounds must be a box with low < high on each axis, got '{text}'")
    return low, high


def as_paths(options: object, *names: str) -> None:
    """Turns the strings that a caller from Python may pass into paths."""
    for name in names:
        object.__setattr__(options, name, Path(getattr(options, name)))
