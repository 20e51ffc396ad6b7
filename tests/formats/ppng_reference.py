"""What a Plenoptic PNG says, written out corner by corner in float64."""

from __future__ import annotations

import itertools
import math

import cbor2
import numpy as np
import pytest
import torch

from nerfconvert.formats import load
from tests.formats.files import ppng_document


def dense_matrix(data: bytes, rows: int, columns: int) -> np.ndarray:
    """[rows, columns] of 4x4 blocks, [input block][output block], each row-major."""
    stored = np.frombuffer(data, np.float32).astype(np.float64)
    matrix, position = np.zeros((rows, columns)), 0
    for column in range(0, columns, 4):
        for row in range(0, rows, 4):
            matrix[row : row + 4, column : column + 4] = stored[position : position + 16].reshape(
                4, 4
            )
            position += 16
    return matrix


def factor_value(factors: np.ndarray, kind: int, volume: int, corner) -> np.ndarray:
    """[C]: a volume at integer (x, y, z), summed over ranks."""
    x, y, z = corner
    if kind == 1:
        return (factors[0, volume, x] * factors[1, volume, y] * factors[2, volume, z]).sum(0)
    planes = factors[0, volume, z, y] * factors[1, volume, z, x] * factors[2, volume, y, x]
    return planes.sum(0)


def look_up(document: dict, position: np.ndarray) -> np.ndarray:
    """[2F * C] features of a world position, one corner after the other. Of L levels, the largest
    cube, of edge 2^(L - 1), is what the features span."""
    kind, side = document["qff_type"], document["n_quants"]
    frequencies = document["freqs"]
    shape = (3, 2 * len(frequencies), *(side,) * kind, document["rank"], document["n_feats"])
    factors = np.frombuffer(document["qff_buffer"], np.float16).astype(np.float64).reshape(shape)
    largest = 2 ** (len(document["grid_rles"]) - 1)
    unit = np.array([position[1], position[2], position[0]]) * 0.33 / largest + 0.5
    features = []
    for i, frequency in enumerate(frequencies):
        for volume, wave in ((2 * i, math.sin), (2 * i + 1, math.cos)):
            texture = [(wave(frequency * math.pi * (u - 0.5)) * (side - 1) / side) for u in unit]
            place = [(t + 1) / 2 * side - 0.5 for t in texture]
            cell = [min(int(p), side - 2) for p in place]
            total = np.zeros(document["n_feats"])
            for corner in itertools.product((0, 1), repeat=3):
                parts = zip(corner, place, cell, strict=True)
                weight = math.prod(p - c if k else 1 + c - p for k, p, c in parts)
                at = [c + k for c, k in zip(cell, corner, strict=True)]
                total += weight * factor_value(factors, kind, volume, at)
            features.append(total)
    return np.concatenate(features)


def harmonics(d: np.ndarray) -> np.ndarray:
    """The first 16 real spherical harmonics, from Legendre's polynomials, instant-ngp's signs."""
    x, y, z = d
    azimuth = math.atan2(y, x)
    values = []
    for degree in range(4):
        for order in range(-degree, degree + 1):
            m = abs(order)
            norm = math.sqrt(
                (2 * degree + 1)
                / (4 * math.pi)
                * math.factorial(degree - m)
                / math.factorial(degree + m)
            )
            value = norm * legendre(degree, m, z)
            if order:
                turn = math.cos(m * azimuth) if order > 0 else math.sin(m * azimuth)
                value *= math.sqrt(2) * turn
            values.append(value)
    return np.array(values)


def legendre(degree: int, order: int, z: float) -> float:
    """Associated Legendre polynomial with the Condon-Shortley phase."""
    table = {order: (-1) ** order * math.prod(range(1, 2 * order, 2)) * (1 - z * z) ** (order / 2)}
    table[order + 1] = z * (2 * order + 1) * table[order]
    for n in range(order + 2, degree + 1):
        table[n] = ((2 * n - 1) * z * table[n - 1] - (n + order - 1) * table[n - 2]) / (n - order)
    return table[degree]


def occupied(document: dict, position: np.ndarray) -> bool:
    """Whether the density of a place counts: one level says nothing, of several the smallest cube
    that holds it does."""
    runs, side = document["grid_rles"], document["grid_res"]
    if len(runs) == 1:
        return True
    p = position[[1, 2, 0]] * 0.33
    level = next(k for k in range(len(runs)) if np.abs(p).max() <= 0.5 * 2**k)
    x, y, z = ((p / 2**level + 0.5) * side).astype(int).clip(0, side - 1)
    ends = np.cumsum(runs[level])
    return int(np.searchsorted(ends, x + side * (y + side * z), side="right")) % 2 == 1


@torch.no_grad()
def check_against_file(path, n_points: int = 40) -> None:
    document = cbor2.loads(path.read_bytes())
    n_features = 2 * len(document["freqs"]) * document["n_feats"]
    density_matrix = dense_matrix(document["qff_density_layer_0"], 16, n_features)
    hidden = dense_matrix(document["qff_color_layer_0"], 16, 32)
    last = dense_matrix(document["qff_color_layer_1"], 4, 16)[:3]
    field = load(path)
    draw = torch.rand(n_points, 3, generator=torch.Generator().manual_seed(0))
    positions = field.aabb.from_unit(draw)
    known = [occupied(document, position) for position in positions.numpy().astype(float)]
    directions = torch.nn.functional.normalize(draw - 0.4, dim=-1)
    features = field.encode(positions)
    density, rgb = field.density(features), field.color(features, directions)
    for i in range(n_points):
        h = density_matrix @ look_up(document, positions[i].numpy().astype(float))
        if not known[i]:
            assert float(density[i]) < 1e-30
            continue
        np.testing.assert_allclose(features[i], h, atol=2e-4 * max(1, np.abs(h).max()))
        expected = 0.33 * math.exp(min(float(features[i, 0]), 11))
        assert float(density[i]) == pytest.approx(expected, rel=1e-5)
        seen = directions[i].numpy().astype(float)[[1, 2, 0]]
        joint = np.concatenate([h, harmonics(seen)])
        color = 1 / (1 + np.exp(-(last @ np.maximum(hidden @ joint, 0))))
        np.testing.assert_allclose(rgb[i], color, atol=2e-3)


def levels_document(kind: int = 1) -> dict:
    """Three levels, and one camera at (0.5, 0.6, 0.7) of the unit cube, in OpenCV's axes."""
    generator = np.random.default_rng(3)
    runs = []
    for _ in range(3):
        ends = np.sort(generator.choice(np.arange(1, 512), 60, replace=False))
        runs.append(np.diff([0, *ends, 512]).tolist())
    pose = [[1.0, 0, 0, 0.5], [0, 0, -1.0, 0.6], [0, 1.0, 0, 0.7]]
    return {**ppng_document(kind), "grid_rles": runs, "poses": [pose]}
