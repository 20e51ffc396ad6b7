"""scene: procedural scenes as TOML text, the files in `scenes/` of this project.

Top level: `aabb` (two corners, world units), `background` (white or black), and a list
`primitives` whose keys are those of `adapters.analytic.Primitive`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

from ..adapters.analytic import AnalyticConfig, AnalyticField
from ..errors import FormatError
from ..files import tomllib
from ..volume import Aabb, FieldInfo, RadianceField
from .format import Format

KEYS = ("aabb", "background", "primitives")
LARGEST = 1_000_000  # bytes; a scene is written by hand


class SceneToml(Format):
    """TOML scenes of closed-form bodies."""

    name: ClassVar[str] = "scene"
    title: ClassVar[str] = "procedural scene (TOML)"
    suffixes: ClassVar[tuple[str, ...]] = (".toml",)
    architectures: ClassVar[frozenset[str]] = frozenset({"analytic"})
    can_write: ClassVar[bool] = True

    def sniff(self, path: Path) -> bool:
        try:
            if path.stat().st_size > LARGEST:
                return False
            return "aabb" in tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
            return False

    def read(self, path: Path) -> RadianceField:
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
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


def _toml(value: str | float | tuple[float, ...]) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    assert math.isfinite(value)
    return repr(float(value))
