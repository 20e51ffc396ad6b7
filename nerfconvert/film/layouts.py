"""Layouts: how the pictures of a frame stand beside or on each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..renderer.panes import INK, pane

WIPE = 72  # frames in which the line goes there and back
BLINK = 12  # frames that each of two pictures is seen


@dataclass(frozen=True)
class Shot:
    """One picture [H, W, 3] uint8 and its label."""

    image: np.ndarray
    title: str
    subtitle: str
    note: str

    def pane(self) -> np.ndarray:
        return pane(self.image, self.title, self.note, self.subtitle)


Layout = Callable[[Shot, Sequence[Shot], int], list[np.ndarray]]


def side_by_side(reference: Shot, others: Sequence[Shot], frame: int) -> list[np.ndarray]:
    """A pane for the reference, and one for each of the others."""
    return [shot.pane() for shot in (reference, *others)]


def wipe(reference: Shot, others: Sequence[Shot], frame: int) -> list[np.ndarray]:
    """A pane for each of the others: the reference left of a line that goes there and back."""
    width = reference.image.shape[1]
    edge = round(width * (0.5 + 0.5 * math.sin(2 * math.pi * frame / WIPE)))
    panes = []
    for other in others:
        image = np.concatenate([reference.image[:, :edge], other.image[:, edge:]], 1)
        image[:, max(0, edge - 1) : edge + 1] = INK
        title = f"{reference.title} | {other.title}"
        panes.append(pane(image, title, other.note, other.subtitle))
    return panes


def blink(reference: Shot, others: Sequence[Shot], frame: int) -> list[np.ndarray]:
    """A pane for each of the others, which takes turns with the reference."""
    first = frame // BLINK % 2 == 0
    return [(reference if first else other).pane() for other in others]


LAYOUTS: dict[str, Layout] = {"side-by-side": side_by_side, "wipe": wipe, "blink": blink}
