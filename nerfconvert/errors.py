"""Every error that nerfconvert raises on purpose; each knows the exit code of the command line.

Messages are written with the flags of the command; `str()` of an error says the library's
arguments instead.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

FLAG = re.compile(r"(?<![\w-])(?:--([a-z]+(?:-[a-z]+)*)|-o\b)(?: ([a-z][a-z0-9]*)(?![\w-]))?")
LONGEST = 1500  # characters of a message about a file
SWITCHES = {"overwrite", "resume"}
CHOICES = {"device", "backend", "recipe"}
RENAMED = {"set": "settings", None: "output"}  # -o is an output


def as_arguments(message: str) -> str:
    """`message` with the library's arguments where it has the command's flags."""

    def argument(found: re.Match) -> str:
        flag, word = found[1], found[2]
        name = RENAMED.get(flag) or flag.replace("-", "_")
        if flag in CHOICES and word:
            return f"{name}='{word}'"
        return (f"{name}=True" if flag in SWITCHES else name) + (f" {word}" if word else "")

    return FLAG.sub(argument, message)


class NerfConvertError(Exception):
    """Something a user can mend. The message names what was found and what was expected."""

    exit_code = 1

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message  # as the command line says it

    def __str__(self) -> str:
        return as_arguments(self.message)


class UsageError(NerfConvertError):
    """The request itself makes no sense: options that exclude each other, sizes out of range."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that no table knows; the message suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        super().__init__(
            f"unknown {kind} '{name}'{did_you_mean(name, known)} (known: {', '.join(known)})"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about a wrong name: the nearest of the known ones, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


class FormatError(NerfConvertError):
    """A file cannot be read: unknown, damaged, lying or unsafe."""

    exit_code = 3

    def __init__(self, path: Path | str, why: str):
        self.path = Path(path)
        self.why = in_a_line(why)
        super().__init__(f"{path}: {self.why}")


def in_a_line(words: str) -> str:
    """What may hold names of a file, so that a terminal can show it: one line of `LONGEST`
    characters at most, without halves of characters."""
    line = " ".join(words.encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


class OutputExistsError(NerfConvertError):
    """An output is already there and nobody asked to overwrite it."""

    exit_code = 4

    def __init__(self, path: Path | str, how: str = "choose another name or pass --overwrite"):
        super().__init__(f"{path} exists; {how}")


class UnsupportedError(NerfConvertError):
    """The thing is known, but this target cannot hold or do it."""

    exit_code = 2


class BackendError(NerfConvertError):
    """Something this machine lacks is needed: a compiled kernel, CUDA, an optional package."""

    exit_code = 6


class DivergedError(NerfConvertError):
    """An optimisation produced NaN or infinity and could not go on."""


@contextlib.contextmanager
def told_of(path: Path) -> Iterator[None]:
    """An OSError inside, such as of a full disk, becomes a NerfConvertError about `path`."""
    try:
        yield
    except OSError as problem:
        why = problem.strerror or problem
        raise NerfConvertError(f"{path}: cannot be written: {why}") from problem
