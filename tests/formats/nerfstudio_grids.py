"""nerfstudio's hash grids: vectors as tiny-cuda-nn stores them, and their mathematics."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.formats.hash_grids import (
    harmonics,
    levels_of_tcnn,
    look_up,
    matrices,
    network,
    sigmoid,
)

GRID = {"num_levels": 8, "max_res": 24, "log2_hashmap_size": 8}  # the last four are hashed
BASE = 4


def grid_state(age: str = "now", width: int = 32, appearance: int = 5, base: int = BASE) -> dict:
    """nerfacto by tiny-cuda-nn in the layout of an `age`: now, 2023 or first."""
    draw = torch.Generator().manual_seed(0)
    entries = sum(level[1] for level in levels_of_grid(base))
    first = torch.randn(width * 16 + 16 * width, generator=draw) * 0.4
    table = torch.randn(2 * entries, generator=draw)
    padded = -(-(31 + appearance) // 16) * 16
    head = torch.randn(width * padded + width * width + 16 * width, generator=draw) * 0.3
    embedding = torch.randn(7, appearance, generator=draw)
    state = {"aabb": torch.tensor([[-1.0] * 3, [1.0] * 3])}
    state |= {name: torch.tensor(value) for name, value in GRID.items()}
    if appearance:
        state["embedding_appearance.embedding.weight"] = embedding
    if age == "now":
        state |= {"mlp_base.model.params": torch.cat([first, table])}
    elif age == "2023":
        for name, vector in (("grid", table), ("mlp", first)):
            state[f"mlp_base_{name}.tcnn_encoding.params"] = vector
            state[f"mlp_base.{int(name == 'mlp')}.tcnn_encoding.params"] = vector
    else:
        state |= {"mlp_base.params": torch.cat([first, table])}
    state["mlp_head.params" if age == "first" else "mlp_head.tcnn_encoding.params"] = head
    state["direction_encoding.tcnn_encoding.params"] = torch.zeros(0)
    proposal = {"proposal_networks.0.mlp_base.1.tcnn_encoding.params": torch.zeros(512)}
    return {f"field.{name}": tensor for name, tensor in state.items()} | proposal


def levels_of_grid(base: int) -> list[tuple]:
    growth = math.exp((math.log(GRID["max_res"]) - math.log(base)) / (GRID["num_levels"] - 1))
    return levels_of_tcnn(GRID["num_levels"], base, growth, GRID["log2_hashmap_size"])


def nerfacto(state: dict, position, direction, initial=1.0, average=True, age="now", coarsest=BASE):
    """(density, rgb) of nerfacto in the box +-1, in float64."""
    vectors = {n.removeprefix("field."): t.double().numpy() for n, t in state.items()}
    head = vectors.get("mlp_head.params", vectors.get("mlp_head.tcnn_encoding.params"))
    embedding = vectors.get("embedding_appearance.embedding.weight", np.zeros((1, 0)))
    padded = -(-(31 + embedding.shape[1]) // 16) * 16
    width = round((math.sqrt((padded + 16) ** 2 + 4 * len(head)) - padded - 16) / 2)
    if age == "2023":
        base = vectors["mlp_base_mlp.tcnn_encoding.params"]
        base = np.concatenate([base, vectors["mlp_base_grid.tcnn_encoding.params"]])
    else:
        base = vectors["mlp_base.model.params" if age == "now" else "mlp_base.params"]
    weights, table = matrices(base, [16, width, 16])
    h = network(
        look_up((position + 1) / 2, levels_of_grid(coarsest), table.reshape(-1, 2)), weights
    )
    seen = [harmonics(direction), h[1:], embedding.mean(0) * average]
    ones = np.ones(padded - 31 - embedding.shape[1])
    layers, rest = matrices(head, [padded, width, width, 16])
    assert not len(rest)
    return initial * np.exp(h[0]), sigmoid(network(np.concatenate([*seen, ones]), layers)[:3])
