"""info: what checkpoints are, and what is wrong with them. No torch until a field is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..adapters import ARCHITECTURES, CHOICES, TRAINABLE
from ..errors import NerfConvertError
from ..formats import identify, possible_formats
from ..formats.format_files import FORMAT_FILES
from ..formats.run_folder import checkpoint_of
from ..report.receipt import strict
from ..runtime.given import there


def info(paths: Sequence[Path]) -> dict[str, Any]:
    """The `info` document. A file that cannot be read has nulls and says why in `problems`."""
    return strict({"schema": "nerfconvert.info/1", "files": [_entry(Path(p)) for p in paths]})


def tables() -> dict[str, Any]:
    """What can be read and written, and how that is known: the document of `formats`."""
    formats = [
        {
            "name": name,
            "title": files.title,
            "suffixes": list(files.suffixes),
            "architectures": sorted(files.architectures),
            "write": bool(files.writes),
            "verified": files.verified,
        }
        for name, files in FORMAT_FILES.items()
    ]
    architectures = [
        {
            "name": name,
            "sizes": sorted(CHOICES[name].presets) if name in TRAINABLE else [],
            "parameters": about.sizes,
            "settings": CHOICES[name].settings if name in TRAINABLE else [],
        }
        for name, about in ARCHITECTURES.items()
    ]
    return {
        "schema": "nerfconvert.formats/1",
        "formats": formats,
        "architectures": architectures,
    }


def _entry(path: Path) -> dict[str, Any]:
    names = ("format", "architecture", "parameters", "bytes", "aabb", "frame", "background")
    entry: dict[str, Any] = {"path": str(path), **dict.fromkeys((*names, "occupancy"))}
    try:
        there(path)
        file = checkpoint_of(path)
        if file.is_file():
            entry["bytes"] = file.stat().st_size
        possible_formats(path)  # else it is refused here, without torch
        from .facts import facts

        entry["format"] = identify(path).name
        return entry | facts(path)
    except NerfConvertError as error:
        return entry | {"problems": [str(error)], "exit_code": error.exit_code}
