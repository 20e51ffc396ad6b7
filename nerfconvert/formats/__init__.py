"""File formats, a module per program; content decides the format of a file, not its name.

The table imports no torch, so that a target is refused before anything is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, NerfConvertError, OutputExistsError, UnsupportedError
from ..files import signs_in, written_whole
from ..registry import Registry
from .format import Format
from .format_files import FORMAT_FILES
from .run_folder import checkpoint_of
from .unknown_file import describe

if TYPE_CHECKING:
    from ..volume import Field, FieldInfo, RadianceField

SEARCHED = 256 << 20  # bytes of a file that are searched for signs of its format
SIGNS = {sign for files in FORMAT_FILES.values() for sign in files.signs}
HEAD = max(len(start) for files in FORMAT_FILES.values() for start in files.starts)  # bytes
FORMATS = Registry("format", {name: files.format for name, files in FORMAT_FILES.items()})


def identify(path: Path | str) -> Format:
    """The format of a file, by its content; of the newest checkpoint in a folder of a run.

    Raises FormatError naming what was found for a missing, empty, damaged or unknown file.
    """
    path = checkpoint_of(path)
    for name in possible_formats(path):
        made = FORMATS[name]()
        if made.sniff(path):
            return made
    raise _unknown(path)


def possible_formats(path: Path) -> list[str]:
    """Names of the formats, at least one, of which the file has signs; imports none of them.

    Raises FormatError as `identify` does.
    """
    path = checkpoint_of(path)
    if not path.exists():
        raise FormatError(path, "no such file")
    if not path.is_file():
        raise FormatError(path, "a directory or device; expected a checkpoint file")
    try:
        signs = signs_in(path, SIGNS, SEARCHED)
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        raise _unknown(path) from None
    found = [
        name
        for name, files in FORMAT_FILES.items()
        if signs & set(files.signs) or head.startswith(files.starts)
    ]
    if not found:
        raise _unknown(path)
    return found


def _unknown(path: Path) -> FormatError:
    known = ", ".join(f"{files.suffixes[0]} ({name})" for name, files in FORMAT_FILES.items())
    return FormatError(path, f"found {describe(path)}; expected one of: {known}")


def load(path: Path | str) -> RadianceField:
    """The field in a checkpoint of any known format. Raises FormatError or UnsupportedError."""
    path = checkpoint_of(path)
    made = identify(path)
    try:
        return made.read(path)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as problem:
        raise FormatError(
            path, f"damaged: {problem or type(problem).__name__} (read as {made.name})"
        ) from problem


def save(
    field: RadianceField, path: Path | str, format: str | None = None, overwrite: bool = False
) -> None:
    """Writes a field atomically; `format` is a name of FORMATS, by default that of the suffix.

    Raises OutputExistsError, UnsupportedError (this format cannot hold this field) or
    NerfConvertError (the disk is full, the folder is missing).
    """
    path = Path(path)
    chosen = FORMATS[format or name_of_suffix(path, field.architecture)]()
    if not chosen.can_write:
        raise UnsupportedError(f"{chosen.title} files can be read but not written")
    if field.architecture not in chosen.architectures:
        held = ", ".join(sorted(chosen.architectures))
        raise UnsupportedError(
            f"a {chosen.title} file holds {held}, not {field.architecture}; convert the field first"
        )
    chosen.refuse_space(field.info)
    if path.is_dir() or (path.exists() and not overwrite):
        raise OutputExistsError(path)
    write_whole(chosen, field, path)


def check_config(path: Path, format: str | None, architecture: str, config: Any) -> None:
    """Raises UnsupportedError where no field of this `config` can be saved under `path`."""
    FORMATS[format or name_of_suffix(path, architecture)]().check(config)


def check_space(path: Path, format: str | None, architecture: str, info: FieldInfo) -> None:
    """Raises UnsupportedError where no new field of this `info` can be saved under `path`."""
    FORMATS[format or name_of_suffix(path, architecture)]().check_space(info)


def write_whole(chosen: Format, field: Field, path: Path) -> None:
    """Writes a field atomically. Raises NerfConvertError where writing fails."""
    try:
        with written_whole(path) as partial:
            chosen.write(field, partial)
    except (OSError, RuntimeError, ValueError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else None
        reason = said or next(iter(str(problem).splitlines()), type(problem).__name__)
        raise NerfConvertError(f"{path}: cannot be written: {reason}") from problem


def name_of_suffix(path: Path, architecture: str | None) -> str:
    """The name of the format that a new file of this suffix has: where several share it, of the
    first that can hold `architecture`. Raises UnsupportedError, which lists those that can, by
    default any."""
    suffix = path.suffix.lower()
    sharing = {name: files for name, files in FORMAT_FILES.items() if suffix in files.suffixes}
    for name, files in sharing.items():
        if architecture in files.writes:
            return name
    if sharing:
        return next(iter(sharing))
    known = ", ".join(
        f"{files.suffixes[0]} ({name})"
        for name, files in FORMAT_FILES.items()
        if architecture in files.writes or (architecture is None and files.writes)
    )
    found = (
        f"no format has the suffix {suffix}" if suffix else "it has no suffix to tell its format"
    )
    raise UnsupportedError(f"{path}: {found}; known: {known}, or give --format")
