"""Times the training of students by two checkouts in turn, in samples a second, and their PSNR.

    python scripts/bench_steps.py BEFORE AFTER FIELD --data SCENE [--to mlp --to vm:small]

BEFORE and AFTER are folders of the project, each with its kernels built. FIELD is converted by both
by turns, `--rounds` times. The start is not counted: a sample is one of a gradient step. Medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ALL = ("hashgrid", "mlp", "tensorial", "vm", "cp")


def receipt(checkout: Path, target: str, options: argparse.Namespace, folder: Path) -> dict:
    """What `convert` of a checkout writes of one run to `target`, an architecture or, with its
    size, ARCH:SIZE."""
    architecture, _, size = target.partition(":")
    output = folder / f"{checkout.resolve().name}.safetensors"
    command = [sys.executable, "-m", "nerfconvert", "convert", "--to", architecture]
    command += [*(["--size", size] if size else []), str(options.field.resolve()), str(output)]
    command += ["--seconds", str(options.seconds), "--data", str(options.data.resolve())]
    command += ["--eval-views", "4", "--resolution", "200x200", "--overwrite", "--json"]
    known = {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": str(options.threads)}
    quiet = {"capture_output": True, "text": True}
    # in the folder of nothing else: `python -m` looks there first
    done = subprocess.run(command, env=os.environ | known, cwd=folder, **quiet)
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def rate(found: dict[str, Any]) -> float:
    """Samples of gradient steps a second."""
    time = found["time"]
    return time["samples"] / (time["distill_s"] - time["initialise_s"])


def compare(target: str, options: argparse.Namespace, folder: Path) -> str:
    """A line of the table: thousands of samples a second of both, their ratio, and the PSNR."""
    pairs = [
        [receipt(checkout, target, options, folder) for checkout in (options.before, options.after)]
        for _ in range(options.rounds)
    ]
    rates = [[rate(found) for found in pair] for pair in pairs]
    before, after = (statistics.median(column) / 1e3 for column in zip(*rates, strict=True))
    ratio = statistics.median(second / first for first, second in rates)
    levels = (
        statistics.median(pair[i]["quality"]["psnr_target_vs_source"] for pair in pairs)
        for i in range(2)
    )
    shown = " | ".join(f"{level:.1f}" for level in levels)
    return f"| {target} | {before:.0f} | {after:.0f} | {ratio:.2f} | {shown} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("field", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", action="append", help="ARCH or ARCH:SIZE; by default all five")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.seconds:g} s, {options.threads} threads, medians of {options.rounds} rounds")
    print("| target | before, 1000 samples/s | after | ratio | before, dB | after, dB |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for target in options.to or ALL:
            print(compare(target, options, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
