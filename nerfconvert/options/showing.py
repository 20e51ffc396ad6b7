"""What a user may ask of the pipelines that show fields: `render`, `compare` and `view`.

Imports no torch, so that `--help` stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from ..errors import UnknownNameError, UsageError
from ..students.sizes import parse_bytes
from .groups import (
    MOST,
    Background,
    CameraFile,
    Crop,
    Data,
    EvalViews,
    Frame,
    Gates,
    LargestFile,
    Overwrite,
    Resolution,
    ResumeFilm,
    Where,
    as_paths,
    at_least,
    check_frame,
    optional,
    parse_resolution,
)

VIDEOS = (".mp4", ".gif", ".webp")
ALSO = ("gif", "webp", "png")  # beside the video of a comparison
LAYOUTS = ("side-by-side", "wipe", "blink")


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    checkpoint: Positional[Annotated[Path, arg(metavar="CKPT", help="Field to render.")]]
    output: Annotated[
        Path,
        arg(
            aliases=("-o",),
            metavar="OUT",
            help=f"A video or animation ({', '.join(VIDEOS)}), or a folder of PNG files.",
        ),
    ]
    cameras: CameraFile = None
    frame: Frame = None
    path: Annotated[
        Literal["orbit", "spiral"] | None,
        optional(
            metavar="{orbit,spiral}", help="Where cameras go; default: as FILE has it, or an orbit."
        ),
    ] = None
    resolution: Annotated[
        str | None, optional(metavar="WxH", help="Size of the frames, pixels; default 400x400.")
    ] = None
    background: Background = None
    crop: Crop = None
    frames: Annotated[
        int, arg(metavar="N", help="Frames of the orbit, or of a path of keyframes.")
    ] = 48
    fps: Annotated[int, arg(metavar="N", help="Frames a second of the video.")] = 24
    fast: Annotated[
        bool,
        arg(
            help="Networks in bfloat16, where the machine multiplies it: frames of an MLP in half "
            "the time; up to 3 pixels in 100 differ from the exact ones by more than 1/255."
        ),
    ] = False
    where: Where = field(default_factory=Where)
    resume: ResumeFilm = False
    overwrite: Overwrite = False

    def __post_init__(self):
        as_paths(self, "checkpoint", "output")
        at_least("--frames", self.frames, 1)
        at_least("--fps", self.fps, 1)
        parse_resolution(self.resolution)
        check_frame(self.frame, self.cameras)
        if self.path and self.cameras:
            raise UsageError(f"give --path {self.path} or --cameras, not both")
        suffix = self.output.suffix.lower()
        if suffix not in ("", *VIDEOS):
            known = ", ".join(VIDEOS)
            raise UsageError(
                f"-o must end in {known}, or be a folder for PNG files, got '{suffix}'"
            )


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
    frame: Frame = None
    resolution: Resolution = None
    background: Background = None
    eval_views: EvalViews = 8
    frames: Annotated[int, arg(metavar="N", help="Frames of the video; 0 writes none.")] = 48
    fps: Annotated[int, arg(metavar="N", help="Frames a second of the video.")] = 24
    path: Annotated[
        Literal["orbit", "spiral", "test"] | None,
        optional(
            metavar="{orbit,spiral,test}",
            help="Where the video's cameras go; test: held-out cameras of DATA or FILE, with the "
            "truth; default: all of FILE, else test for one field, an orbit for several.",
        ),
    ] = None
    layout: Annotated[
        Literal[LAYOUTS], arg(help="How each field is seen with the reference in the video.")
    ] = LAYOUTS[0]
    depth: Annotated[bool, arg(help="Show the depth of each field, too.")] = False
    also: Annotated[
        str,
        arg(
            metavar="KINDS",
            help=f"The video in other files, too, some of {','.join(ALSO)}: small animations, "
            "and a folder of frames.",
        ),
    ] = ""
    seed: Annotated[int, arg(metavar="N", help="Seed of the held-out cameras.")] = 0
    gates: Gates = field(default_factory=Gates)
    max_size: LargestFile = None
    where: Where = field(default_factory=Where)
    resume: ResumeFilm = False
    overwrite: Overwrite = False

    def __post_init__(self):
        as_paths(self, "output")
        object.__setattr__(self, "checkpoints", tuple(Path(c) for c in self.checkpoints))
        at_least("--eval-views", self.eval_views, 1)
        at_least("--frames", self.frames, 0)
        at_least("--fps", self.fps, 1)
        self.kinds()
        if self.path == "test" and not (self.data or self.cameras):
            raise UsageError("--path test needs the cameras of --data or --cameras")
        at_least("--seed", self.seed, -MOST)
        parse_resolution(self.resolution)
        check_frame(self.frame, self.cameras, self.data)
        if not self.checkpoints or (len(self.checkpoints) < 2 and self.data is None):
            raise UsageError("give two checkpoints to compare, or one and --data with the truth")
        parse_bytes(self.max_size)
        if self.gates.max_drop is not None and (self.data is None or len(self.checkpoints) < 2):
            raise UsageError(
                "--max-drop compares with the truth what two fields lose: give --data as well, and "
                "two checkpoints"
            )

    def kinds(self) -> tuple[str, ...]:
        """The kinds of `also`, in the order of ALSO. Raises UnknownNameError."""
        names = {name.strip() for name in self.also.split(",")} - {""}
        for name in names - {*ALSO}:
            raise UnknownNameError("kind of file for --also", name, ALSO)
        return tuple(name for name in ALSO if name in names)


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    checkpoints: Positional[
        Annotated[tuple[Path, ...], arg(metavar="CKPT", help="Fields; the first is shown first.")]
    ]
    data: Annotated[
        Path | None, optional(metavar="DIR", help="Scene whose cameras can be shown.")
    ] = None
    cameras: CameraFile = None
    frame: Frame = None
    host: Annotated[
        str, arg(metavar="HOST", help="Address to serve at; others than this open it to a network.")
    ] = "127.0.0.1"
    port: Annotated[int, arg(metavar="N", help="Port to serve at; 0 takes a free one.")] = 0
    open: Annotated[bool, arg(help="Open the page in this machine's browser.")] = False
    crop: Annotated[
        Path | None,
        optional(
            metavar="FILE",
            help="Crop box: begins as FILE has it, is exported there; default: CKPT.crop.json.",
        ),
    ] = None
    background: Background = None
    where: Where = field(default_factory=Where)

    def __post_init__(self):
        object.__setattr__(self, "checkpoints", tuple(Path(c) for c in self.checkpoints))
        check_frame(self.frame, self.cameras, self.data)
        if not self.checkpoints:
            raise UsageError("view needs at least one file: nerfconvert view CKPT...")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port must be 0 to 65535, got {self.port}")
