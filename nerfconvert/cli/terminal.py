"""Terminal: documents on stdout, messages, tables and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import UsageError

LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


class Terminal:
    """Everything the command line prints. rich decides about color: it honours NO_COLOR."""

    def __init__(self, *, json: bool = False, quiet: bool = False):
        from rich.console import Console

        self.json, self.quiet = json, quiet
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """A message for people."""
        if not self.quiet:
            self.console.print(message, markup=False)

    def usage(self, message: str) -> None:
        """Raises UsageError."""
        raise UsageError(message)

    def document(
        self, document: dict[str, Any], table: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        """The result: JSON on stdout when asked for, otherwise `table` of it."""
        if self.json:
            json.dump(document, sys.stdout, indent=2, allow_nan=False)
            sys.stdout.write("\n")
            sys.stdout.flush()
        elif table:
            table(document)

    def rows(self, header: list[str], rows: list[list[str]]) -> None:
        """A table with a header; columns as wide as their content."""
        from rich.table import Table

        if self.quiet:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in header:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def pairs(self, pairs: list[tuple[str, str]]) -> None:
        """Labels and values, one pair a line."""
        self.rows(["", ""], [list(pair) for pair in pairs])

    def info_table(self, document: dict[str, Any]) -> None:
        from ..report.table import bytes_figure

        for entry in document["files"]:
            shown = [("file", entry["path"])]
            for key in ("format", "architecture", "frame", "background"):
                if entry[key] is not None:
                    shown.append((key, entry[key]))
            if entry["parameters"] is not None:
                shown.append(("parameters", f"{entry['parameters']:,}"))
            if entry["bytes"] is not None:
                shown.append(("size", bytes_figure(entry["bytes"])))
            if entry["aabb"] is not None:
                low, high = (", ".join(f"{v:.4g}" for v in corner) for corner in entry["aabb"])
                shown.append(("box", f"({low}) to ({high})"))
                shown.append(("occupied", f"{entry['occupancy']:.1%}"))
            shown += [("problem", text) for text in entry["problems"]]
            self.pairs(shown)

    def receipt_table(self, receipt: dict[str, Any]) -> None:
        from ..report.table import receipt_rows

        self.pairs(receipt_rows(receipt))

    def train_table(self, document: dict[str, Any]) -> None:
        from ..report.table import figure

        curve = [
            (f"after {p['seconds']:g} s", figure(p["psnr_vs_truth"], "dB"))
            for p in document["curve"]
        ]
        psnr = figure(document["psnr_vs_truth"], "dB")
        self.pairs([*curve, ("PSNR vs truth", psnr), ("steps", f"{document['steps']:,}")])

    def compare_table(self, document: dict[str, Any]) -> None:
        from ..report.table import compare_rows

        self.rows(*compare_rows(document))

    def formats_table(self, document: dict[str, Any]) -> None:
        rows = [
            [
                entry["name"],
                entry["title"],
                "read, write" if entry["write"] else "read",
                ", ".join(entry["architectures"]),
            ]
            for entry in document["formats"]
        ]
        self.rows(["format", "", "", "architectures"], rows)
        rows = [
            [entry["name"], ", ".join(entry["sizes"]), ", ".join(entry["settings"])]
            for entry in document["architectures"]
        ]
        self.rows(["architecture", "--size", "--set"], rows)

    def doctor_table(self, document: dict[str, Any]) -> None:
        plain = ("version", "python", "system", "cpu", "threads", "cuda", "ffmpeg")
        shown = [(key, str(document[key] or "none")) for key in plain]
        shown += [(name, version or "missing") for name, version in document["packages"].items()]
        kernels = document["kernels"]
        shown.append(("kernels", kernels["isa_level"] or "references only (slow)"))
        shown.append(("cuda kernels", "compiled" if kernels["cuda_library"] else "none"))
        shown += [("problem", text) for text in document["problems"]]
        self.pairs(shown)

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[Any], None] | None]:
        """A bar over the budget with rate, time left and the current PSNR."""
        if self.quiet:
            yield None
            return
        with self._bar(title) as update:

            def report(progress: Any) -> None:
                rate = progress.step / max(progress.seconds, 1e-9)
                psnr = f", {progress.psnr:.2f} dB" if progress.psnr is not None else ""
                update(progress.fraction, f"{progress.stage}, {rate:.0f} steps/s{psnr}")

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

        def update(fraction: float, note: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < LINE_EVERY:
                return
            last = now
            left = (now - start) * (1 - fraction) / max(fraction, 1e-6)
            self.say(f"{title} {fraction:.0%}, {left:.0f} s left, {note}")

        return update
