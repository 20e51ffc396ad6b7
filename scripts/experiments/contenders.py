#!/usr/bin/env python3
"""Ways to the same network, beside each other: the same clock, the same pixels.

    python scripts/experiments/contenders.py SOURCE DATA --arch mlp --at 60,120 -o out.jsonl

One row a way and time: PSNR against the source and against the photographs, over every `--every`th
pixel of rows and columns of the held-out views (foggy networks are slow to render). The ways:
`fast`, `pvd`, `pvd-al` distil SOURCE; `train` is ours from the photographs; `nerf` is the
procedure of the NeRF paper. All get the source's occupied box, a gift to the last two. `--only`
runs some of them, so that two runs can have a core each.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from original_nerf import fit_original
from torch import Tensor

from nerfconvert.adapters import ADAPTERS
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.recipes import RECIPES
from nerfconvert.distiller.train_images import train_images
from nerfconvert.distiller.trainer import Hooks
from nerfconvert.distiller.visibility_pruning import prune_unseen
from nerfconvert.metrics.evaluation import background_of, teaching_cameras
from nerfconvert.options.groups import Views, parse_resolution
from nerfconvert.renderer.image import render_rays
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.renderer.scene import read_scene
from nerfconvert.runtime.inputs import open_field
from nerfconvert.students.presets import field_config
from nerfconvert.students.student_box import student_info
from nerfconvert.volume import RadianceField, Rays

WAYS = (*RECIPES, "train", "nerf")


class Pixels:
    """Some pixels of held-out photographs, and what the source shows there."""

    def __init__(self, source: RadianceField, options: argparse.Namespace, background: float):
        scene = read_scene(
            options.data,
            split="test",
            views=options.views,
            resolution=parse_resolution(options.resolution),
            background=background,
        )
        rows = torch.arange(options.every // 2, scene.cameras.height, options.every)
        columns = torch.arange(options.every // 2, scene.cameras.width, options.every)
        grid = torch.cartesian_prod(rows, columns)
        self.background = background
        self.rays: list[Rays] = []
        for view in range(len(scene.cameras)):
            views = torch.full((len(grid),), view)
            self.rays.append(scene.cameras.rays_at(views, grid[:, 1] + 0.5, grid[:, 0] + 0.5))
        self.truth = scene.images[:, grid[:, 0], grid[:, 1]]
        self.source = self.of(source)

    def of(self, field: RadianceField) -> Tensor:
        """[V, P, 3], rounded as an image file would be."""
        seen = [render_rays(field, rays, background=self.background).rgb for rays in self.rays]
        return (torch.stack(seen).clamp(0, 1) * 255).round() / 255


def psnr(a: Tensor, b: Tensor) -> float:
    """dB of each view, averaged."""
    errors = (a - b).square().mean((1, 2)).tolist()
    return sum(-10 * math.log10(max(error, 1e-10)) for error in errors) / len(errors)


class Setting:
    """A source, the pixels that it is measured on, and students of it."""

    def __init__(self, options: argparse.Namespace, seed: int):
        self.options = options
        self.teacher = open_field(options.source, torch.device("cpu"))
        self.background = background_of(self.teacher, None)
        self.pixels = Pixels(self.teacher, options, self.background)
        self.cameras = teaching_cameras(self.teacher, Views(data=options.data), seed)
        prune_unseen(self.teacher, self.cameras, seed)
        self.settings = field_config(options.arch, options.size, options.set)

    def new(self, seed: int) -> RadianceField:
        """A network with first weights by `seed`, the same for all ways."""
        torch.manual_seed(seed)
        return ADAPTERS[self.options.arch](self.settings, student_info(self.teacher))


class Race(Setting):
    """What all ways share."""

    def __init__(self, options: argparse.Namespace):
        super().__init__(options, options.seed)
        self.at = [float(t) for t in options.at.split(",")]
        self.scene = read_scene(options.data, split="train", background=self.background)

    def run(self, way: str) -> None:
        """Runs one way to its end; a row at each time."""
        seed, student = self.options.seed, self.new(self.options.seed)
        config = DistillConfig(seconds=self.at[-1], seed=seed)
        if way == "nerf":
            self._original(student, seed)
            return
        measure = self._measure(way, student)
        at = self.at[:-1]
        hooks = Hooks(checkpoints=at, on_checkpoint=lambda now: measure(now.seconds))
        if way == "train":
            images, background = self.scene.images, self.background
            student.start_coarse()
            train_images(
                student, self.scene.cameras, images, config, background=background, hooks=hooks
            )
        else:
            distill(self.teacher, student, self.cameras, config, recipe=way, hooks=hooks)
        measure(self.at[-1])

    def _original(self, fine: RadianceField, seed: int) -> None:
        measure = self._measure("nerf", fine)

        def find_and_measure(seconds: float) -> None:
            build_occupancy(fine, resolution=64)
            measure(seconds)

        fit_original(
            self.new(seed + 1), fine, self.scene.cameras, self.scene.images, self.at,
            find_and_measure, rays=self.options.nerf_rays, background=self.background,
            seed=seed,
        )  # fmt: skip

    def _measure(self, way: str, student: RadianceField) -> Callable[[float], None]:
        def measure(seconds: float) -> None:
            start = time.monotonic()
            seen = self.pixels.of(student)
            self.write(
                way=way,
                seed=self.options.seed,
                seconds=round(seconds, 1),
                psnr_vs_source=round(psnr(seen, self.pixels.source), 2),
                psnr_vs_truth=round(psnr(seen, self.pixels.truth), 2),
                measured_in_s=round(time.monotonic() - start, 1),
            )

        return measure

    def write(self, **row: str | float) -> None:
        """A JSON line for people and for the file."""
        line = json.dumps(row)
        print(line, flush=True)
        with open(self.options.output, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="rows are added to it")
    parser.add_argument("--arch", default="mlp")
    parser.add_argument("--size", default="base")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--at", default="60,120,300,600", help="seconds, the last is the budget")
    parser.add_argument("--resolution", default="400x400")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--nerf-rays", type=int, default=256, help="rays a step of `nerf`")
    parser.add_argument("--seed", type=int, default=0)
    race = Race(parser.parse_args())
    source = psnr(race.pixels.source, race.pixels.truth)
    race.write(way="source", seconds=0.0, psnr_vs_truth=round(source, 2))
    for way in race.options.only.split(","):
        race.run(way)


if __name__ == "__main__":
    main()
