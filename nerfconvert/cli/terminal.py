"""Terminal: documents on stdout, messages, tables and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


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
            json.dump(document, sys.stdout, indent=2, allow_nan=False)
            sys.stdout.write("\n")
            sys.stdout.flush()
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
        """A bar over the budget with rate, time left and the current PSNR."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:

            def report(progress: Any) -> None:
                rate = progress.step / max(progress.seconds, 1e-9)
                steps = f", {rate:.0f} steps/s" if progress.step else ""
                psnr = f", {progress.psnr:.2f} dB" if progress.psnr is not None else ""
                update(progress.fraction, f"{progress.stage}{steps}{psnr}")

            yield report

    @contextmanager
    def frames(self, title: str) -> Iterator[Callable[[int, int], None] | None]:
        """A bar over frames."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:
            yield lambda done, total: update(done / total, f"frame {done} of {total}")

    @contextmanager
    def runs(self, title: str) -> Iterator[Callable[[float, str], None] | None]:
        """A bar over runs of any kind, each with its own last message."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:
            yield update

    @contextmanager
    def _bar(self, title: str) -> Iterator[Callable[[float, str], None]]:
        if not self.console.is_terminal:
            yield self._lines(title)
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(title, total=1.0, note="")
            yield lambda fraction, note: bar.update(task, completed=fraction, note=note)

    def _lines(self, title: str) -> Callable[[float, str], None]:
        start = last = time.monotonic()
        begun = 0.0  # fraction that was there already: of a run that goes on

        def update(fraction: float, note: str) -> None:
            nonlocal last, begun
            now = time.monotonic()
            begun = begun or fraction
            if now - last < LINE_EVERY:
                return
            last, gained = now, fraction - begun
            left = f", {(now - start) * (1 - fraction) / gained:.0f} s left" if gained > 0 else ""
            self.say(f"{title} {fraction:.0%}{left}, {note}")

        return update
