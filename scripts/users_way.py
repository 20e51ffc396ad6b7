#!/usr/bin/env python3
"""The way that a user goes: one field into the files of other programs, each opened again.

    python scripts/users_way.py lego.ckpt -o way --seconds 60

converts SOURCE to every file below, compares what was written with SOURCE on the same held-out
views, and prints a Markdown table: file, architecture, bytes, dB, seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# name of the file, and what it is converted to where the file leaves a choice
FILES = {
    "out.safetensors": ["--to", "hashgrid"],
    "out.tar": [],
    "out.ingp": ["--size", "instant-ngp"],
    "out.pth": ["--size", "torch-ngp"],
    "out.th": ["--to", "vm"],
    "out.npz": [],
    "out.ppng": [],
}


def nerfconvert(*words: str) -> dict[str, Any]:
    """The document that a command prints with --json. Raises CalledProcessError."""
    argv = [sys.executable, "-m", "nerfconvert", *words, "--json"]
    return json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)


def row(
    source: Path, target: Path, asked: list[str], seconds: float, views: list[str]
) -> list[str]:
    """A line of the table: the conversion to `target`, and the comparison of the file itself."""
    words = ["convert", str(source), str(target), *asked, "--seconds", f"{seconds:g}", "-w", *views]
    receipt = nerfconvert(*words)
    folder = str(target.with_suffix("")) + "-compared"
    compared = nerfconvert(
        "compare", str(source), str(target), "-o", folder, "--frames", "0", "-w", *views
    )
    written = compared["fields"][1]
    return [
        f"`{target.suffix}` ({written['format']})",
        written["architecture"],
        f"{written['bytes']:,}",
        f"{written['psnr_vs_first']:.2f}",
        f"{receipt['time']['total_s']:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the files")
    parser.add_argument("--seconds", type=float, default=60, help="of each conversion")
    parser.add_argument("--data", type=Path, help="cameras of the comparison")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    views = ["--eval-views", "4"] + (["--data", str(options.data)] if options.data else [])
    print(
        "| file | architecture | bytes | dB against the source | seconds |\n|---|---|---|---|---|"
    )
    for name, asked in FILES.items():
        cells = row(options.source, options.output / name, asked, options.seconds, views)
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
