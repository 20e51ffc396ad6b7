"""Times each kernel against its torch reference, beside sgemm and a memory copy of this machine.

    python scripts/bench_kernels.py [--threads 2] [--device cpu] [--only march] [--json out.json]

Medians of wall time; on a busy machine only the ratios mean anything.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from nerfconvert.kernels.accelerators import use_accelerator
from nerfconvert.kernels.backend import backend_info, use_backend
from nerfconvert.kernels.composite import composite
from nerfconvert.kernels.draw_weighted import draw_weighted
from nerfconvert.kernels.factor_lookup import factor_lookup
from nerfconvert.kernels.fused_mlp import fused_mlp
from nerfconvert.kernels.hash_encode import hash_encode, level_layout
from nerfconvert.kernels.march import march
from nerfconvert.kernels.rmsprop_rows import rmsprop_rows
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics
from nerfconvert.kernels.voxel_lookup import first_rows, pack_vertices, voxel_lookup

Row = tuple[str, str, float, Callable[[], object]]  # name, unit, millions of items, what to time
MLPS = {
    "mlp 32-64-16": (32, 64, 16),
    "mlp 32-64-64-16": (32, 64, 64, 16),
    "mlp 32-64-64-3": (32, 64, 64, 3),
    "mlp 63-128x3-128": (63, 128, 128, 128, 128),
    "mlp 63-256x8": (63, *[256] * 8),
}


def median_seconds(run: Callable[[], object], device: str, budget: float) -> float:
    """Median wall time of `run`: at most 11 runs, at least 2, about `budget` seconds."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < budget and len(times) < 12):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def machine_rows(device: str) -> Iterator[Row]:
    """What the machine can do at best: sgemm and a copy."""
    a = torch.randn(1024, 1024, device=device)
    yield "sgemm 1024", "GFLOP/s", 2e-3 * 1024**3 / 1e6, lambda: a @ a
    source = torch.randn(1 << 25, device=device)
    target = torch.empty_like(source)
    yield "copy 128 MiB", "GB/s", 2e-3 * 4 * 2**25 / 1e6, lambda: target.copy_(source)


