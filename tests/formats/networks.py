"""The nerf-pytorch family's mathematics in numpy float64, from the description of the programs."""

from __future__ import annotations

import numpy as np


def encode(values: np.ndarray, octaves: int) -> np.ndarray:
    columns = [values]
    for octave in range(octaves):
        columns += [np.sin(values * 2**octave), np.cos(values * 2**octave)]
    return np.concatenate(columns, -1)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def as_numpy(state) -> dict[str, np.ndarray]:
    return {name: np.asarray(tensor, dtype=np.float64) for name, tensor in state.items()}


def affine(state, name: str, x: np.ndarray) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def krrish94(state, positions, directions, octaves: int) -> tuple[np.ndarray, np.ndarray]:
    """(density, rgb) of FlexibleNeRFModel with 4 layers."""
    state = as_numpy(state)
    x = affine(state, "layer1", encode(positions, octaves))
    for i in range(3):
        x = relu(affine(state, f"layers_xyz.{i}", x))
    feature = relu(affine(state, "fc_feat", x))
    density = relu(affine(state, "fc_alpha", x))[:, 0]
    seen = np.concatenate([feature, encode(directions, 4)], 1)
    return density, sigmoid(affine(state, "fc_rgb", relu(affine(state, "layers_dir.0", seen))))


def yenchenlin(
    state, positions, directions, octaves: int, direction_octaves: int
) -> tuple[np.ndarray, np.ndarray]:
    """(density, rgb) of class NeRF with 8 layers and the skip after the fifth."""
    state = as_numpy(state)
    encoded = encode(positions, octaves)
    h = encoded
    for i in range(8):
        h = relu(affine(state, f"pts_linears.{i}", h))
        if i == 4:
            h = np.concatenate([encoded, h], 1)
    if "output_linear.weight" in state:
        outputs = affine(state, "output_linear", h)
        return relu(outputs[:, 3]), sigmoid(outputs[:, :3])
    feature = affine(state, "feature_linear", h)
    seen = np.concatenate([feature, encode(directions, direction_octaves)], 1)
    rgb = affine(state, "rgb_linear", relu(affine(state, "views_linears.0", seen)))
    return relu(affine(state, "alpha_linear", h))[:, 0], sigmoid(rgb)
