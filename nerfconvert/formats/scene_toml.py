"""scene: procedural scenes as TOML text, the files in `scenes/` of this project.

Top level: `aabb` (two corners, world units), `background` (white or black), and a list
`primitives` whose keys are those of `adapters.analytic.Primitive`.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, ClassVar

from ..adapters.analytic import AnalyticConfig, AnalyticField
from ..errors import FormatError
from ..files import tomllib
from ..volume import Aabb, FieldInfo, RadianceField
from .format import Format

KEYS = ("aabb", "background", "primitives")
LARGEST = 250_000  # bytes; a scene is written by hand
MOST_DOTS = 16  # in a key: the time and memory that tomllib takes grow with their square
TEXTS = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*')  # and comments
LONG = re.compile("\"\"\"|'''")  # a text of several lines begins
BETWEEN = re.compile(r"[=,{}\[\]\n]")  # keys and numbers


class SceneToml(Format):
    """TOML scenes of closed-form bodies."""

    name: ClassVar[str] = "scene"
    title: ClassVar[str] = "procedural scene (TOML)"
    suffixes: ClassVar[tuple[str, ...]] = (".toml",)
    architectures: ClassVar[frozenset[str]] = frozenset({"analytic"})
    can_write: ClassVar[bool] = True

    def sniff(self, path: Path) -> bool:
        try:
            return "aabb" in read_toml(path)
        except (OSError, ValueError):
            return False

    def read(self, path: Path) -> RadianceField:
        try:
            document = read_toml(path)
            if unknown := sorted(set(document) - set(KEYS)):
                raise ValueError(f"unknown keys {', '.join(unknown)}; known: {', '.join(KEYS)}")
            low, high = document["aabb"]
            background = document.get("background", "white")
            if background not in ("white", "black"):
                raise ValueError(f"background must be white or black, got {background!r}")
            config = AnalyticConfig(primitives=tuple(document.get("primitives", ())))
            info = FieldInfo(aabb=Aabb(low, high), background=background)
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(path, f"bad scene: {error}") from error
        return AnalyticField(config, info)

    def write(self, field: RadianceField, path: Path) -> None:
        box = [list(field.aabb.low), list(field.aabb.high)]
        lines = [f'background = "{field.info.background}"', f"aabb = {box}"]
        for body in field.config.primitives:
            lines += ["", "[[primitives]]", *(f"{k} = {_toml(v)}" for k, v in vars(body).items())]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a file. Raises OSError, or ValueError for what is none that we write."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    text = path.read_text(encoding="utf-8")
    keys = TEXTS.sub("", text)
    if LONG.search(text) or any(part.count(".") > MOST_DOTS for part in BETWEEN.split(keys)):
        raise ValueError(f"it has texts of several lines, or a key of more than {MOST_DOTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _toml(value: str | float | tuple[float, ...]) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    assert math.isfinite(value)
    return repr(float(value))
