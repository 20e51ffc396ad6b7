"""Small state dicts of PVD's models, with random numbers and the program's names."""

from __future__ import annotations

import itertools

import torch

SCALE = 0.8
BOX = torch.tensor([-1.0, -1, -1, 1, 1, 1])


def joint_networks() -> dict[str, torch.Tensor]:
    sizes = {"sigma_net": (28, 64, 16), "color_net": (31, 64, 64, 3)}
    return {
        f"{name}.{i}.weight": torch.randn(rows, columns) * (2 / columns) ** 0.5
        for name, widths in sizes.items()
        for i, (columns, rows) in enumerate(itertools.pairwise(widths))
    }


def mlp_state(width: int = 24) -> dict[str, torch.Tensor]:
    sizes = [(63, width), *[(width, width)] * 3, (width + 63, width), *[(width, width)] * 2]
    layers = [*sizes, (width, 28)]
    state = joint_networks()
    for i, (columns, rows) in enumerate(layers):
        state[f"nerf_mlp.{i}.weight"] = torch.randn(rows, columns) * (2 / columns) ** 0.5
        state[f"nerf_mlp.{i}.bias"] = torch.randn(rows) * 0.1
    return state


def vm_state(size: int = 7) -> dict[str, torch.Tensor]:
    state = {n: t for n, t in joint_networks().items() if n.startswith("color")}
    for kind, count in (("sigma", 2), ("color", 3)):
        for mode in range(3):
            state[f"{kind}_mat.{mode}"] = torch.randn(1, count, size, size)
            state[f"{kind}_vec.{mode}"] = torch.randn(1, count, size, 1)
    return {**state, "basis_mat.weight": torch.randn(15, 9)}


def voxels_state(sizes: tuple[int, int, int] = (5, 5, 5)) -> dict[str, torch.Tensor]:
    """`sizes` along the program's z, y, x."""
    return {"tensor_volume.0": torch.randn(1, 28, *sizes)}


def checkpoint(state: dict, **more) -> dict:
    """What the program saves, but for what no reader needs."""
    return {"epoch": 3, "global_step": 9, "model": {"aabb_train": BOX, **state}, **more}
