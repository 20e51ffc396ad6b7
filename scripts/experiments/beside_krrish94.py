#!/usr/bin/env python3
"""Times a frame of a krrish94/nerf-pytorch checkpoint by its own program and by ours, in turns.

    python scripts/experiments/beside_krrish94.py PROGRAM CHECKPOINT DATA --size 100

PROGRAM is a checkout of the original (it needs PyYAML), DATA a NeRF-Synthetic scene. Both render
the first test view, ours as it is and with `--fast`; PSNR is against its photograph. Its
`torchsearchsorted` is torch's own `searchsorted` here, which does the same.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import Tensor

from nerfconvert import load, render_image
from nerfconvert.metrics.image_metrics import mean_psnr
from nerfconvert.renderer.scene import Scene, read_scene


def original(program: Path, checkpoint: Path, scene: Scene) -> Callable[[], Tensor]:
    """Renders the first view of `scene` as the program's `eval_nerf.py` does."""
    stand_in = types.ModuleType("torchsearchsorted")
    stand_in.searchsorted = lambda cdf, u, side: torch.searchsorted(cdf, u, side=side)
    sys.modules["torchsearchsorted"] = stand_in
    sys.path.insert(0, str(program))
    import nerf

    config = nerf.CfgNode(yaml.safe_load((checkpoint.parent / "config.yml").read_text()))
    saved, networks, encodings = torch.load(checkpoint, "cpu"), [], []
    for name in ("coarse", "fine"):
        weights, chosen = saved[f"model_{name}_state_dict"], config.models[name]
        network = nerf.models.FlexibleNeRFModel(
            num_layers=sum(key.startswith("layers_xyz.") for key in weights) // 2 + 1,
            hidden_size=len(weights["layer1.weight"]),
            num_encoding_fn_xyz=chosen.num_encoding_fn_xyz,
            num_encoding_fn_dir=chosen.num_encoding_fn_dir,
        )
        network.load_state_dict(weights)
        networks.append(network.eval())
    for octaves in (chosen.num_encoding_fn_xyz, chosen.num_encoding_fn_dir):
        encodings.append(nerf.get_embedding_function(octaves, True, True))
    cameras = scene.cameras
    shape = cameras.height, cameras.width, float(torch.as_tensor(cameras.focal).flatten()[0])
    pose = cameras.poses[0, :3, :4]

    @torch.no_grad()
    def render() -> Tensor:
        rays = nerf.get_ray_bundle(*shape, pose)
        pictures = nerf.run_one_iter_of_nerf(
            *shape, *networks, *rays, config, "validation", *encodings
        )
        return pictures[3][..., :3]

    return render


def main() -> None:
    """Prints median seconds and PSNR of all, and how much faster than the original each is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("program", "checkpoint", "data"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    size = (options.size, options.size)
    scene = read_scene(options.data, split="test", views=1, resolution=size, background=1.0)
    theirs = original(options.program, options.checkpoint, scene)
    ours = functools.partial(
        render_image, load(options.checkpoint), scene.cameras, 0, background=1.0
    )
    fast = functools.partial(ours, fast=True)
    seconds: dict[Callable, list[float]] = {theirs: [], ours: [], fast: []}
    pictures = {}
    for _ in range(options.repeats + 1):
        for way, spent in seconds.items():
            begun = time.perf_counter()
            pictures[way] = way()
            spent.append(time.perf_counter() - begun)
    medians = {way: statistics.median(spent[1:]) for way, spent in seconds.items()}
    for name, way in (("original", theirs), ("ours", ours), ("ours, --fast", fast)):
        found = mean_psnr(pictures[way][None], scene.images[:1])
        ratio = f"{medians[theirs] / medians[way]:.1f} times as fast"
        print(f"{name}: {medians[way]:.3f} s, {found:.2f} dB, {ratio}")


if __name__ == "__main__":
    main()
