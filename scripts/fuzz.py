#!/usr/bin/env python3
"""Mutates a small file of every format and looks for one that is not refused as it should be.

    python scripts/fuzz.py --minutes 2 [--format pvd] [--mutations 1000] [--seed 7] [-o findings]

A finding is a crash, 5 s of a processor, memory beyond twice the file and 200 MB, an exception that
is no FormatError, code that is run, and a field that does not render or shows NaN. The first file
of each kind of finding is kept in the folder of -o. Exit code 1 where there are findings.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nerfconvert.formats import FORMATS
from scripts.fuzzing.judge import Answer, Judge
from scripts.fuzzing.mutations import mutated
from tests.formats.files import write_sample


@dataclass(frozen=True)
class Tried:
    """A mutated file of a format, and what became of it."""

    format: str
    content: bytes
    answer: Answer


def tried(
    formats: list[str], mutations: int, seed: int, until: float, judge: Judge
) -> Iterator[Tried]:
    """Up to `mutations` files of each format, one of each in turn, while it is before `until`
    (seconds of the monotonic clock). The same `seed` gives the same files."""
    with tempfile.TemporaryDirectory() as folder:
        samples = {}
        for name in formats:
            path = write_sample(name, Path(folder))
            samples[name] = path.read_bytes()
            if (answer := judge(path)).verdict != "read":
                yield Tried(name, samples[name], answer)
            path.unlink()
        for number in range(mutations):
            for name, sample in samples.items():
                if time.monotonic() > until:
                    return
                content = mutated(sample, random.Random(f"{seed} {name} {number}"))
                path.write_bytes(content)
                yield Tried(name, content, judge(path))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--format", action="append", choices=list(FORMATS), help="default: all")
    parser.add_argument("--mutations", type=int, default=1 << 40, help="of each format, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path("findings"))
    options = parser.parse_args()
    counts: dict[str, Counter] = {}
    most: dict[str, float] = {}  # MB that a file of each format took
    kinds: Counter = Counter()
    until = time.monotonic() + 60 * options.minutes
    with Judge() as judge:
        chosen = options.format or list(FORMATS)
        for found in tried(chosen, options.mutations, options.seed, until, judge):
            counts.setdefault(found.format, Counter())[found.answer.verdict] += 1
            most[found.format] = max(most.get(found.format, 0.0), found.answer.mb)
            if found.answer.verdict == "finding":
                kind = f"{found.format}: {found.answer.what}"
                kinds[kind] += 1
                if kinds[kind] == 1:
                    options.output.mkdir(parents=True, exist_ok=True)
                    path = options.output / f"{found.format}-{len(kinds):03d}"
                    path.write_bytes(found.content)
                    print(f"{path}: {found.answer.what} ({found.answer.mb:.0f} MB)", flush=True)
    print("| format | files | read | refused | findings | MB at most |\n|---|---|---|---|---|---|")
    for name, count in counts.items():
        cells = (
            sum(count.values()),
            count["read"],
            count["refused"],
            count["finding"],
            round(most[name]),
        )
        print(f"| {name} | {' | '.join(map(str, cells))} |")
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
