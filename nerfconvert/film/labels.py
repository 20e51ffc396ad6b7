"""Labels: what the panes of a film say of each field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..students.sizes import bytes_figure


@dataclass(frozen=True)
class Label:
    """`title`: a name that no other field of the film has; `subtitle`: program, architecture and
    size of the file."""

    title: str
    subtitle: str


NAMES: tuple[Callable[[Path], str], ...] = (
    lambda path: path.stem,
    lambda path: path.name,
    lambda path: f"{path.parent.name}/{path.stem}",
    lambda path: f"{path.parent.name}/{path.name}",
)


def labels(files: Sequence[Mapping[str, Any]]) -> list[Label]:
    """Labels of `files`, each a block of a receipt. Names are as short as tells them apart, or
    numbered where nothing does."""
    paths = [Path(file["path"]).absolute() for file in files]
    for name in NAMES:
        titles = [name(path) for path in paths]
        if len(set(titles)) == len(titles):
            break
    else:
        titles = [f"{number} {title}" for number, title in enumerate(titles, 1)]
    return [Label(title, _subtitle(file)) for title, file in zip(titles, files, strict=True)]


def _subtitle(file: Mapping[str, Any]) -> str:
    kinds = dict.fromkeys((file["format"], file["architecture"]))  # one name may be both
    return ", ".join((*kinds, bytes_figure(file["bytes"])))
