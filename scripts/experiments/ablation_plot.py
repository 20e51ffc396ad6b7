"""A line chart of PSNR over time, drawn with OpenCV: one colour a set of levels, one line a run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE, LEFT, RIGHT, TOP, BOTTOM = (900, 560), 70, 140, 30, 60  # pixels
COLORS = ((40, 40, 40), (180, 90, 20), (40, 140, 40), (30, 30, 200), (170, 40, 170))  # BGR
Curve = list[list[float]]  # [seconds, dB] each


def plot(curves: dict[str, list[Curve]], path: Path) -> None:
    """Writes a PNG of the runs of each name."""
    points = np.array([p for runs in curves.values() for curve in runs for p in curve])
    low, high = points.min(0), points.max(0)
    low = np.array([0.0, np.floor(low[1])])
    high = np.maximum(np.array([high[0], np.ceil(high[1])]), low + 1e-6)
    chart = Chart(low, high)
    chart.axes()
    for i, (name, runs) in enumerate(curves.items()):
        color = COLORS[i % len(COLORS)]
        for curve in runs:
            chart.line(curve, color)
        chart.text(name, (SIZE[0] - RIGHT + 12, TOP + 20 + 24 * i), color)
    cv2.imwrite(str(path), chart.image)


class Chart:
    """A white picture with axes from `low` to `high`, (seconds, dB) each."""

    def __init__(self, low: np.ndarray, high: np.ndarray):
        self.low, self.high = low, high
        self.image = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)

    def place(self, seconds: float, decibel: float) -> tuple[int, int]:
        """The pixel (column, row) of a point."""
        share = (np.array([seconds, decibel]) - self.low) / (self.high - self.low)
        column = LEFT + share[0] * (SIZE[0] - LEFT - RIGHT)
        row = SIZE[1] - BOTTOM - share[1] * (SIZE[1] - TOP - BOTTOM)
        return round(column), round(row)

    def axes(self) -> None:
        for seconds in np.linspace(self.low[0], self.high[0], 6):
            column, row = self.place(seconds, self.low[1])
            self.text(f"{seconds:.0f}", (column - 10, row + 22))
        for decibel in np.linspace(self.low[1], self.high[1], 6):
            left, right = self.place(self.low[0], decibel), self.place(self.high[0], decibel)
            cv2.line(self.image, left, right, (225, 225, 225), 1)
            self.text(f"{decibel:.1f}", (18, left[1] + 5))
        self.text("PSNR against the source, dB, over seconds", (LEFT, SIZE[1] - 12))

    def line(self, curve: Curve, color: tuple[int, int, int]) -> None:
        places = np.array([self.place(*point) for point in curve], np.int32)
        cv2.polylines(self.image, [places], False, color, 2, cv2.LINE_AA)
        for place in places.tolist():  # a run that was measured once has no line
            cv2.circle(self.image, place, 4, color, -1, cv2.LINE_AA)

    def text(self, words: str, place: tuple[int, int], color=(40, 40, 40)) -> None:
        cv2.putText(self.image, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)
