"""Compares the CUDA kernels (or, with --dev shim, the .cu files on the CPU) with the CPU library
and the torch references: values and gradients, bit for bit where that is promised; on the shim in
every order of threads."""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import torch
from stage import stage_options

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.library import load_library
from tests.cuda_ext.compiled import ORDERS, examples, ordered, results, with_sizes

TOLERANCE = 2e-5  # of the largest value
SIZES = {"cuda": (0, 1, 3, 129, 300, 20_000), "shim": (0, 1, 129)}


def moved(x: Any, device: torch.device) -> Any:
    """`x` with its tensors, also those in lists, on `device`."""
    if isinstance(x, (list, tuple)):
        return type(x)(moved(y, device) for y in x)
    return x.to(device) if isinstance(x, torch.Tensor) else x


class Comparison:
    """Collects differences and where they are too large."""

    def __init__(self):
        self.worst: dict[str, float] = {}
        self.failures: list[str] = []

    def add(self, name: str, against: str, got: list, want: list, exact: int) -> None:
        """`got` and `want` are outputs and gradients; the first `exact` must be equal."""
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            where = f"{name} against {against}, result {i}"
            if a.shape != b.shape:
                self.failures.append(f"{where}: shape {list(a.shape)}, not {list(b.shape)}")
                continue
            scale = max(1.0, float(b.abs().max())) if b.numel() else 1.0
            difference = float((a.double() - b.double()).abs().max()) / scale if b.numel() else 0.0
            kind = f"{name}, {'bits' if i < exact else 'rounding'}, {against}"
            self.worst[kind] = max(self.worst.get(kind, 0.0), difference)
            if not difference <= (0.0 if i < exact else TOLERANCE):
                self.failures.append(f"{where}: differs by {difference:.2e} of its scale")


def compare(dev: str, library: ctypes.CDLL, comparison: Comparison) -> None:
    """Adds every kernel on its examples (against both) and on other sizes (against the CPU)."""
    device = torch.device("cuda" if dev == "cuda" else "cpu")
    host = load_library("cpu")
    if host is None:
        raise SystemExit("the CPU kernels are not compiled here: nothing to compare with")
    for name, kernel in KERNELS.items():
        exact = kernel.exact_outputs
        for arguments in examples(name):
            got = moved(results(name, moved(arguments, device), library), torch.device("cpu"))
            comparison.add(name, "cpu", got, results(name, arguments, host), exact)
            with torch.no_grad():
                reference = kernel.reference(*arguments)
            reference = list(reference) if isinstance(reference, tuple) else [reference]
            comparison.add(name, "reference", got[: len(reference)], reference, 0)
        for size in SIZES[dev]:
            arguments = with_sizes(name, size)
            got = moved(results(name, moved(arguments, device), library), torch.device("cpu"))
            comparison.add(name, "cpu", got, results(name, arguments, host), exact)
        print(f"{name}: compared", flush=True)


def main() -> int:
    options = stage_options()
    torch.set_num_threads(1)
    if options.dev == "cuda":
        library = load_library("cuda")
    else:
        library = ctypes.CDLL(str(options.work / "shim.so"))
    if library is None:
        raise SystemExit("the CUDA kernels are not compiled here")
    comparison = Comparison()
    if options.dev == "cuda":
        compare(options.dev, library, comparison)
    else:
        for seed in ORDERS:
            print(f"order of seed {seed}", flush=True)
            with ordered(library, seed):
                compare(options.dev, library, comparison)
    found = {"worst": comparison.worst, "failures": comparison.failures}
    options.json.write_text(json.dumps(found))
    for kind, difference in comparison.worst.items():
        print(f"{kind:45s} {difference:.1e}", flush=True)
    for failure in comparison.failures:
        print(failure, flush=True)
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main())
