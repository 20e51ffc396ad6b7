#!/usr/bin/env python3
"""Tells what targets of a conversion got wrong: density, which is shape, or color.

    python scripts/experiments/shape_or_color.py SOURCE TARGET... --data SCENE --size 400

Every TARGET is rendered as it is, with the density of SOURCE and its own color, and the other way
round; PSNR is against SOURCE, over `--views` test views on white. All three show what lies in the
occupied cells of the target, with its steps; both fields are bounded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from nerfconvert import load
from nerfconvert.metrics.image_metrics import psnr
from nerfconvert.renderer.image import default_step, render_samples
from nerfconvert.renderer.march import march_rays
from nerfconvert.renderer.scene import read_scene
from nerfconvert.volume import RadianceField, Rays

CHUNK = 1 << 14  # rays at once


@torch.no_grad()
def render(
    cells: RadianceField, shape: RadianceField, paint: RadianceField, rays: Rays, step: float
) -> Tensor:
    """[R, 3] on white, of the density of `shape` and the color of `paint`, in the occupied cells of
    `cells`."""
    parts = []
    for start in range(0, len(rays), CHUNK):
        part = rays[start : start + CHUNK]
        samples = march_rays(cells, part, step)
        positions = samples.positions(part)
        color = paint.color(paint.encode(positions), part.view_directions[samples.ray_indices])
        density = shape.density_at(positions)
        density = density * shape.occupancy.query(shape.aabb.to_unit(positions))
        given = density.nan_to_num(0.0), color.nan_to_num(0.0), samples
        parts.append(render_samples(*given, 1.0).rgb)
    return torch.cat(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("targets", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--views", type=int, default=2)
    options = parser.parse_args()
    size = (options.size, options.size)
    scene = read_scene(
        options.data, split="test", views=options.views, resolution=size, images=False
    )
    source = load(options.source)
    print("| target | as it is | density of the source | color of the source |")
    print("| --- | --- | --- | --- |")
    for path in options.targets:
        target, found = load(path), []
        step = default_step(target)
        for view in range(len(scene.cameras)):
            rays = scene.cameras.view_rays(view, 0.0)
            truth = render(source, source, source, rays, step).view(*size, 3)
            pairs = (target, target), (source, target), (target, source)
            shown = (render(target, *pair, rays, step).view(*size, 3) for pair in pairs)
            found.append([psnr(image, truth) for image in shown])
        means = (sum(column) / len(column) for column in zip(*found, strict=True))
        print(f"| {path.stem} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |", flush=True)


if __name__ == "__main__":
    main()
