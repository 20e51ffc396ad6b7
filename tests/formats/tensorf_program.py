"""TensoRF's mathematics in numpy float64, and checkpoints, from a description of the program."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
import torch

PLANES, LINES = ((0, 1), (0, 2), (1, 2)), (2, 1, 0)
BOX = [[-1.1, -0.7, 0.2], [0.9, 1.3, 1.5]]
SIZES = [9, 7, 6]


def made(
    planes=True, shading="MLP_Fea", width=5, density=(2, 4, 1), app=(3, 1, 4), **changes
) -> dict:
    """A checkpoint with random numbers, in a grid whose cells are no cubes."""
    kwargs = {
        "aabb": torch.tensor(BOX),
        "gridSize": SIZES,
        "density_n_comp": list(density),
        "appearance_n_comp": list(app),
        "app_dim": width,
        "density_shift": -1,
        "alphaMask_thres": 0.0001,
        "distance_scale": 25,
        "rayMarch_weight_thres": 0.0001,
        "fea2denseAct": "softplus",
        "near_far": [2.0, 6.0],
        "step_ratio": 0.5,
        "shadingMode": shading,
        "pos_pe": 6,
        "view_pe": 3,
        "fea_pe": 2,
        "featureC": 16,
        **changes,
    }
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return 0.7 * torch.randn(*shape, generator=generator)

    state = OrderedDict()
    for kind, counts in (("density", density), ("app", app)):
        for mode in range(3):
            count = counts[mode] if planes else counts[0]
            first, second = PLANES[mode]
            if planes:
                state[f"{kind}_plane.{mode}"] = draw(1, count, SIZES[second], SIZES[first])
            state[f"{kind}_line.{mode}"] = draw(1, count, SIZES[LINES[mode]], 1)
    state["basis_mat.weight"] = draw(width, sum(app) if planes else app[0])
    if shading.startswith("MLP"):
        octaves = 2 * width * kwargs["fea_pe"] if shading == "MLP_Fea" else 0
        sizes = [width + 3 + octaves + 6 * kwargs["view_pe"], 16, 16, 3]
        for layer in range(3):
            state[f"renderModule.mlp.{2 * layer}.weight"] = draw(sizes[layer + 1], sizes[layer])
            state[f"renderModule.mlp.{2 * layer}.bias"] = draw(sizes[layer + 1])
    return {"kwargs": kwargs, "state_dict": state}


def with_mask(checkpoint: dict, mask: np.ndarray, box=BOX) -> dict:
    """The checkpoint with an alpha mask [Z, Y, X] bool over `box`."""
    return {
        **checkpoint,
        "alphaMask.shape": (1, 1, *mask.shape),
        "alphaMask.mask": np.packbits(mask.reshape(-1)),
        "alphaMask.aabb": torch.tensor(box),
    }


def interpolated(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """[C, N] of values [C, *sizes] at positions [N, D] in units of samples; zeros beyond."""
    total = 0.0
    values = np.pad(values, [(0, 0), *[(1, 1)] * positions.shape[1]])
    sizes = np.array(values.shape[1:])
    positions = np.clip(positions + 1, 0, sizes - 1)
    cell = np.minimum(np.floor(positions).astype(int), sizes - 2)
    for corner in np.ndindex(*(2,) * positions.shape[1]):
        weight = np.prod(np.abs(1 - np.array(corner) - (positions - cell)), axis=1)
        total = total + weight * values[(slice(None), *(cell + corner).T)]
    return total


def waves(values: np.ndarray, octaves: int) -> list[np.ndarray]:
    phases = (values[:, :, None] * 2.0 ** np.arange(octaves)).reshape(len(values), -1)
    return [np.sin(phases), np.cos(phases)]


def harmonics(d: np.ndarray) -> np.ndarray:
    x, y, z = d.T
    c1, c2 = math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    zonal = math.sqrt(5 / (16 * math.pi)) * (2 * z * z - x * x - y * y)
    first = [np.full_like(x, math.sqrt(1 / (4 * math.pi))), -c1 * y, c1 * z, -c1 * x]
    second = [c2 * x * y, -c2 * y * z, zonal, -c2 * x * z, c2 / 2 * (x * x - y * y)]
    return np.stack([*first, *second], 1)


def answers(checkpoint: dict, positions, directions) -> tuple[np.ndarray, np.ndarray]:
    """(density per world unit, rgb) at positions [N, 3] in the box, in directions [N, 3]."""
    kwargs = checkpoint["kwargs"]
    state = {k: np.asarray(v, np.float64) for k, v in checkpoint["state_dict"].items()}
    low, high = np.asarray(kwargs["aabb"], np.float64)
    sizes = np.array(kwargs["gridSize"])
    at = (np.asarray(positions, np.float64) - low) / (high - low) * (sizes - 1)
    d = np.asarray(directions, np.float64)
    products = {}
    for kind in ("density", "app"):
        on_lines = [
            interpolated(state[f"{kind}_line.{m}"][0, :, :, 0], at[:, [LINES[m]]]) for m in range(3)
        ]
        if f"{kind}_plane.0" in state:
            products[kind] = np.concatenate(
                [
                    line * interpolated(state[f"{kind}_plane.{m}"][0], at[:, PLANES[m][::-1]])
                    for m, line in enumerate(on_lines)
                ]
            )
        else:
            products[kind] = on_lines[0] * on_lines[1] * on_lines[2]
    raw = products["density"].sum(0)
    relu = kwargs["fea2denseAct"] == "relu"
    density = np.maximum(raw, 0) if relu else np.log1p(np.exp(raw + kwargs["density_shift"]))
    features = (state["basis_mat.weight"] @ products["app"]).T
    return density * kwargs["distance_scale"], shaded(kwargs, state, features, d)


def shaded(kwargs: dict, state: dict, features: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Colors of features [N, W], not clamped at 1."""
    mode = kwargs["shadingMode"]
    if mode == "RGB":
        return features
    if mode == "SH":
        sums = (features.reshape(len(d), 3, 9) * harmonics(d)[:, None]).sum(-1)
        return np.maximum(sums + 0.5, 0)
    inputs = [features, d]
    if mode == "MLP_Fea" and kwargs["fea_pe"]:
        inputs += waves(features, kwargs["fea_pe"])
    if kwargs["view_pe"]:
        inputs += waves(d, kwargs["view_pe"])
    hidden = np.concatenate(inputs, 1)
    for layer in (0, 2, 4):
        name = f"renderModule.mlp.{layer}"
        hidden = (hidden if layer == 0 else np.maximum(hidden, 0)) @ state[f"{name}.weight"].T
        hidden = hidden + state[f"{name}.bias"]
    return 1 / (1 + np.exp(-hidden))


def kept(mask: np.ndarray, box, positions) -> np.ndarray:
    """[N] bool: where the trilinear sample of a mask [Z, Y, X] over `box` is above zero."""
    low, high = np.asarray(box, np.float64)
    sizes = np.array(mask.shape[::-1])
    at = (np.asarray(positions, np.float64) - low) / (high - low) * (sizes - 1)
    return interpolated(mask.astype(np.float64)[None], at[:, ::-1])[0] > 0
