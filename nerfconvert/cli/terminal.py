"""Terminal: documents on stdout, messages, tables and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .standard_streams import printing

LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal
LIVE = "on view 1"  # what the live PSNR is of
WORTH_SAYING = 20.0  # seconds of frames from which on people want to know beforehand
Update = Callable[..., None]  # (fraction, note, seconds left)


class Terminal:
    """Everything the command line prints. rich decides about color: it honours NO_COLOR."""

    def __init__(self, *, json: bool = False, quiet: bool = False):
        from rich.console import Console

        self.json, self.quiet = json, quiet
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console.width = 120  # a log has no edge

    def say(self, message: str) -> None:
        """A message for people."""
        if not self.quiet:
            self.console.print(message, markup=False)

    def document(
        self,
        document: dict[str, Any],
        tables: Callable[[dict[str, Any]], list[tuple[list[str], list[list[str]]]]] | None = None,
    ) -> None:
        """The result: JSON on stdout when asked for, otherwise the `tables` of it."""
        if self.json:
            with printing():
                json.dump(document, sys.stdout, indent=2, allow_nan=False)
                sys.stdout.write("\n")
        elif tables and not self.quiet:
            for header, rows in tables(document):
                self._table(header, rows)

    def _table(self, header: list[str], rows: list[list[str]]) -> None:
        from rich.markup import escape
        from rich.table import Table

        table = Table(
            box=None, pad_edge=False, header_style="bold", show_header=any(header), title=None
        )
        for title in header:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[Any], None] | None]:
        """A bar over all of a command's time, with what it does, rate, time left and live PSNR."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:

            def report(progress: Any) -> None:
                rate = progress.step / max(progress.seconds, 1e-9)
                steps = f", {rate:.0f} steps/s" if progress.step else ""
                psnr = progress.psnr
                live = f", {psnr:.1f} dB {LIVE}" if psnr is not None and psnr < 99 else ""
                update(progress.fraction, f"{progress.stage}{steps}{live}", progress.left)

            yield report

    @contextmanager
    def frames(self, title: str, before: str) -> Iterator[Callable[[int, int], None] | None]:
        """A bar over frames. What the rest will take is said after the second: `before` the first
        other things happen, and it warms up. The first need not be number 1."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:
            warm, first = 0.0, 0
            update(0.0, before)

            def report(done: int, total: int) -> None:
                nonlocal warm, first
                if not first:
                    warm, first = time.monotonic(), done
                    update(done / total, f"frame {done} of {total}")
                    return
                left = (time.monotonic() - warm) * (total - done) / (done - first)
                if done == first + 1 and left > WORTH_SAYING:
                    self.say(f"{total - done} more frames will take about {duration(left)}")
                update(done / total, f"frame {done} of {total}", left)

            yield report

    @contextmanager
    def runs(self, title: str) -> Iterator[Callable[[float, str], None] | None]:
        """A bar over runs of any kind, each with its own last message."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:
            yield update

    @contextmanager
    def _bar(self, title: str) -> Iterator[Update]:
        if not self.console.is_terminal:
            yield self._lines(title)
            return
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(title, total=1.0, note="", left="")

            def update(fraction: float, note: str, left: float | None = None) -> None:
                shown = f"{duration(left)} left" if left is not None else ""
                bar.update(task, completed=fraction, note=note, left=shown)

            yield update

    def _lines(self, title: str) -> Update:
        last = time.monotonic()

        def update(fraction: float, note: str, left: float | None = None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < LINE_EVERY:
                return
            last = now
            shown = f", {duration(left)} left" if left is not None else ""
            self.say(f"{title} {fraction:.0%}{shown}, {note}")

        return update


def duration(seconds: float) -> str:
    """'42 s', '3:07 min' or '2:05 h'."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 100:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"
