"""Times frames of fields by two checkouts in turn, and compares what they show.

    python scripts/bench_frames.py BEFORE AFTER --data SCENE [--size 400] FIELD...

BEFORE and AFTER are folders of the project, each with its kernels built. Both open FIELD in a
process of their own and render the first test view by turns. The least processor time of
`--repeats` frames counts on one thread, because a busy machine changes it less, else wall time.
With `--fast` AFTER renders as `render --fast` does: networks in bfloat16.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LEVEL = 1 / 255  # of 8 bits


class Worker:
    """A process that renders one view of a field by a checkout, as often as it is asked."""

    def __init__(
        self, checkout: Path, field: Path, options: argparse.Namespace, image: Path, fast: bool
    ):
        self.image = image
        command = [sys.executable, __file__, "--worker", str(image), "--data", str(options.data)]
        command += ["--size", str(options.size), "--threads", str(options.threads), str(field)]
        command += ["--fast"] if fast else []
        known = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(options.threads)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=os.environ | known
        )

    def render(self) -> float:
        """Seconds of one frame; `picture` has it."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def picture(self) -> np.ndarray:
        return np.load(self.image)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def work(options: argparse.Namespace) -> None:
    """Renders a frame for every line of the input and prints its seconds."""
    import torch

    from nerfconvert import load, render_image
    from nerfconvert.renderer.scene import read_scene

    torch.set_num_threads(options.threads)
    size = (options.size, options.size)
    scene = read_scene(options.data, split="test", views=3, resolution=size, images=False)
    field = load(options.fields[0]).requires_grad_(False)  # as the command line has it
    clock = time.process_time if options.threads == 1 else time.perf_counter
    how = {"fast": True} if options.fast else {}  # older checkouts do not know it
    for _ in sys.stdin:
        begun = clock()
        image = render_image(field, scene.cameras, 0, **how)
        seconds = clock() - begun
        np.save(options.worker, image.numpy())
        print(seconds, flush=True)


def compare(options: argparse.Namespace, field: Path) -> str:
    """A line of the table: milliseconds of both, their ratio, and how far their pictures differ."""
    with tempfile.TemporaryDirectory() as folder:
        pair = [
            Worker(checkout, field, options, Path(folder) / f"{i}.npy", options.fast and i == 1)
            for i, checkout in enumerate((options.before, options.after))
        ]
        seconds = [[worker.render() for worker in pair] for _ in range(options.repeats + 1)]
        for worker in pair:
            worker.close()
        first, second = (worker.picture() for worker in pair)
    before, after = (1e3 * min(column) for column in zip(*seconds[1:], strict=True))
    error = np.abs(first - second).max(-1)
    share, worst = float((error > LEVEL).mean()), float(error.max()) / LEVEL
    figures = f"{before:.0f} | {after:.0f} | {before / after:.2f} | {share:.4%} | {worst:.2f}"
    return f"| {field.stem} | {figures} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, nargs="?")
    parser.add_argument("after", type=Path, nargs="?")
    parser.add_argument("fields", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--fast", action="store_true", help="AFTER in bfloat16")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args()
    if options.worker:
        options.fields = [options.before]
        work(options)
        return
    clock = "processor" if options.threads == 1 else "wall"
    print(
        f"{options.size}x{options.size}, {options.threads} threads, least {clock} time of a frame"
    )
    print("| field | before, ms | after, ms | ratio | pixels off by > 1/255 | farthest, 1/255 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for field in options.fields:
        print(compare(options, field), flush=True)


if __name__ == "__main__":
    main()
