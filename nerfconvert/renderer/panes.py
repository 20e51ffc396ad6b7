"""Image panes with labels side by side, and heat maps of the error."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

STRIP = 28  # pixels of the label above each pane
GAP = 4  # pixels between panes
INK, PAPER = (235, 235, 235), (24, 24, 24)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def to_bytes(image: Tensor) -> np.ndarray:
    """[H, W, 3] uint8 of an image [H, W, 3] in [0, 1]."""
    return (image.clamp(0, 1) * 255).round().byte().cpu().numpy()


def heat_map(image: Tensor, reference: Tensor, *, limit: float = 0.25) -> np.ndarray:
    """[H, W, 3] uint8: mean absolute error over channels; black 0, bright yellow >= `limit`.

    A legend with the two ends of the scale is drawn in the lower left corner.
    """
    error = (image - reference).abs().mean(-1).cpu().numpy()
    levels = (np.clip(error / limit, 0, 1) * 255).round().astype(np.uint8)
    colored = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return _legend(colored, limit)


def pane(image: np.ndarray, title: str, note: str = "") -> np.ndarray:
    """`image` [H, W, 3] uint8 under a strip with `title` on the left and `note` on the right.

    Text shrinks until it fits; a title that still does not fit is cut.
    """
    width = image.shape[1]
    strip = np.full((STRIP, width, 3), PAPER, np.uint8)
    for scale in (0.45, 0.4, 0.35):
        ends = [_text_width(text, scale) for text in (title, note)]
        if sum(ends) + 16 <= width:
            break
    while title and _text_width(title, scale) + ends[1] + 16 > width:
        title = title[:-1]
    _write(strip, title, (4, 19), scale)
    _write(strip, note, (width - ends[1] - 4, 19), scale)
    return np.concatenate([strip, image])


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


def _legend(image: np.ndarray, limit: float) -> np.ndarray:
    height, width = image.shape[:2]
    if height < 48 or width < 96:
        return image
    bar = np.linspace(0, 255, 64).round().astype(np.uint8)[None].repeat(6, 0)
    colors = cv2.cvtColor(cv2.applyColorMap(bar, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    top = height - 12
    image[top - 1 : top + 7, 15:81] = INK
    image[top : top + 6, 16:80] = colors
    _write(image, "0", (4, height - 5), 0.35)
    if width >= 120:
        _write(image, f"{limit:g}", (84, height - 5), 0.35)
    return image


def _text_width(text: str, scale: float) -> int:
    return cv2.getTextSize(_plain(text), FONT, scale, 1)[0][0]


def _write(image: np.ndarray, text: str, corner: tuple[int, int], scale: float) -> None:
    cv2.putText(image, _plain(text), corner, FONT, scale, INK, 1, cv2.LINE_AA)


def _plain(text: str) -> str:
    """ASCII: the Hershey fonts hold nothing else, and OpenCV crashes on names that are no UTF-8."""
    return text.encode("ascii", "replace").decode()
