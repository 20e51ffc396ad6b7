"""Checkpoints of K-Planes, small and untrained."""

from __future__ import annotations

import itertools

import numpy as np
import torch

PLANES = ((0, 1), (0, 2), (1, 2))
SCALES = ((4, 5, 6), (8, 10, 12))
LOW, HIGH = np.array([-1.5, -1.0, -1.0]), np.array([1.5, 1.0, 1.25])
LAYERS = 2  # hidden ones of the explicit basis


def padded(count: int) -> int:
    return -(-count // 16) * 16


def sizes_of(explicit: bool, together: bool, appearance: int) -> tuple[list[int], list[int]]:
    """Neurons of both networks, padding included."""
    products = 32 if together else 16
    if explicit:
        basis = [padded(3 + appearance), *[128] * LAYERS, padded(3 * products)]
        return [products, 16], basis
    return [products, 64, 16], [padded(31 + appearance), 64, 64, 16]


def scene_state(explicit=False, together=True, appearance=0) -> dict[str, torch.Tensor]:
    """The model's state dict."""
    draw = torch.Generator().manual_seed(0)
    state = {"field.aabb": torch.tensor(np.stack([LOW, HIGH]), dtype=torch.float32)}
    for scale, sizes in enumerate(SCALES):
        for number, (a, b) in enumerate(PLANES):
            plane = torch.randn(1, 16, sizes[b], sizes[a], generator=draw)
            state[f"field.grids.{scale}.{number}"] = plane
    names = ("sigma_net", "color_basis" if explicit else "color_net")
    for name, sizes in zip(names, sizes_of(explicit, together, appearance)):
        count = sum(a * b for a, b in itertools.pairwise(sizes))
        state[f"field.{name}.params"] = torch.randn(count, generator=draw) * 0.2
    if appearance:
        state["field.appearance_embedding.weight"] = torch.randn(7, appearance, generator=draw)
    state["field.direction_encoder.params"] = torch.zeros(0)
    state["proposal_networks.0.grids.0"] = torch.zeros(1, 8, 4, 4)
    return state


def scene_content(**choices) -> dict:
    """A checkpoint of the program."""
    return {"model": scene_state(**choices), "optimizer": {}, "lr_scheduler": None}
