"""Pictures for a page: WebP as data URIs, as good as a number of bytes allows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

BUDGET = 3_300_000  # bytes of all pictures of a page; base64 makes 4.4 MB of them
LOSSLESS = 101  # as OpenCV calls it
# (pixels of the longer side, quality), from the best on; None: as it is.
STEPS = ((None, LOSSLESS), (None, 92), (800, 85), (640, 80), (480, 75), (320, 70), (160, 50))
MARGIN = 1.2  # other views may take more than the first


@dataclass(frozen=True)
class Encoded:
    """Data URIs of V rows of pictures, and in words how they were made smaller."""

    rows: list[list[str]]
    how: str


def encode_rows(rows: Sequence[Sequence[np.ndarray]], budget: int = BUDGET) -> Encoded:
    """Every picture [H, W, 3] uint8 of `rows` as WebP, in the best quality in which all of them
    take at most `budget` bytes; in the worst there is, where none does."""
    for side, quality in STEPS:
        last = (side, quality) == STEPS[-1]
        first = [webp(picture, side, quality) for picture in rows[0]]
        if not last and sum(map(len, first)) * len(rows) > MARGIN * budget:
            continue
        encoded = [first, *([webp(p, side, quality) for p in row] for row in rows[1:])]
        if last or sum(len(data) for row in encoded for data in row) <= budget:
            break
    return Encoded([[_uri(data) for data in row] for row in encoded], _words(side, quality))


def webp(picture: np.ndarray, side: int | None, quality: int) -> bytes:
    """[H, W, 3] uint8 as WebP, its longer side at most `side` pixels."""
    height, width = picture.shape[:2]
    scale = 1.0 if side is None else side / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    colors = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".webp", colors, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode()


def _words(side: int | None, quality: int) -> str:
    if quality == LOSSLESS:
        return "Pictures are exact (lossless WebP)"
    size = "" if side is None else f" of at most {side} pixels a side"
    return f"Pictures are WebP{size}, quality {quality}; figures are of the originals"
