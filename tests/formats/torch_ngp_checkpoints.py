"""Checkpoints of torch-ngp built by hand, and the program's answers in float64."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.formats import hash_grids
from tests.formats.hash_grids import harmonics

LEVELS, BASE, LOG2 = 3, 4, 11


def tiny_checkpoint(bound: float = 1.0, finest: float = 20, base: int = BASE) -> dict:
    """What the program saves, with random parameters, small sizes and the entry that states the
    resolutions, which the program has in its code."""
    width = 16
    levels = hash_grids.levels_of_torch_ngp(LEVELS, base, finest, LOG2)
    offsets = np.cumsum([0, *(entries for _, entries, _ in levels)])
    cascades = 1 + math.ceil(math.log2(bound))
    model = {
        "aabb_train": torch.tensor([-bound] * 3 + [bound] * 3),
        "aabb_infer": torch.tensor([-bound] * 3 + [bound] * 3),
        "density_grid": torch.rand(cascades, 128**3),
        "density_bitfield": torch.full((cascades * 128**3 // 8,), 255, dtype=torch.uint8),
        "step_counter": torch.zeros(16, 2, dtype=torch.int32),
        "encoder.embeddings": torch.randn(int(offsets[-1]), 2),
        "encoder.offsets": torch.from_numpy(offsets.astype(np.int32)),
        "sigma_net.0.weight": torch.randn(width, 2 * LEVELS) * 0.5,
        "sigma_net.1.weight": torch.randn(16, width) * 0.5,
        "color_net.0.weight": torch.randn(width, 31) * 0.5,
        "color_net.1.weight": torch.randn(width, width) * 0.5,
        "color_net.2.weight": torch.randn(3, width) * 0.5,
    }
    stats = {"loss": [0.1], "valid_loss": [], "results": [np.float64(30.0)], "best_result": None}
    return {
        "epoch": 3,
        "global_step": 300,
        "stats": {**stats, "checkpoints": ["a.pth"]},
        "mean_count": 7,
        "mean_density": 0.1,
        "model": model,
        "nerfconvert.resolutions": [base, finest],
    }


def reference(content: dict, scale=0.33, offset=(0.0, 0.0, 0.0), log2_size: int = LOG2):
    """(density, rgb) per world unit of a checkpoint at a world position, in float64."""
    state = {k: v.double().numpy() for k, v in content["model"].items()}
    bound, (base, finest) = float(state["aabb_train"][3]), content["nerfconvert.resolutions"]
    levels = hash_grids.levels_of_torch_ngp(LEVELS, base, finest, log2_size)
    density_net = [state[f"sigma_net.{i}.weight"] for i in range(2)]
    color_net = [state[f"color_net.{i}.weight"] for i in range(3)]

    def answer(position: np.ndarray, direction: np.ndarray):
        local = position[[1, 2, 0]] * scale + np.array(offset)
        unit = (local + bound) / (2 * bound)
        encoded = hash_grids.look_up(unit, levels, state["encoder.embeddings"])
        h = hash_grids.network(encoded, density_net)
        seen = np.concatenate([harmonics(direction[[1, 2, 0]]), h[1:]])
        rgb = hash_grids.sigmoid(hash_grids.network(seen, color_net))
        return math.exp(h[0]) * scale, rgb

    return answer


def tcnn_checkpoint(bound: float) -> dict:
    """What the program saves with --tcnn, whose sizes are fixed."""
    growth = np.exp2(np.log2(2048 * bound / 16) / 15)
    levels = hash_grids.levels_of_tcnn(16, 16, growth, 19)
    rows = sum(entries for _, entries, _ in levels)
    model = {
        "aabb_train": torch.tensor([-bound] * 3 + [bound] * 3),
        "encoder.params": torch.randn(rows * 2) * 0.3,
        "sigma_net.params": torch.randn(32 * 64 + 64 * 16) * 0.3,
        "encoder_dir.params": torch.zeros(0),
        "color_net.params": torch.randn(32 * 64 + 64 * 64 + 64 * 16) * 0.3,
    }
    return {"model": model, "levels": levels}
