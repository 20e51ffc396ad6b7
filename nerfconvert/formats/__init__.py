"""File formats, a module per program; content decides the format of a file, not its name."""

from __future__ import annotations

from pathlib import Path

from ..errors import FormatError, NerfConvertError, OutputExistsError, UnsupportedError
from ..files import written_whole
from ..registry import Registry
from ..volume import Field, RadianceField
from .format import Format

FORMATS = Registry(
    "format",
    {
        "nerfconvert": "nerfconvert.formats.native:Native",
        "nerf-pytorch": "nerfconvert.formats.nerf_pytorch:NerfPytorch",
        "krrish94": "nerfconvert.formats.krrish94:Krrish94",
        "ppng": "nerfconvert.formats.ppng:Ppng",
        "scene": "nerfconvert.formats.scene_toml:SceneToml",
    },
)

STARTS = {
    b"PK\x03\x04": "a zip archive",
    b"\x80\x02": "a pickle",
    b"\x93NUMPY": "a numpy array",
    b"\x1f\x8b": "gzip data",
    b"ply\n": "a PLY mesh or point cloud",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"{": "JSON text",
}


def identify(path: Path | str) -> Format:
    """The format of a file, by its content.

    Raises FormatError naming what was found for a missing, empty, damaged or unknown file.
    """
    path = Path(path)
    if not path.exists():
        raise FormatError(path, "no such file")
    if not path.is_file():
        raise FormatError(path, "a directory or device; expected a checkpoint file")
    for make in FORMATS.values():
        if make().sniff(path):
            return make()
    raise FormatError(path, f"found {describe(path)}; expected {expected_files()}")


def load(path: Path | str) -> RadianceField:
    """The field in a checkpoint of any known format. Raises FormatError or UnsupportedError."""
    return identify(path).read(Path(path))


def save(
    field: RadianceField, path: Path | str, format: str | None = None, overwrite: bool = False
) -> None:
    """Writes a field atomically; `format` is a name of FORMATS, by default that of the suffix.

    Raises OutputExistsError, UnsupportedError (this format cannot hold this field) or
    NerfConvertError (the disk is full, the folder is missing).
    """
    path = Path(path)
    chosen = FORMATS[format]() if format else format_of_suffix(path)
    if not chosen.can_write:
        raise UnsupportedError(f"{chosen.title} files can be read but not written")
    if field.architecture not in chosen.architectures:
        held = ", ".join(sorted(chosen.architectures))
        raise UnsupportedError(
            f"a {chosen.title} file holds {held}, not {field.architecture}; convert the field first"
        )
    if path.is_dir() or (path.exists() and not overwrite):
        raise OutputExistsError(path)
    write_whole(chosen, field, path)


def write_whole(chosen: Format, field: Field, path: Path) -> None:
    """Writes a field atomically. Raises NerfConvertError where writing fails."""
    try:
        with written_whole(path) as partial:
            chosen.write(field, partial)
    except (OSError, RuntimeError, ValueError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else None
        reason = said or next(iter(str(problem).splitlines()), type(problem).__name__)
        raise NerfConvertError(f"{path}: cannot be written: {reason}") from problem


def format_of_suffix(path: Path) -> Format:
    """The writable format whose suffix the path has. Raises UnsupportedError."""
    writable = {n: make for n, make in FORMATS.items() if make.can_write}
    for make in writable.values():
        if path.suffix.lower() in make.suffixes:
            return make()
    known = ", ".join(f"{make.suffixes[0]} ({name})" for name, make in writable.items())
    raise UnsupportedError(f"{path}: no format has this suffix; known: {known}, or pass a format")


def describe(path: Path) -> str:
    """A guess, in words, at the content of a file that no format recognizes. Raises FormatError
    where it cannot be read."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError as problem:
        raise FormatError(path, f"cannot be read: {problem.strerror}") from None
    if not start:
        return "an empty file"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return "a safetensors file of another program"
    if start.startswith(b"PK") and b"data.pkl" in start:
        return "a torch checkpoint of an unknown program"
    return next((text for head, text in STARTS.items() if start.startswith(head)), "unknown bytes")


def expected_files() -> str:
    """The known formats in words."""
    return "one of: " + ", ".join(make.title for make in FORMATS.values())
