"""The arguments of a command, against what it takes: a wrong one is named in one line.

tyro parses and prints the help. What it would refuse, in a box of many lines, is refused here
first, from the same dataclasses.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from tyro.conf import Positional, arg

from ..errors import UsageError, did_you_mean
from ..options.groups import MayLack

POSITIONAL = typing.get_args(Positional[int])[1]
NUMBERS: dict[type, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
}


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a command."""

    flags: tuple[str, ...]  # none: it is told by its place
    metavar: str
    kind: type  # of one value; bool takes none
    choices: tuple[str, ...] = ()
    required: bool = False
    many: bool = False
    ending: str | None = None  # of a value that may be left out

    @property
    def title(self) -> str:
        return " ".join((*self.flags[:1], *([self.metavar] if self.kind is not bool else [])))

    def check(self, text: str) -> None:
        """Raises UsageError unless `text` can be a value of this argument."""
        name = self.flags[0] if self.flags else self.metavar
        if self.choices and text not in self.choices:
            hint, known = did_you_mean(text, self.choices), ", ".join(self.choices)
            raise UsageError(f"{name} must be one of {known}, got '{text}'{hint}")
        if self.kind in NUMBERS and text != "None":
            make, wanted = NUMBERS[self.kind]
            try:
                make(text)
            except ValueError:
                raise UsageError(f"{name} must be {wanted}, got '{text}'") from None


def with_left_out(command: type, words: Sequence[str]) -> list[str]:
    """`words` with True behind every flag of `command` whose value is, and may be, left out."""
    endings = {flag: a.ending for a in arguments_of(command) if a.ending for flag in a.flags}
    whole = []
    for word, following in zip(words, [*words, ""][1:], strict=True):
        left_out = word in endings and not following.endswith(endings[word])
        whole += [word, str(True)] if left_out else [word]
    return whole


def check_arguments(name: str, command: type, words: Sequence[str]) -> None:
    """Raises UsageError where `words` are not what `command`, called `name`, takes."""
    known = list(arguments_of(command))
    flags = {flag: argument for argument in known for flag in argument.flags}
    places, seen, rest = [], set(), list(words)
    while rest:
        word = rest.pop(0)
        if not _is_flag(word):
            places.append(word)
            continue
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        argument = flags.get(flag)
        if argument is None:
            hint = did_you_mean(flag, flags) or f"; `nerfconvert {name} --help` lists what it takes"
            raise UsageError(f"{name} has no option {flag}{hint}")
        seen.add(argument)
        if argument.kind is bool:
            if equals:
                raise UsageError(f"{flag} takes no value, got '{value}'")
            continue
        if not equals:
            if not rest or (_is_flag(rest[0]) and rest[0].partition("=")[0] in flags):
                raise UsageError(f"{flag} needs a value: {flag} {argument.metavar}")
            value = rest.pop(0)
        argument.check(value)
    _check_places(name, [a for a in known if not a.flags], places)
    missing = [a.title for a in known if a.flags and a.required and a not in seen]
    if missing:
        raise UsageError(f"{name} needs {' and '.join(missing)}; see `nerfconvert {name} --help`")


def _check_places(name: str, known: list[Argument], words: list[str]) -> None:
    needed = [argument for argument in known if argument.required]
    if len(words) < len(needed):
        missing = " and ".join(argument.title for argument in needed[len(words) :])
        raise UsageError(f"{name} needs {missing}; see `nerfconvert {name} --help`")
    if len(words) > len(known) and not any(argument.many for argument in known):
        takes = " ".join(argument.title for argument in known) or "options only"
        extra = words[len(known)]
        raise UsageError(f"{name} takes {takes}: '{extra}' is one too many")


def arguments_of(kind: type) -> Iterator[Argument]:
    """The arguments that tyro makes of the dataclass `kind`, those of its parts included."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint, notes = hints[field.name], ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *notes = typing.get_args(hint)
        if dataclasses.is_dataclass(hint):
            yield from arguments_of(hint)
        else:
            yield _argument(field, hint, tuple(notes))


def _argument(field: dataclasses.Field, hint: Any, notes: tuple) -> Argument:
    said = next((note for note in notes if isinstance(note, type(arg()))), arg())
    values = _values(hint)
    choices = tuple(str(v) for v in values if isinstance(v, str) or v is None)
    literal = any(isinstance(v, str) for v in values)
    flag_or_text = bool if bool in values else str
    flag = "--" + (said.name or field.name).replace("_", "-")
    return Argument(
        flags=() if POSITIONAL in notes else (flag, *(said.aliases or ())),
        metavar=said.metavar or field.name.upper(),
        kind=next((v for v in values if isinstance(v, type) and v is not bool), flag_or_text),
        choices=choices if literal else (),
        required=field.default is field.default_factory is dataclasses.MISSING
        and typing.get_origin(hint) is not tuple,
        many=typing.get_origin(hint) is tuple,
        ending=next((note.ending for note in notes if isinstance(note, MayLack)), None),
    )


def _values(hint: Any) -> list[Any]:
    """What a value may be: types, literal words, None."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return [value for part in typing.get_args(hint) for value in _values(part)]
    if origin is Literal:
        return list(typing.get_args(hint))
    if origin is tuple:
        return _values(typing.get_args(hint)[0])
    return [None] if hint is type(None) else [hint]


def _is_flag(word: str) -> bool:
    return word.startswith("-") and not word[1:2].isdigit() and word not in ("-", "--")
