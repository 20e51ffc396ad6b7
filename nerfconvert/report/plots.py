"""Plots as SVG in a page's own colors, light or dark. matplotlib draws them: the extra `report`."""

from __future__ import annotations

import importlib.util
import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

NO_MATPLOTLIB = "not drawn: it needs matplotlib (pip install matplotlib)"
# What stands in the SVG for a color that the page's style sheet decides.
INK, SOFT, LINE, ACCENT, WARM = "#010101", "#020202", "#030303", "#040404", "#050505"
MARKS = [f"#0606{number:02}" for number in range(6)]  # of categories, in turn
VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", ACCENT: "accent", WARM: "warm"}
VARIABLES |= {color: f"mark{number}" for number, color in enumerate(MARKS)}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nerfconvert",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
}
SIZE = (5.4, 2.8)  # inches
Point = tuple[float, float]


def curve_plot(
    source: Sequence[Point], truth: Sequence[Point], stages: Sequence[tuple[str, float, float]]
) -> Markup | None:
    """PSNR over seconds: (s, dB) against the source and, where there are any, the photographs;
    stages as (name, start, end) in seconds. None without matplotlib."""

    def draw(axes: Any) -> None:
        for name, start, end in stages:
            axes.axvline(start, color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.annotate(
                name, (start, 1), (4, -2), va="top", color=SOFT, fontsize=8,
                xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            )  # fmt: skip
            axes.axvspan(start, end, color=LINE, alpha=0.12, linewidth=0)
        lines = [(source, ACCENT, "the source"), (truth, WARM, "the photographs")]
        lines = [line for line in lines if line[0]]
        highest = max(points[-1][1] for points, _, _ in lines)
        for points, color, label in lines:
            axes.plot(*zip(*points), color=color, marker="o", markersize=3.5, linewidth=1.6)
            axes.annotate(
                f"{points[-1][1]:.2f} to\n{label}", points[-1], (7, 0), color=color,
                va="bottom" if points[-1][1] == highest else "top", textcoords="offset points",
            )  # fmt: skip
        axes.set_xlim(0, 1.25 * max(points[-1][0] for points, _, _ in lines))
        axes.margins(y=0.2)
        axes.set_xlabel("seconds of distillation")
        axes.set_ylabel("PSNR, dB")

    return _svg(draw)


def rate_plot(points: Sequence[tuple[float, float, float, str, str]]) -> Markup | None:
    """Bytes against PSNR in dB, one (bytes, dB, seconds a frame, source, target) a mark: its area
    is the seconds, its color the target, its label the source. None without matplotlib."""
    slowest = max((point[2] for point in points), default=1.0)
    targets = list(dict.fromkeys(point[4] for point in points))

    def draw(axes: Any) -> None:
        for number, target in enumerate(targets):
            color = MARKS[number % len(MARKS)]
            own = [point for point in points if point[4] == target]
            axes.scatter(
                [p[0] / 1e6 for p in own], [p[1] for p in own],
                s=[12 + 260 * p[2] / slowest for p in own],
                facecolor=color, edgecolor=color, alpha=0.5, linewidth=1,
            )  # fmt: skip
            _name_beside(axes, number, target, color)
            for size, level, _, source, _ in own:
                axes.annotate(
                    source, (size / 1e6, level), (6, 4), color=SOFT, fontsize=6.5,
                    textcoords="offset points", parse_math=False,
                )  # fmt: skip
        _logarithmic(axes)
        axes.margins(x=0.12, y=0.15)
        axes.set_xlabel("size of the file, MB")
        axes.set_ylabel("PSNR to the source, dB")

    return _svg(draw)


def budget_plot(
    lines: Sequence[tuple[str, Sequence[Point], Sequence[Point]]], source: float | None
) -> Markup | None:
    """PSNR in dB over seconds of runs that end there: (name, converted, trained) a color, what is
    trained dashed; `source` is the PSNR of what was converted. None without matplotlib."""

    def draw(axes: Any) -> None:
        if source is not None:
            axes.axhline(source, color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.annotate(
                "the source", (0, source), (4, 3), color=SOFT, fontsize=8,
                xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            )  # fmt: skip
        for number, (name, *kinds) in enumerate(lines):
            color = MARKS[number % len(MARKS)]
            for points, style, mark in zip(kinds, ("-", (0, (4, 3))), ("o", "s")):
                if points:
                    axes.plot(
                        *zip(*points), color=color, linestyle=style, marker=mark, markersize=3.5,
                        linewidth=1.4,
                    )  # fmt: skip
            _name_beside(axes, number, name, color)
        _logarithmic(axes)
        axes.set_xticks(sorted({p[0] for line in lines for points in line[1:] for p in points}))
        axes.margins(x=0.06, y=0.1)
        axes.set_xlabel("seconds (dashed: trained from the photographs)")
        axes.set_ylabel("PSNR to the photographs, dB")

    return _svg(draw)


def _name_beside(axes: Any, number: int, name: str, color: str) -> None:
    """The legend's line `number`, right of the axes."""
    axes.annotate(
        f"● {name}", (1.02, 1 - 0.08 * number), color=color, va="top",
        xycoords="axes fraction", parse_math=False,
    )  # fmt: skip


def _logarithmic(axes: Any) -> None:
    """A logarithmic axis of x, with 1, 2 and 5 of each decade in plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _svg(draw: Callable[[Any], None]) -> Markup | None:
    """What `draw` puts into axes, as an SVG that fills its place; labels in it are escaped."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that its own fonts lack
        figure = Figure(figsize=SIZE, layout="constrained")
        draw(figure.subplots())
        stream = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = re.sub(r' (xmlns(:\w+)?|width|height)="[^"]*"', "", text[text.index("<svg") :], count=4)
    for color, name in VARIABLES.items():
        text = text.replace(color, f"var(--{name})")
    return Markup(text)
