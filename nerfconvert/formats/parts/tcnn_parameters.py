"""tcnn_parameters: the vectors in which tiny-cuda-nn stores networks and grids.

A network is its matrices in order, each row-major [out, in] and without biases; the inputs of the
first and the outputs of the last are rounded up to multiples of 16. A grid is its table: levels,
entries, features.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

ALIGNMENT = 16


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a network without padding; `hidden_layers` have `width` neurons each."""

    inputs: int
    width: int
    hidden_layers: int
    outputs: int

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """[out, in] of each stored matrix, padding included."""
        sizes = [self.inputs, *[self.width] * self.hidden_layers, self.outputs]
        sizes[0], sizes[-1] = aligned(sizes[0]), aligned(sizes[-1])
        return [(rows, columns) for columns, rows in itertools.pairwise(sizes)]

    @property
    def count(self) -> int:
        """Numbers of the stored vector."""
        return sum(rows * columns for rows, columns in self.matrices)


def aligned(size: int) -> int:
    """`size` rounded up to a multiple of `ALIGNMENT`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def take_network(vector: Tensor, shape: NetworkShape) -> tuple[list[Tensor], Tensor, Tensor]:
    """Matrices [out, in] without padding, the first one's padding columns, the rest of the vector.

    The padding columns get a constant: 1 behind plain inputs, 0 behind those of a grid. Raises
    ValueError for a vector that is too short.
    """
    if len(vector) < shape.count:
        raise ValueError(
            f"a network of {shape.count} parameters is expected, {len(vector)} are left"
        )
    sizes = [rows * columns for rows, columns in shape.matrices]
    *flat, rest = vector.split([*sizes, len(vector) - shape.count])
    weights = [part.view(size) for part, size in zip(flat, shape.matrices, strict=True)]
    weights[0], padding = weights[0].split([shape.inputs, len(weights[0].t()) - shape.inputs], 1)
    weights[-1] = weights[-1][: shape.outputs]
    return weights, padding, rest


def network_vector(weights: list[Tensor]) -> Tensor:
    """The stored vector of matrices [out, in] without padding; the padding is 0."""
    first, last = weights[0], weights[-1]
    stored = [pad(first, (0, aligned(first.shape[1]) - first.shape[1])), *weights[1:]]
    stored[-1] = pad(stored[-1], (0, 0, 0, aligned(len(last)) - len(last)))
    return torch.cat([weight.reshape(-1) for weight in stored])
