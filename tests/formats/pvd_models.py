"""The four models of PVD in numpy float64, from their description."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from tests.formats.hash_grids import harmonics, levels_of_torch_ngp, look_up, network, sigmoid
from tests.formats.pvd_states import joint_networks, mlp_state, vm_state, voxels_state

LEVELS = levels_of_torch_ngp(14, 16, 2048, 9)


def hash_state() -> dict[str, torch.Tensor]:
    """With tables of 2^9 entries; the program's have 2^19."""
    offsets = np.cumsum([0, *(entries for _, entries, _ in LEVELS)])
    return {
        "encoder.embeddings": torch.randn(int(offsets[-1]), 2),
        "encoder.offsets": torch.from_numpy(offsets).int(),
        **joint_networks(),
    }


def colored(state: dict, features: np.ndarray, direction: np.ndarray) -> np.ndarray:
    weights = [state[f"color_net.{i}.weight"] for i in range(3)]
    return sigmoid(network(np.concatenate([harmonics(direction), features]), weights))


def joint(state: dict, inputs: np.ndarray, direction: np.ndarray) -> tuple[float, np.ndarray]:
    h = network(inputs, [state["sigma_net.0.weight"], state["sigma_net.1.weight"]])
    return np.exp(np.clip(h[0], -2, 7)), colored(state, h[1:], direction)


def hash_model(state: dict, place: np.ndarray, direction: np.ndarray):
    return joint(state, look_up((place + 1) / 2, LEVELS, state["encoder.embeddings"]), direction)


def mlp_model(state: dict, place: np.ndarray, direction: np.ndarray):
    waves = [f(place * 2.0**k) for k in range(10) for f in (np.sin, np.cos)]
    encoded = np.concatenate([place, *waves])
    h = encoded
    for i in range(8):
        h = np.concatenate([encoded, h]) if i == 4 else h
        h = state[f"nerf_mlp.{i}.weight"] @ h + state[f"nerf_mlp.{i}.bias"]
        h = np.maximum(h, 0) if i < 7 else h
    return joint(state, h, direction)


def vm_model(state: dict, place: np.ndarray, direction: np.ndarray):
    """Planes of the axes (0, 1), (0, 2), (1, 2): the second one is the row; lines 2, 1, 0."""
    products = {"sigma": [], "color": []}
    for mode, ((a, b), c) in enumerate((((0, 1), 2), ((0, 2), 1), ((1, 2), 0))):
        for kind, found in products.items():
            plane = sampled(state[f"{kind}_mat.{mode}"][0], [place[b], place[a]])
            found.append(plane * sampled(state[f"{kind}_vec.{mode}"][0, :, :, 0], [place[c]]))
    raw = np.clip(np.sum(products["sigma"]), -2, 7)
    features = np.clip(state["basis_mat.weight"] @ np.concatenate(products["color"]), -2, 7)
    return np.exp(raw), colored(state, features, direction)


def voxels_model(state: dict, place: np.ndarray, direction: np.ndarray):
    values = sampled(state["tensor_volume.0"][0], place[::-1])
    rgb = sigmoid(values[1:].reshape(3, 9) @ harmonics(direction)[:9])
    return np.exp(np.clip(values[0], -2, 7)), rgb


def sampled(grid: np.ndarray, place) -> np.ndarray:
    """Linear interpolation of [C, A, ...] at coordinates in [-1, 1] of its axes."""
    at = [(p + 1) / 2 * (size - 1) for p, size in zip(place, grid.shape[1:])]
    first = [min(int(np.floor(p)), size - 2) for p, size in zip(at, grid.shape[1:])]
    total = np.zeros(len(grid))
    for bits in itertools.product((0, 1), repeat=len(at)):
        weight = np.prod([p - f if b else 1 - p + f for p, f, b in zip(at, first, bits)])
        total += weight * grid[(slice(None), *(f + b for f, b in zip(first, bits)))]
    return total


MODELS = {  # our architecture, a state, the model
    "hash": ("hashgrid", hash_state, hash_model),
    "mlp": ("mlp", mlp_state, mlp_model),
    "vm": ("vm", vm_state, vm_model),
    "tensors": ("tensorial", voxels_state, voxels_model),
}
