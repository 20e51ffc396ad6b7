"""How faithfully files of other programs are read: PSNR against the images of their training.

Each row names the figure that the program's own renderer reaches, where one is known.
Run from the repository root:

    python scripts/experiments/fidelity.py [--data ../shared] [--quick] [--only lego]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import torch
from hierarchical import render_rays_hierarchical
from ndc import ndc_rays
from torch import Tensor

from nerfconvert.formats import load
from nerfconvert.formats.krrish94 import Krrish94
from nerfconvert.metrics.image_metrics import psnr
from nerfconvert.renderer.cameras import Cameras
from nerfconvert.renderer.image import render_rays
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume import Rays

NERF_PYTORCH = "checkpoints/nerf_pytorch_krrish94"
PPNG_STEP = math.sqrt(3) / 1024 / 0.33  # world units
Views = tuple[list[Rays], list[Tensor]]
Render = Callable[[Rays], Tensor]


def blender_views(folder: Path, every: int, pixel_offset: float, planar: bool) -> Views:
    """Rays and images on white. `planar`: 2 to 6 world units in depth, not along the ray."""
    document = json.loads((folder / "transforms_test.json").read_text())
    all_rays, images = [], []
    frames = [f for f in document["frames"] if (folder / f"{f['file_path']}.png").exists()]
    for frame in frames[::every]:
        pixels = cv2.imread(str(folder / f"{frame['file_path']}.png"), cv2.IMREAD_UNCHANGED)
        rgba = torch.from_numpy(pixels[..., [2, 1, 0, 3]].astype(np.float32) / 255)
        height, width = rgba.shape[:2]
        focal = 0.5 * width / math.tan(0.5 * document["camera_angle_x"])
        pose = torch.tensor([frame["transform_matrix"]])
        rays = Cameras(pose, width, height, focal, pixel_offset=pixel_offset).view_rays(0)
        if planar:
            cosine = -(rays.directions @ pose[0, :3, 2])
            rays = Rays(rays.origins, rays.directions, 2 / cosine, 6 / cosine, rays.view_directions)
        all_rays.append(rays)
        images.append(rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:])
    return all_rays, images


def llff_views(folder: Path) -> Views:
    """NDC rays and images of every 8th view, the poses recentred and scaled as NeRF does."""
    table = np.load(folder / "poses_bounds.npy")
    columns = table[:, :15].reshape(-1, 3, 5)
    files = sorted((folder / "images_8").iterdir())
    images = [cv2.imread(str(f))[..., ::-1].astype(np.float32) / 255 for f in files]
    height, width = images[0].shape[:2]
    focal = float(columns[0, 2, 4]) * width / float(columns[0, 1, 4])
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3, 0], poses[:, :3, 1] = columns[:, :, 1], -columns[:, :, 0]
    poses[:, :3, 2] = columns[:, :, 2]
    poses[:, :3, 3] = columns[:, :, 3] / (table[:, 15:].min() * 0.75)
    poses = np.linalg.inv(average_pose(poses)) @ poses
    cameras = Cameras(torch.from_numpy(poses).float(), width, height, focal, pixel_offset=0.0)
    rays = [
        ndc_rays(cameras.view_rays(v), width=width, height=height, focal=focal)
        for v in range(0, len(poses), 8)
    ]
    return rays, [torch.from_numpy(image.copy()) for image in images[::8]]


def average_pose(poses: np.ndarray) -> np.ndarray:
    """[4, 4]: mean position, mean viewing direction, mean up of [V, 4, 4]."""
    back = poses[:, :3, 2].sum(0)
    back /= np.linalg.norm(back)
    right = np.cross(poses[:, :3, 1].sum(0), back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(back, right), back
    pose[:3, 3] = poses[:, :3, 3].mean(0)
    return pose


def measure(name: str, render: Render, views: Views, reference: float | None, pixels: int) -> None:
    """Prints mean PSNR over the views and the time of one; `pixels` of each, or all for 0."""
    start, scores = time.perf_counter(), []
    for rays, image in zip(*views, strict=True):
        truth = image.view(1, -1, 3)
        if pixels:
            chosen = torch.randperm(len(rays), generator=torch.Generator().manual_seed(0))[:pixels]
            rays, truth = rays[chosen], truth[:, chosen]
        scores.append(psnr(render(rays).view(truth.shape), truth))
    seconds = (time.perf_counter() - start) / len(scores)
    mean = fmean(scores)
    beside = "" if reference is None else f"   reference {reference:.2f}: {mean - reference:+.2f}"
    print(
        f"{name:34} {len(scores):3} views {mean:7.3f} dB {seconds:6.1f} s/view{beside}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared"))
    parser.add_argument("--quick", action="store_true", help="every 5th view of lego at 400x400")
    parser.add_argument("--pixels", type=int, default=0, help="random pixels a view; 0 is all")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    options = parser.parse_args()
    root, lego = options.data, options.data / "data/nerf_synthetic"

    def hierarchical(folder: str, background: float) -> Render:
        networks = Krrish94().read_networks(next((root / NERF_PYTORCH / folder).glob("*.ckpt")))
        return lambda rays: (
            render_rays_hierarchical(
                networks["coarse"], networks["fine"], rays, background=background
            ).rgb
        )

    def marched(path: Path, step: float | None, background: float) -> Render:
        field = load(path)
        if field.occupancy.fraction() == 1:
            build_occupancy(field)
        return lambda rays: render_rays(field, rays, step=step, background=background).rgb

    every = 5 if options.quick else 1
    mlp = {name: next((root / NERF_PYTORCH / name).glob("*.ckpt")) for name in ("lego", "fern")}
    ppng = root / "checkpoints/ppng/lego"
    small = lambda: blender_views(lego / "lego", every, 0.0, True)  # noqa: E731
    large = lambda: blender_views(lego / "lego_800", 1, 0.5, False)  # noqa: E731
    fern = lambda: llff_views(root / "data/llff/fern")  # noqa: E731
    rows = {
        "krrish94 lego, 64 + 64 samples": (lambda: hierarchical("lego", 1.0), small, 26.94),
        "krrish94 lego, marched": (lambda: marched(mlp["lego"], None, 1.0), small, None),
        "krrish94 fern, 64 + 64 samples": (lambda: hierarchical("fern", 0.0), fern, 24.73),
        "krrish94 fern, marched": (lambda: marched(mlp["fern"], None, 0.0), fern, None),
        "ppng_2 lego": (lambda: marched(ppng / "ppng_2.ppng", PPNG_STEP, 1.0), large, 33.10),
        "ppng_1 lego": (lambda: marched(ppng / "ppng_1.ppng", PPNG_STEP, 1.0), large, 30.30),
    }
    for name, (render, views, reference) in rows.items():
        if options.only in name:
            measure(name, render(), views(), reference, options.pixels)


if __name__ == "__main__":
    main()
