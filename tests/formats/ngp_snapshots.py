"""Snapshots of instant-ngp built by hand, and the program's answers in float64."""

from __future__ import annotations

import math
import zlib

import msgpack
import numpy as np

from tests.formats import hash_grids
from tests.formats.hash_grids import harmonics

WIDTH, LEVELS, FEATURES, BASE, LOG2 = 16, 3, 2, 4, 9


def growth_of(snapshot: dict) -> float:
    """The growth per level that the program takes."""
    encoding, dataset = snapshot["encoding"], snapshot["snapshot"]["nerf"]["dataset"]
    if "per_level_scale" in encoding:
        return encoding["per_level_scale"]
    ratio = np.float32(2048 * dataset["aabb_scale"] / encoding["base_resolution"])
    exponent = np.float32(np.float32(math.log(ratio)) / np.float32(encoding["n_levels"] - 1))
    return float(np.float32(math.exp(exponent)))


def network(layers: int) -> dict:
    return {
        "otype": "FullyFusedMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": WIDTH,
        "n_hidden_layers": layers,
    }


def tiny_snapshot(aabb_scale: int = 1, mitsuba: bool = False, growth: float | None = 2.0) -> dict:
    """A small snapshot with random parameters; every cell is seen and empty but for a few."""
    random = np.random.default_rng(aabb_scale)
    dataset = {
        "n_images": 2,
        "scale": 0.33 if not mitsuba else 0.66,
        "offset": [0.5, 0.5, 0.5] if not mitsuba else [0.165, 0.2, 0.3],
        "aabb_scale": aabb_scale,
        "from_mitsuba": mitsuba,
        "is_hdr": False,
        "n_extra_learnable_dims": 0,
    }
    content = {
        "encoding": {
            "otype": "HashGrid",
            "n_levels": LEVELS,
            "n_features_per_level": FEATURES,
            "log2_hashmap_size": LOG2,
            "base_resolution": BASE,
        },
        "network": network(1),
        "dir_encoding": {
            "otype": "Composite",
            "nested": [
                {"n_dims_to_encode": 3, "otype": "SphericalHarmonics", "degree": 4},
                {"otype": "Identity"},
            ],
        },
        "rgb_network": network(2),
        "loss": {"otype": "Huber"},
        "optimizer": {"otype": "Adam"},
        "snapshot": {"version": 1, "mode": "nerf", "nerf": {"dataset": dataset}},
    }
    if growth is not None:
        content["encoding"]["per_level_scale"] = growth
    rows = sum(entries for _, entries, _ in levels(content))
    padding = 16 * WIDTH  # encoded features are 6 of 16 columns
    sizes = (padding + WIDTH * 16, 32 * WIDTH + WIDTH * WIDTH + WIDTH * 16, rows * FEATURES)
    parameters = np.concatenate([random.normal(size=n) * 0.5 for n in sizes]).astype(np.float16)
    cascades = 1 + int(math.log2(aabb_scale))
    grid = np.full((cascades, 128**3), 1e-6, np.float16)
    grid[0, 0b111] = 1.0  # cell (1, 1, 1)
    content["snapshot"] |= {
        "n_params": len(parameters),
        "params_type": "__half",
        "params_binary": parameters.tobytes(),
        "density_grid_size": 128,
        "density_grid_binary": grid.tobytes(),
        "background_color": [0.0, 0.0, 0.0, 1.0],
        "training_step": 35,
    }
    return content


def levels(content: dict) -> list[tuple]:
    encoding = content["encoding"]
    sizes = encoding["base_resolution"], growth_of(content), encoding["log2_hashmap_size"]
    return hash_grids.levels_of_tcnn(encoding["n_levels"], *sizes)


def reference(content: dict):
    """(density, rgb) per world unit of a snapshot at a world position, in float64."""
    encoding, snapshot = content["encoding"], content["snapshot"]
    width, dataset = content["network"]["n_neurons"], snapshot["nerf"]["dataset"]
    kind = {"__half": np.float16, "float": np.float32}[snapshot["params_type"]]
    vector = np.frombuffer(snapshot["params_binary"], kind).astype(np.float64)
    features = encoding["n_features_per_level"]
    encoded = encoding["n_levels"] * features
    padded = -(-encoded // 16) * 16
    depths = [content[name]["n_hidden_layers"] for name in ("network", "rgb_network")]
    density_net, vector = hash_grids.matrices(vector, [padded, *[width] * depths[0], 16])
    color_net, vector = hash_grids.matrices(vector, [32, *[width] * depths[1], 16])
    table, known = vector.reshape(-1, features), levels(content)
    edge = dataset["aabb_scale"]

    def answer(position: np.ndarray, direction: np.ndarray):
        place = position * dataset["scale"] + np.array(dataset["offset"])
        if not dataset["from_mitsuba"]:
            place, direction = place[[1, 2, 0]], direction[[1, 2, 0]]
        unit = (place - (0.5 - edge / 2)) / edge
        inputs = np.zeros(padded)  # a grid's padding is 0
        inputs[:encoded] = hash_grids.look_up(unit, known, table)
        h = hash_grids.network(inputs, density_net)
        rgb = hash_grids.network(np.concatenate([h, harmonics(direction)]), color_net)[:3]
        return math.exp(h[0]) * dataset["scale"], hash_grids.sigmoid(rgb)

    return answer


def write(path, content: dict) -> None:
    data = msgpack.packb(content)
    path.write_bytes(data if path.suffix == ".msgpack" else zlib.compress(data))


def read(path) -> dict:
    return msgpack.unpackb(zlib.decompress(path.read_bytes()))