def ray_points(n: int, device: str, generator: torch.Generator) -> torch.Tensor:
    """[n, 3] unit-cube points in the order in which rays of 32 samples visit them."""
    draw = torch.rand(n // 32, 2, 3, generator=generator)
    t = torch.linspace(0, 1, 32)[None, :, None] * 0.2
    points = draw[:, :1] + t * torch.nn.functional.normalize(draw[:, 1:] - draw[:, :1], dim=-1)
    return points.clamp(0, 1).reshape(-1, 3).to(device)


def hash_rows(device: str, generator: torch.Generator, n: int) -> Iterator[Row]:
    layout = [x.to(device) for x in level_layout(16, 16, 2048, 19)]
    table = torch.randn(int(layout[0][-1]), 2, generator=generator).to(device)
    table = table.requires_grad_()
    orders = {
        "random": torch.rand(n, 3, generator=generator).to(device),
        "ray order": ray_points(n, device, generator),
    }
    for order, unit in orders.items():
        yield (
            f"hash_encode forward, {order}",
            "M points/s",
            n / 1e6,
            lambda unit=unit: hash_encode(unit, table.detach(), *layout),
        )
        if device == "cuda":

            def in_half(unit=unit):
                with torch.no_grad(), use_accelerator("half", unit.device):
                    return hash_encode(unit, table, *layout)

            yield f"hash_encode forward in half precision, {order}", "M points/s", n / 1e6, in_half
        features = hash_encode(unit, table, *layout)
        cotangent = torch.randn(features.shape, generator=generator).to(device)
        yield (
            f"hash_encode backward, {order}",
            "M points/s",
            n / 1e6,
            lambda f=features, c=cotangent: torch.autograd.grad(f, table, c, retain_graph=True),
        )


def mlp_rows(device: str, generator: torch.Generator, flops: float) -> Iterator[Row]:
    for name, widths in MLPS.items():
        weights = [
            (torch.randn(o, i, generator=generator) / i**0.5).to(device).requires_grad_()
            for i, o in itertools.pairwise(widths)
        ]
        biases = [torch.zeros(o, device=device, requires_grad=True) for o in widths[1:]]
        cost = 6 * sum(w.numel() for w in weights)
        n = max(2048, min(1 << 18, int(flops / cost) // 1024 * 1024))
        inputs = torch.randn(n, widths[0], generator=generator).to(device).requires_grad_()
        cotangent = torch.randn(n, widths[-1], generator=generator).to(device)

        def forward(inputs=inputs, weights=weights, biases=biases):
            with torch.no_grad():
                return fused_mlp(inputs, weights, biases)

        def both(inputs=inputs, weights=weights, biases=biases, cotangent=cotangent):
            out = fused_mlp(inputs, weights, biases)
            return torch.autograd.grad(out, [inputs, *weights, *biases], cotangent)

        yield f"{name} forward", f"M points/s ({cost / 3e3:.1f} kFLOP)", n / 1e6, forward
        yield f"{name} forward + backward", f"M points/s ({cost / 1e3:.1f} kFLOP)", n / 1e6, both


def shell(resolution: int, device: str) -> torch.Tensor:
    """Occupancy words of a spherical shell that fills about 4 % of the cells."""
    axis = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    b = resolution // 4
    cells = ((radius > 0.68) & (radius < 0.735)).view(b, 4, b, 4, b, 4)
    cells = cells.permute(0, 2, 4, 1, 3, 5).reshape(b**3, 64).long()
    return (cells << torch.arange(64)).sum(1).to(device)


def ray_rows(device: str, generator: torch.Generator, rays: int) -> Iterator[Row]:
    words = shell(128, device)
    eye = torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator), dim=-1) * 3
    target = torch.rand(rays, 3, generator=generator) * 1.4 - 0.7
    directions = torch.nn.functional.normalize(target - eye, dim=-1)
    eye, directions = eye.to(device), directions.to(device)
    near, far = eye.new_zeros(rays), eye.new_full((rays,), 1e6)
    box = eye.new_full((3,), -1.0), eye.new_full((3,), 1.0)
    step = 2 * math.sqrt(3) / 1024
    scene = (eye, directions, near, far, *box, words, step)
    t_starts, _, offsets = march(*scene)
    unit = f"M rays/s ({round(len(t_starts) / rays)} samples a ray)"
    yield "march", unit, rays / 1e6, lambda: march(*scene)
    n = len(t_starts)
    density = (torch.rand(n, generator=generator) * 20).to(device).requires_grad_()
    rgb = torch.rand(n, 3, generator=generator).to(device).requires_grad_()
    packed = t_starts + step / 2, torch.full_like(t_starts, step), offsets
    yield (
        "composite forward",
        "M samples/s",
        n / 1e6,
        lambda: composite(density.detach(), rgb.detach(), *packed),
    )
    outputs = composite(density, rgb, *packed)[:3]
    cotangents = [torch.randn(x.shape, generator=generator).to(device) for x in outputs]
    yield (
        "composite backward",
        "M samples/s",
        n / 1e6,
        lambda: torch.autograd.grad(outputs, [density, rgb], cotangents, retain_graph=True),
    )


def sh_rows(device: str, generator: torch.Generator, n: int) -> Iterator[Row]:
    directions = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1)
    directions = directions.to(device)
    run = lambda: spherical_harmonics(directions, 4)  # noqa: E731
    yield "spherical_harmonics degree 4", "M points/s", n / 1e6, run


