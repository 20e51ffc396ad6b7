"""Image panes with labels, in rows and grids; error and depth as colors, with their scale."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

STRIP, SECOND = 28, 18  # pixels of the label above each pane, and of its second line
GAP = 4  # pixels between panes
WIDEST = 3840  # pixels of a grid: what players of H.264 show
INK, PALE, PAPER = (235, 235, 235), (170, 170, 170), (24, 24, 24)
FONT = cv2.FONT_HERSHEY_SIMPLEX
ERROR, DEPTH = cv2.COLORMAP_INFERNO, cv2.COLORMAP_TURBO
ERROR_LIMIT = 0.25  # of sRGB: errors from here on look alike


def to_bytes(image: Tensor) -> np.ndarray:
    """[H, W, 3] uint8 of an image [H, W, 3] in [0, 1]."""
    return (image.clamp(0, 1) * 255).round().byte().cpu().numpy()


def heat_map(image: Tensor, reference: Tensor) -> np.ndarray:
    """`error_colors`, with the scale and its two ends in the lower left corner."""
    return _scale(error_colors(image, reference), ERROR, "0", f"{ERROR_LIMIT:g}")


def error_colors(image: Tensor, reference: Tensor) -> np.ndarray:
    """[H, W, 3] uint8: mean absolute error over channels; black 0, bright yellow from `ERROR_LIMIT`
    on."""
    error = (image - reference).abs().mean(-1).cpu().numpy()
    return _colored(error / ERROR_LIMIT, ERROR)


def depth_map(
    depth: np.ndarray, opacity: np.ndarray, ends: tuple[float, float], background: float
) -> np.ndarray:
    """[H, W, 3] uint8 of mean distances `depth` [H, W]: blue at the nearer of `ends`, red at the
    farther one, on a gray level where `opacity` [H, W] is below one half. With its scale."""
    near, far = ends
    colored = _colored((depth - near) / max(far - near, 1e-9), DEPTH)
    colored[opacity < 0.5] = round(255 * background)
    return _scale(colored, DEPTH, f"{near:.3g}", f"{far:.3g}")


def pane(image: np.ndarray, title: str, note: str = "", subtitle: str = "") -> np.ndarray:
    """`image` [H, W, 3] uint8 under a strip with `title` on the left and `note` on the right, and
    `subtitle`, if any, in a line of its own.

    Text shrinks until it fits; a title or subtitle that still does not fit is cut.
    """
    width = image.shape[1]
    strip = np.full((STRIP + (SECOND if subtitle else 0), width, 3), PAPER, np.uint8)
    scale, title, ends = _fitted(title, note, width)
    _write(strip, title, (4, 19), scale)
    _write(strip, note, (width - ends - 4, 19), scale)
    if subtitle:
        scale, subtitle, _ = _fitted(subtitle, "", width)
        _write(strip, subtitle, (4, STRIP + 10), min(scale, 0.4), PALE)
    return np.concatenate([strip, image])


def _fitted(title: str, note: str, width: int) -> tuple[float, str, int]:
    """Scale of the letters, as much of `title` as fits beside `note`, and the note's width."""
    for scale in (0.45, 0.4, 0.35):
        ends = _text_width(note, scale)
        if _text_width(title, scale) + ends + 16 <= width:
            return scale, title, ends
    while title and _text_width(title, scale) + ends + 16 > width:
        title = title[:-1]
    return scale, title, ends


def grid(rows: Sequence[Sequence[np.ndarray]], widest: int = WIDEST) -> np.ndarray:
    """Rows of panes, all of one width and those of a row of one height, below each other. Shorter
    rows are filled on the left. More columns than fit into `widest` pixels go on below."""
    rows = [row for row in rows if row]
    columns, width = max(map(len, rows)), rows[0][0].shape[1]
    blanks = [np.full_like(row[0], PAPER[0]) for row in rows]
    full = [[blank] * (columns - len(row)) + list(row) for blank, row in zip(blanks, rows)]
    count = max(1, (widest + GAP) // (width + GAP))
    stacked = []
    for start in range(0, columns, count):
        for blank, row in zip(blanks, full):
            part = row[start : start + count]
            part += [blank] * (min(count, columns) - len(part))
            stacked += [side_by_side(part)]
    gap = np.full((GAP, stacked[0].shape[1], 3), PAPER, np.uint8)
    return np.concatenate([part for row in stacked for part in (gap, row)][1:])


def side_by_side(panes: Sequence[np.ndarray]) -> np.ndarray:
    """Panes of one height in a row, with a gap between them."""
    heights = {p.shape[0] for p in panes}
    if len(heights) != 1:
        raise ValueError(f"panes must share one height, got {sorted(heights)}")
    gap = np.full((heights.pop(), GAP, 3), PAPER, np.uint8)
    row = [panes[0]]
    for following in panes[1:]:
        row += [gap, following]
    return np.concatenate(row, axis=1)


def _colored(levels: np.ndarray, colors: int) -> np.ndarray:
    """[H, W, 3] uint8 of `levels` [H, W] in [0, 1] on one of OpenCV's color maps."""
    steps = (np.clip(levels, 0, 1) * 255).round().astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(steps, colors), cv2.COLOR_BGR2RGB)


def _scale(image: np.ndarray, colors: int, low: str, high: str) -> np.ndarray:
    """`image` with a bar of `colors` between its two ends in the lower left corner, on paper;
    images that are too small for it stay as they are."""
    height, width = image.shape[:2]
    ends = [_text_width(text, 0.35) for text in (low, high)]
    if height < 48 or width < sum(ends) + 64 + 24:
        return image
    top, left = height - 12, ends[0] + 10
    image[top - 4 : height, : left + 64 + ends[1] + 12] = PAPER
    image[top - 1 : top + 7, left - 1 : left + 65] = INK
    image[top : top + 6, left : left + 64] = _colored(np.linspace(0, 1, 64)[None], colors)
    _write(image, low, (4, height - 5), 0.35)
    _write(image, high, (left + 70, height - 5), 0.35)
    return image


def _text_width(text: str, scale: float) -> int:
    return cv2.getTextSize(_plain(text), FONT, scale, 1)[0][0]


def _write(image: np.ndarray, text: str, corner: tuple[int, int], scale: float, ink=INK) -> None:
    cv2.putText(image, _plain(text), corner, FONT, scale, ink, 1, cv2.LINE_AA)


def _plain(text: str) -> str:
    """ASCII: the Hershey fonts hold nothing else, and OpenCV crashes on names that are no UTF-8."""
    return text.encode("ascii", "replace").decode()
