"""Times nerfacc and tiny-cuda-nn, where installed, on what bench_kernels.py times ours on."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from nerfconvert.kernels.backends.nerfacc import cells_of
from nerfconvert.kernels.example_points import points_along_rays
from nerfconvert.kernels.march import shell_scene

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_kernels import Row, median_seconds
from stage import stage_options

POINTS, RAYS = 1 << 18, 65536


def nerfacc_rows(nerfacc: Any) -> Iterator[Row]:
    """March through the shell of our benchmark, and composite what it finds."""
    if importlib.util.find_spec("nerfacc.csrc") is None:
        raise RuntimeError("installed without its CUDA part, which would compile for minutes")
    generator = torch.Generator().manual_seed(0)
    eyes, ways, *_, words, step = shell_scene(generator, RAYS)
    eyes, ways = eyes.cuda(), ways.cuda()
    estimator = nerfacc.OccGridEstimator([-1.0] * 3 + [1.0] * 3, resolution=128).cuda()
    estimator.binaries.copy_(cells_of(words)[None])

    def march():
        return estimator.sampling(eyes, ways, render_step_size=step)

    rays, starts, ends = march()
    yield Row("nerfacc march", f"M rays/s ({len(rays) // RAYS} samples a ray)", RAYS / 1e6, march)
    density = (torch.rand(len(rays), generator=generator) * 20).cuda().requires_grad_()
    rgb = torch.rand(len(rays), 3, generator=generator).cuda().requires_grad_()

    def composite():
        weights = nerfacc.render_weight_from_density(
            starts, ends, density, ray_indices=rays, n_rays=RAYS
        )[0]
        middle = (starts + ends)[:, None] / 2
        values = (rgb, None, middle)
        return [nerfacc.accumulate_along_rays(weights, v, rays, RAYS) for v in values]

    yield Row("nerfacc composite forward", "M samples/s", len(rays) / 1e6, composite)
    outputs = composite()
    cotangents = [torch.ones_like(x) for x in outputs]
    yield Row(
        "nerfacc composite backward",
        "M samples/s",
        len(rays) / 1e6,
        lambda: torch.autograd.grad(outputs, [density, rgb], cotangents, retain_graph=True),
    )


def tinycudann_rows(tinycudann: Any) -> Iterator[Row]:
    """The hash grid and the 64-wide perceptron of our benchmark, in its half precision."""
    grid = {
        "otype": "HashGrid", "n_levels": 16, "n_features_per_level": 2, "log2_hashmap_size": 19,
        "base_resolution": 16, "per_level_scale": math.exp(math.log(2048 / 16) / 15),
    }  # fmt: skip
    network = {
        "otype": "FullyFusedMLP", "activation": "ReLU", "output_activation": "None",
        "n_neurons": 64, "n_hidden_layers": 2,
    }  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    parts = {
        "hash grid, random": (
            tinycudann.Encoding(3, grid),
            torch.rand(POINTS, 3, generator=generator).cuda(),
        ),
        "hash grid, ray order": (
            tinycudann.Encoding(3, grid),
            points_along_rays(generator, POINTS).cuda(),
        ),
        "mlp 32-64-64-16": (
            tinycudann.Network(32, 16, network),
            torch.randn(POINTS, 32, generator=generator).cuda(),
        ),
    }
    for name, (module, inputs) in parts.items():

        def forward(module=module, inputs=inputs):
            with torch.no_grad():
                return module(inputs)

        def both(module=module, inputs=inputs):
            return torch.autograd.grad(module(inputs).float().sum(), list(module.parameters()))

        yield Row(f"tinycudann {name} forward", "M points/s", POINTS / 1e6, forward)
        yield Row(f"tinycudann {name} forward + backward", "M points/s", POINTS / 1e6, both)


OTHERS = {"nerfacc": nerfacc_rows, "tinycudann": tinycudann_rows}


def measure(name: str, rows: Callable[[Any], Iterator[Row]]) -> dict[str, Any]:
    """Rates of one package, or why there are none."""
    if importlib.util.find_spec(name) is None:
        return {"reason": "not installed"}
    if not torch.cuda.is_available():
        return {"reason": "no CUDA device"}
    try:
        return {
            row.name: {"rate": row.millions / median_seconds(row, "cuda", 0.3), "unit": row.unit}
            for row in rows(importlib.import_module(name))
        }
    except Exception as error:  # theirs to fail, ours to say so
        return {"reason": f"{type(error).__name__}: {error}"}


def main() -> int:
    options = stage_options()
    found = {name: measure(name, rows) for name, rows in OTHERS.items()}
    options.json.write_text(json.dumps(found))
    print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