def voxel_rows(device: str, generator: torch.Generator, n: int) -> Iterator[Row]:
    """A shell of 4 % of 256^3 vertices, 28 channels, points of rays that graze it."""
    axis = torch.linspace(-1, 1, 257)
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    words = pack_vertices((radius > 0.66) & (radius < 0.715))
    first = first_rows(words)
    stored = int(first[-1])
    table = torch.randn(stored, 28, generator=generator).to(device).requires_grad_()
    bricks = words.to(device), first.to(device), 256
    normal = torch.nn.functional.normalize(torch.randn(n // 32, 3, generator=generator), dim=-1)
    along = torch.linalg.cross(normal, normal.roll(1, 1))
    t = torch.linspace(-0.05, 0.05, 32)[None, :, None]
    unit = (0.69 * normal[:, None] + t * along[:, None]).reshape(-1, 3).to(device) / 2 + 0.5
    yield (
        "voxel_lookup forward",
        "M points/s",
        n / 1e6,
        lambda: voxel_lookup(unit, table.detach(), *bricks),
    )
    features = voxel_lookup(unit, table, *bricks)
    cotangent = torch.randn(features.shape, generator=generator).to(device)
    for name, out in (("", features), (", sparse", voxel_lookup(unit, table, *bricks, True))):
        run = lambda out=out: torch.autograd.grad(out, table, cotangent, retain_graph=True)  # noqa: E731
        yield f"voxel_lookup backward{name}", "M points/s", n / 1e6, run
    part = torch.randperm(stored, generator=generator)[: stored // 20].sort().values.to(device)
    step = table.detach(), torch.ones_like(table), table.detach()[part], part, 1e-3, 0.99, 1
    unit = f"M rows/s (28 channels, of {stored / 1e6:.1f} M)"
    yield "rmsprop_rows", unit, len(part) / 1e6, lambda: rmsprop_rows(*step)


def factor_rows(device: str, generator: torch.Generator, n: int) -> Iterator[Row]:
    """TensoRF's sizes: VM of 16 + 48 components at 300^3, CP of 96 + 288 at 500^3."""
    unit = ray_points(n, device, generator)
    for name, size, width, n_planes in (("vm", 300, 64, 3), ("cp", 500, 384, 0)):
        shapes = [(size, size, width)] * n_planes + [(size, width)] * 3
        factors = [torch.randn(s, generator=generator).to(device).requires_grad_() for s in shapes]
        planes, lines = factors[:n_planes], factors[n_planes:]
        plain = [p.detach() for p in planes], [x.detach() for x in lines]
        yield (
            f"factor_lookup {name} forward",
            "M points/s",
            n / 1e6,
            lambda plain=plain: factor_lookup(unit, *plain),
        )
        features = factor_lookup(unit, planes, lines)
        cotangent = torch.randn(features.shape, generator=generator).to(device)
        yield (
            f"factor_lookup {name} backward",
            "M points/s",
            n / 1e6,
            lambda f=features, x=factors, c=cotangent: torch.autograd.grad(
                f, x, c, retain_graph=True
            ),
        )


def draw_rows(device: str, generator: torch.Generator, n: int) -> Iterator[Row]:
    """A step's draws: a few thousand from the samples of a bank's lesson."""
    weights = torch.rand(n, generator=generator).to(device)
    draws = torch.rand(4096, generator=generator, dtype=torch.float64).to(device)
    run = lambda: draw_weighted(weights, draws)  # noqa: E731
    yield "draw_weighted, 4096 draws", f"M draws/s ({n} weights)", 4096 / 1e6, run


def rows(device: str, scale: float) -> Iterator[Row]:
    generator = torch.Generator().manual_seed(0)
    points = int((1 << 18) * scale) // 32 * 32
    yield from machine_rows(device)
    yield from hash_rows(device, generator, points)
    yield from mlp_rows(device, generator, 2e10 * scale)
    yield from ray_rows(device, generator, int(65536 * scale))
    yield from sh_rows(device, generator, points * 4)
    yield from voxel_rows(device, generator, points)
    yield from factor_rows(device, generator, points)
    yield from draw_rows(device, generator, points)


def measure(backend: str, device: str, scale: float, only: str, budget: float) -> dict[str, dict]:
    """Millions of items a second of every row under one backend."""
    results = {}
    with use_backend(backend):
        for name, unit, amount, run in rows(device, scale):
            if only in name:
                seconds = median_seconds(run, device, budget)
                results[name] = {"rate": amount / seconds, "unit": unit}
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
    print("| kernel | native | reference | ratio | unit |\n| --- | ---: | ---: | ---: | --- |")
    for name, row in native.items():
        slow = reference.get(name, {}).get("rate")
        row["reference"] = slow
        shown = f"{slow:.3g} | {row['rate'] / slow:.1f}" if slow else "- | -"
        print(f"| {name} | {row['rate']:.3g} | {shown} | {row['unit']} |")
    if options.json:
        result = {"backend": backend_info(), "load": load, "rows": native}
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
