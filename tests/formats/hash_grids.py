"""The mathematics of instant-ngp's family in float64, one point at a time, from its description.

Nothing here is shared with the package: levels, hashes, padding, orders of columns are written out.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from tests.formats.ppng_reference import harmonics as harmonics

PRIMES = (1, 2654435761, 805459861)


def levels_of_tcnn(n_levels: int, base: int, growth: float, log2_size: int) -> list[tuple]:
    """(stride, entries, scale) of each level; sizes in float32 as the CUDA code computes them."""
    levels = []
    for level in range(n_levels):
        power = np.exp2(np.float32(level) * np.log2(np.float32(growth)))
        scale = np.float32(power * np.float32(base) - np.float32(1))
        side = int(np.ceil(scale)) + 1
        rounded = -(-(side**3) // 8) * 8
        levels.append((side, min(rounded, 2**log2_size), float(scale)))
    return levels


def levels_of_torch_ngp(n_levels: int, base: int, finest: float, log2_size: int) -> list[tuple]:
    growth = np.exp2(np.log2(finest / base) / (n_levels - 1))
    levels = []
    for level in range(n_levels):
        entries = min(2**log2_size, (math.ceil(base * growth**level) + 1) ** 3)
        exponent = np.float32(level) * np.float32(np.log2(growth))
        scale = np.float32(np.exp2(exponent) * np.float32(base) - np.float32(1))
        stride = int(np.ceil(scale)) + 1 + 1
        levels.append((stride, -(-entries // 8) * 8, float(scale)))
    return levels


def look_up(point, levels: list[tuple], table: np.ndarray) -> np.ndarray:
    """Features of a point of the unit cube; `table` [rows, F] float64."""
    features, first = [], 0
    for stride, entries, scale in levels:
        place = [float(x) * scale + 0.5 for x in point]
        cell = [math.floor(p) for p in place]
        total = np.zeros(table.shape[1])
        for corner in range(8):
            bits = [corner >> axis & 1 for axis in range(3)]
            at = [c + b for c, b in zip(cell, bits)]
            if stride**3 <= entries:
                index = at[0] + at[1] * stride + at[2] * stride**2
            else:
                index = 0
                for value, prime in zip(at, PRIMES):
                    index ^= value * prime % 2**32
            weight = math.prod(p - c if b else 1 - (p - c) for p, c, b in zip(place, cell, bits))
            total += weight * table[first + index % entries]
        features.append(total)
        first += entries
    assert first == len(table)
    return np.concatenate(features)


def matrices(vector: np.ndarray, sizes: list[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """Row-major [out, in] matrices between layers of these `sizes`, and what is left."""
    found, position = [], 0
    for columns, rows in itertools.pairwise(sizes):
        found.append(vector[position : position + rows * columns].reshape(rows, columns))
        position += rows * columns
    return found, vector[position:]


def network(inputs: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    for weight in weights[:-1]:
        inputs = np.maximum(weight @ inputs, 0)
    return weights[-1] @ inputs


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def compare(field, reference, points: int = 50, seed: int = 0) -> tuple[float, float]:
    """Largest errors of density, relative, and of color, of a field against `reference(position,
    direction) -> (density, rgb)` at random places and directions of its box."""
    draw = np.random.default_rng(seed)
    low, high = np.array(field.aabb.low), np.array(field.aabb.high)
    positions = (low + (high - low) * draw.random((points, 3))).astype(np.float32)
    directions = draw.normal(size=(points, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with torch.no_grad():
        features = field.encode(torch.from_numpy(positions))
        density = field.density(features).numpy()
        rgb = field.color(features, torch.from_numpy(directions.astype(np.float32))).numpy()
    worst = [0.0, 0.0]
    for i in range(points):
        wanted, color = reference(positions[i].astype(float), directions[i])
        worst[0] = max(worst[0], abs(density[i] - wanted) / wanted)
        worst[1] = max(worst[1], float(np.abs(rgb[i] - color).max()))
    return worst[0], worst[1]
