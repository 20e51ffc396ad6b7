#!/usr/bin/env python3
"""Distillation beside training from scratch: the same network, the same clock, the same views.

    python scripts/versus_scratch.py SOURCE DATA --arch mlp --size small --at 60,120,300,600

prints one row a time: PSNR against the source and against the truth, of the network distilled
from SOURCE and of the same network trained on the images of DATA (in the box of the former, which
is a gift). `--only` runs one of the two, so that both can have a core of their own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from nerfconvert.adapters import ADAPTERS
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.descent import Hooks
from nerfconvert.distiller.images import fit_images
from nerfconvert.distiller.loop import distill
from nerfconvert.distiller.seen import keep_seen
from nerfconvert.pipelines.evaluation import Album, held_out, teaching_cameras
from nerfconvert.pipelines.files import open_field
from nerfconvert.pipelines.options import Views
from nerfconvert.pipelines.students import field_config, student_info
from nerfconvert.renderer.scene import read_scene
from nerfconvert.report.metrics import mean_psnr


def main() -> None:
    """Runs what the command line asks for; prints rows as they come, JSON lines with --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--arch", default="mlp")
    parser.add_argument("--size", default="base")
    parser.add_argument("--at", default="60,120,300,600", help="seconds, the last is the budget")
    parser.add_argument("--resolution", default="200x200")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--only", choices=("distilled", "scratch"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    device = torch.device("cpu")
    teacher = open_field(options.source, device)
    views = Views(data=options.data, resolution=options.resolution, eval_views=options.views)
    album = Album(held_out(teacher, views, options.seed))
    reference = album.photograph(teacher).images
    print(json.dumps({"source_vs_truth": mean_psnr(reference, album.evaluation.truth)}), flush=True)
    cameras = teaching_cameras(teacher, views, options.seed)
    keep_seen(teacher, cameras, options.seed)
    times = [float(t) for t in options.at.split(",")]
    config = DistillConfig(seconds=times[-1], seed=options.seed)
    for kind in (options.only,) if options.only else ("distilled", "scratch"):
        torch.manual_seed(options.seed)
        settings = field_config(options.arch, options.size, ())
        student = ADAPTERS[options.arch](settings, student_info(teacher))

        def measure(seconds: float, kind: str = kind, student=student) -> dict[str, float]:
            images = album.photograph(student).images
            row = {
                "kind": kind,
                "seconds": seconds,
                "psnr_vs_source": round(mean_psnr(images, reference), 2),
                "psnr_vs_truth": round(mean_psnr(images, album.evaluation.truth), 2),
            }
            print(json.dumps(row), flush=True)
            return row

        hooks = Hooks(checkpoints=times[:-1], on_checkpoint=measure)
        if kind == "distilled":
            distill(teacher, student, cameras, config, hooks=hooks)
        else:
            scene = read_scene(options.data, split="train", background=album.evaluation.background)
            fit_images(
                student,
                scene.cameras,
                scene.images,
                config,
                background=album.evaluation.background,
                hooks=hooks,
            )
        measure(times[-1])


if __name__ == "__main__":
    main()
