"""Every error that nerfconvert raises on purpose; each knows the exit code of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class NerfConvertError(Exception):
    """Something a user can mend. The message names what was found and what was expected."""

    exit_code = 1


class UsageError(NerfConvertError):
    """The request itself makes no sense: options that exclude each other, sizes out of range."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that no table knows; the message suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        super().__init__(f"unknown {kind} '{name}'{hint} (known: {', '.join(known)})")


class FormatError(NerfConvertError):
    """A file cannot be read: unknown, damaged, lying or unsafe."""

    exit_code = 3

    def __init__(self, path: Path | str, why: str):
        super().__init__(f"{path}: {why}")
        self.path = Path(path)
        self.why = why


class OutputExistsError(NerfConvertError):
    """An output is already there and nobody asked to overwrite it."""

    exit_code = 4

    def __init__(self, path: Path | str):
        super().__init__(f"{path} exists; choose another name or pass --overwrite")


class UnsupportedError(NerfConvertError):
    """The thing is known, but this target cannot hold or do it."""

    exit_code = 2


class BackendError(NerfConvertError):
    """Something this machine lacks is needed: a compiled kernel, CUDA, an optional package."""

    exit_code = 6


class DivergedError(NerfConvertError):
    """An optimisation produced NaN or infinity and could not go on."""
