"""transforms: `transforms*.json` of NeRF-Synthetic, instant-ngp and nerfstudio.

The layout is that of NeRF-Synthetic (`camera_angle_x`, RGBA) and of nerfstudio and instant-ngp
(`fl_x`, `cx`, `k1`...). What a frame states of its lens counts before what the document states.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError
from .camera_file import Asked, CameraFile
from .capture import FISHEYE, PERSPECTIVE, Capture, Lens, View, image_size, pose_of
from .json_values import names_key, number, numbers, objects, read_document

MODELS = {  # camera_model of nerfstudio: whether it is OpenCV's fisheye
    "SIMPLE_PINHOLE": False,
    "PINHOLE": False,
    "SIMPLE_RADIAL": False,
    "RADIAL": False,
    "OPENCV": False,
    "OPENCV_FISHEYE": True,
}
TWIST = ("k1", "k2", "k3", "k4", "p1", "p2")  # distortion_params of nerfstudio
OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular")  # of instant-ngp


class Transforms(CameraFile):
    title = "transforms*.json (NeRF-Synthetic, instant-ngp, nerfstudio)"

    def sniff(self, path: Path) -> bool:
        if path.is_dir():
            return next(path.glob("transforms*.json"), None) is not None
        return path.suffix.lower() == ".json" or names_key(path, "frames")

    def read(self, path: Path, asked: Asked) -> Capture:
        file, split = _find(path, asked.split)
        document = read_document(file)
        frames = objects(file, document, "frames")
        for index, frame in enumerate(frames):
            if "transform_matrix" not in frame:
                raise FormatError(file, f"frame {index} has no 'transform_matrix'")
            frame.setdefault("file_path", f"frame_{index:05d}")
        frames, listed = (frames, False) if split else _listed(file, document, frames, asked.split)
        default = _default_size(file, document, frames[0], asked)
        views = tuple(_view(file, {**document, **frame}, default) for frame in frames)
        scale = number(file, document, "aabb_scale") if "aabb_scale" in document else None
        applied = document.get("applied_transform", np.eye(4).tolist())
        applied = pose_of(file, "applied_transform", applied)
        return Capture(file, views, split or listed, scale, applied=applied)


def _find(path: Path, split: str | None) -> tuple[Path, bool]:
    """The JSON file of `split`, and whether it holds that split alone."""
    if path.is_file():
        return path, False
    if split is not None and (path / f"transforms_{split}.json").is_file():
        return path / f"transforms_{split}.json", True
    if (path / "transforms.json").is_file():
        return path / "transforms.json", False
    there = sorted(p.name for p in path.glob("transforms*.json"))
    wanted = f"transforms_{split}.json or transforms.json" if split else "transforms.json"
    raise FormatError(path, f"expected {wanted}, found only {', '.join(there)}")


def _listed(
    file: Path, document: dict[str, Any], frames: list[dict[str, Any]], split: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """The frames that nerfstudio's `<split>_filenames` lists, where the document has them."""
    names = document.get(f"{split}_filenames")
    if split is None or names is None:
        return frames, False
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FormatError(file, f"'{split}_filenames' must be a list of file paths")
    wanted = set(names)
    chosen = [frame for frame in frames if frame["file_path"] in wanted]
    if not chosen:
        raise FormatError(file, f"no frame is listed in '{split}_filenames'")
    return chosen, True


def _view(file: Path, values: dict[str, Any], default: tuple[int, int] | None) -> View:
    """One frame; `values` are the document's with the frame's own before them."""
    name = str(values["file_path"])
    pose = pose_of(file, name, values["transform_matrix"])
    size = _stated_size(file, values) or default
    if size is None:
        raise FormatError(file, "has 'fl_x' in pixels but neither 'w' and 'h' nor images")
    fisheye = _is_fisheye(file, values)
    lens = _numbers(file, values, size)
    if not fisheye and any(lens.get(key) for key in ("k4", "k5", "k6")):
        raise FormatError(file, "has the distortion 'k4' without a fisheye lens, unlike OpenCV")
    try:
        return View(name, pose, Lens.of(size, lens, fisheye), _stated_path(file, name))
    except ValueError as error:
        raise FormatError(file, f"lens of {name}: {error}") from error


def _numbers(file: Path, values: dict[str, Any], size: tuple[int, int]) -> dict[str, float]:
    """What is stated of the lens, by the names of `Lens.of`."""
    lens = {key: number(file, values, key) for key in ("fl_x", "fl_y", "cx", "cy") if key in values}
    for axis, key, pixels in (("x", "fl_x", size[0]), ("y", "fl_y", size[1])):
        if key not in lens and f"camera_angle_{axis}" in values:
            half = number(file, values, f"camera_angle_{axis}") / 2
            if not 0 < half < math.pi / 2:
                raise FormatError(file, f"'camera_angle_{axis}' must lie in 0..pi, got {2 * half}")
            if axis == "x" or "fl_x" not in lens:
                lens[key] = 0.5 * pixels / math.tan(half)
    if "fl_x" not in lens:
        if "fl_y" not in lens:
            raise FormatError(file, "expected 'fl_x' (pixels) or 'camera_angle_x' (radians)")
        lens["fl_x"] = lens["fl_y"]
    if "distortion_params" in values:
        return lens | dict(zip(TWIST, numbers(file, values, "distortion_params", len(TWIST))))
    twist = {*FISHEYE, *PERSPECTIVE} & values.keys()
    return lens | {key: number(file, values, key) for key in twist}


def _is_fisheye(file: Path, values: dict[str, Any]) -> bool:
    """Whether the lens is OpenCV's fisheye. Raises FormatError for one that OpenCV lacks."""
    for key in OTHER_LENSES:
        if values.get(key):
            raise FormatError(file, f"has a lens of kind '{key}'; expected one of OpenCV's")
    model = values.get("camera_model", "OPENCV")
    if model not in MODELS:
        raise FormatError(
            file, f"camera_model is {str(model)[:40]}; expected one of {', '.join(MODELS)}"
        )
    return MODELS[model] or values.get("is_fisheye") is True


def _stated_size(file: Path, values: dict[str, Any]) -> tuple[int, int] | None:
    if "w" in values and "h" in values:
        return int(number(file, values, "w")), int(number(file, values, "h"))
    return None


def _default_size(
    file: Path, document: dict[str, Any], frame: dict[str, Any], asked: Asked
) -> tuple[int, int] | None:
    """The size of frames that state none: that of the first image, else as asked, if the lens is
    an angle."""
    values = {**document, **frame}
    if _stated_size(file, values):
        return _stated_size(file, values)
    path = _stated_path(file, str(frame["file_path"]))
    if path.is_file():
        return image_size(path)
    return None if "fl_x" in values else asked.size_or_default


def _stated_path(file: Path, name: str) -> Path:
    """Where `file` says that an image lies; the suffix may be left out."""
    path = file.parent / name
    try:
        return path if path.is_file() else path.with_name(path.name + ".png")
    except (OSError, ValueError):  # no name of a file
        return path
