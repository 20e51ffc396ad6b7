"""Times each kernel against its torch reference and against what this machine can do at best.

    python scripts/bench_kernels.py [--threads 2] [--device cpu] [--only march] [--json out.json]

Medians of wall time; on a busy machine only the ratios mean anything. The bound of a call is the
longer of two times: its products at the rate of sgemm, and all its points, results and lines of
tables at that of a copy. Networks that stay in the cache, and tables that do, go beyond it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.backends import BACKENDS
from nerfconvert.kernels.dispatch import backend_info, use_backend
from nerfconvert.kernels.kernel import Kernel, Timing

SGEMM, COPY = "sgemm 1024", "copy 128 MiB"


@dataclass(frozen=True)
class Work:
    """What a call has to do at least."""

    flops: float = 0.0
    bytes: float = 0.0  # of points, results, gradients and lines of tables

    def seconds(self, rates: dict[str, float]) -> float:
        """The bound on a machine with these `rates` of SGEMM and COPY, in 1e9 a second."""
        return max(self.flops / rates[SGEMM], self.bytes / rates[COPY]) / 1e9


@dataclass(frozen=True)
class Row:
    """One line of the table: what to time, how many millions of what it computes, and what of it
    has a bound."""

    name: str
    unit: str
    millions: float
    run: Callable[[], object]
    work: Work = Work()
    prepare: Callable[[], object] = lambda: None  # before each run, not timed


def median_seconds(row: Row, device: str, budget: float) -> float:
    """Median wall time of a row's run: at most 11 runs, at least 2, about `budget` seconds."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < budget and len(times) < 12):
        row.prepare()
        settle(device)
        start = time.perf_counter()
        row.run()
        settle(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def settle(device: str) -> None:
    """Waits until a GPU has done what it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()


def machine_rows(device: str) -> Iterator[Row]:
    """What the machine can do at best: sgemm and a copy."""
    a = torch.randn(1024, 1024, device=device)
    yield Row(SGEMM, "GFLOP/s", 2e-3 * 1024**3 / 1e6, lambda: a @ a)
    source = torch.randn(1 << 25, device=device)
    target = torch.empty_like(source)
    yield Row(COPY, "GB/s", 2e-3 * 4 * 2**25 / 1e6, lambda: target.copy_(source))


def placed(x: Any, device: str, leaf: bool) -> Any:
    """`x` on `device`; its tensors, also those in a list, are leaves that take gradients."""
    if isinstance(x, list):
        return [placed(y, device, leaf) for y in x]
    return x.to(device).requires_grad_(leaf) if isinstance(x, torch.Tensor) else x


def kernel_rows(kernel: Kernel, timing: Timing, device: str, others: tuple[str, ...]) -> list[Row]:
    """The forward pass, by `others` among the backends too, and the backward pass."""
    arguments = [
        placed(x, device, i in kernel.differentiable) for i, x in enumerate(timing.arguments)
    ]
    name = f", {timing.name}" if timing.name else ""
    counted = timing.unit, timing.items / 1e6

    def forward(backend: str = ""):
        chosen = use_backend(backend) if backend else contextlib.nullcontext()
        with torch.no_grad(), chosen:
            return kernel.fast(*arguments)

    changed = [arguments[i] for i in kernel.in_place]
    kept = [x.clone() for x in changed]

    def restore() -> None:
        for x, y in zip(changed, kept, strict=True):
            x.copy_(y)

    there, back = work_of(kernel, timing, arguments, forward())
    rows = [Row(f"{kernel.name} forward{name}", *counted, forward, there, restore)]
    for other in others:
        in_other = f"{kernel.name} forward in {other}{name}"
        rows.append(Row(in_other, *counted, partial(forward, other), there, restore))
    if kernel.differentiable:
        run = backward(kernel, arguments)
        rows.append(Row(f"{kernel.name} backward{name}", *counted, run, back))
    return rows


def work_of(kernel: Kernel, timing: Timing, arguments: list[Any], outputs: Any) -> list[Work]:
    """What a forward and a backward pass have to do."""
    results = size(outputs)
    points = size([arguments[i] for i in kernel.per_point if i not in kernel.in_place])
    grads = size([arguments[i] for i in kernel.differentiable])
    streamed = points if kernel.in_place else points + results
    return [
        Work(timing.flops, streamed + timing.gathered),
        Work(2 * timing.flops, results + grads + 2 * timing.gathered),
    ]


def size(x: Any) -> int:
    """Bytes of all tensors in `x`."""
    if isinstance(x, (list, tuple)):
        return sum(map(size, x))
    return x.numel() * x.element_size() if isinstance(x, torch.Tensor) else 0


def backward(kernel: Kernel, arguments: list[Any]) -> Callable[[], object]:
    """Gradients of a forward pass that has been made."""
    groups = [arguments[i] for i in kernel.differentiable]
    leaves = [x for group in groups for x in (group if isinstance(group, list) else [group])]
    outputs = kernel.fast(*arguments)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    cotangents = [torch.randn_like(x) for x in outputs]
    return lambda: torch.autograd.grad(outputs, leaves, cotangents, retain_graph=True)


def ours_on_cuda(kernel: str) -> tuple[str, ...]:
    """Backends without a package of others that run this kernel on CUDA in a way of their own."""
    return tuple(
        name
        for name, backend in BACKENDS.items()
        if backend.cuda_only and not backend.package and kernel in backend.implementations
    )


def rows(device: str, scale: float, native: bool) -> Iterator[Row]:
    generator = torch.Generator().manual_seed(0)
    points = int((1 << 18) * scale) // 32 * 32
    yield from machine_rows(device)
    for kernel in KERNELS.values():
        others = ours_on_cuda(kernel.name) if native and device == "cuda" else ()
        for timing in kernel.calls(generator, points):
            yield from kernel_rows(kernel, timing, device, others)


def measure(backend: str, device: str, scale: float, only: str, budget: float) -> dict[str, dict]:
    """Millions of items a second of every row under one backend, and which part of its bound."""
    results: dict[str, dict] = {}
    machine: dict[str, float] = {}
    with use_backend(backend):
        for row in rows(device, scale, backend == "native"):
            if row.name not in (SGEMM, COPY) and only not in row.name:
                continue
            seconds = median_seconds(row, device, budget)
            results[row.name] = {"rate": row.millions / seconds, "unit": row.unit}
            if row.name in (SGEMM, COPY):
                machine[row.name] = row.millions / seconds
            else:
                results[row.name]["of_bound"] = row.work.seconds(machine) / seconds
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--budget", type=float, default=1.0, help="seconds a row")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of points")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    arguments = options.device, options.only, options.budget
    native = measure("native", arguments[0], options.scale, *arguments[1:])
    reference = {}
    if not options.no_reference:
        slower = options.scale / 8 if options.device == "cpu" else options.scale
        reference = measure("reference", arguments[0], slower, *arguments[1:])
    load = os.getloadavg()[0]
    print(f"{options.threads} threads, load {load:.1f}, {backend_info()}")
    print("| kernel | native | of its bound | reference | ratio | unit |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for name, row in native.items():
        slow = row["reference"] = reference.get(name, {}).get("rate")
        part = f"{row['of_bound']:.0%}" if "of_bound" in row else "-"
        shown = f"{slow:.3g} | {row['rate'] / slow:.1f}" if slow else "- | -"
        print(f"| {name} | {row['rate']:.3g} | {part} | {shown} | {row['unit']} |")
    if options.json:
        result = {"backend": backend_info(), "load": load, "rows": native}
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
