"""mlp: a frequency-encoded multi-layer perceptron, the network of NeRF and its many forks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..kernels.fused_mlp import fused_mlp
from ..volume import (
    FieldInfo,
    ParameterGroup,
    RadianceField,
    Role,
    TrainableField,
    at_once,
    in_parts,
)
from . import joint
from .activations import DENSITY
from .mlp_config import MlpConfig

CHUNK = 8192  # rows of a CPU's inference pass: its activations stay in the second-level cache
JOINT_INPUTS, JOINT_WIDTH = 28, 64  # of the networks that PVD shares with its hash grid
RESTART = 4  # octaves from one evaluated sine to the next; doubling doubles the error


def frequency_encode(
    values: Tensor, octaves: int, lowest: float = 1.0, spacing: float = 1.0
) -> Tensor:
    """[N, 3 + 6 * octaves]: ``[v, sin v, cos v, sin 2v, cos 2v, sin 4v, ...]`` of [N, 3].

    Order and frequencies (powers of two, no pi) of nerf-pytorch. Most octaves come from the
    one below by the double-angle formulas; the error is below 4e-6 of a wave's amplitude.
    The result is column-major. With `lowest` the frequencies are so many times as high; with
    `spacing` each is 2^spacing of the one below, and all sines are evaluated.
    """
    rows = values.t().contiguous()  # [3, N]: contiguous, for vectorized sines
    parts = [rows]
    if spacing != 1:
        # rounded where nerfstudio rounds: a trained network's phases are of hundreds of radians
        for frequency in 2 ** torch.linspace(0, spacing * (octaves - 1), octaves).to(rows):
            scaled = lowest * rows * frequency
            parts += [scaled.sin(), scaled.cos()]
        return torch.cat(parts).t()
    for octave in range(octaves):
        if octave % RESTART == 0:
            scaled = rows * (lowest * 2.0**octave)
            sine, cosine = scaled.sin(), scaled.cos()
        else:
            sine, cosine = 2 * sine * cosine, 1 - 2 * sine * sine
        parts += [sine, cosine]
    return torch.cat(parts).t()


class MlpField(TrainableField, RadianceField):
    """Features are the output of the trunk [N, width]; density and color are computed from them.

    It has no closed-form initialization: solving the last layers by least squares cost 1.1 to 1.7
    dB after 500 steps of distillation.

    With `joint` (PVD, Fang et al. 2023) features are 16 numbers, of which the first is raw density
    per half of the longest edge: a linear layer of the trunk's output gives 28, a small network
    makes them 16, another one color of all but the first.

    A skip layer's weight acts on [h | encoded position].
    """

    architecture = "mlp"
    Config = MlpConfig

    def __init__(self, config: MlpConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        self.feature_dim = width = config.width
        encoded = 3 + 6 * config.position_octaves
        self.trunk = nn.ModuleList(
            nn.Linear(
                encoded if i == 0 else width + (encoded if i in config.skips else 0),
                width,
            )
            for i in range(config.depth)
        )
        if config.joint:
            self.feature_dim = joint.FEATURES
            self.feature_layer = nn.Linear(width, JOINT_INPUTS)
            self.density_weights = joint.network(JOINT_INPUTS, JOINT_WIDTH, 1, joint.FEATURES)
            inputs = joint.FEATURES - 1 + joint.SH_DEGREE**2
            self.color_weights = joint.network(inputs, JOINT_WIDTH, 2, 3)
            return
        self.density_layer = nn.Linear(width, 1)
        if config.view_dependent:
            self.feature_layer = nn.Linear(width, width)
            self.view_layer = nn.Linear(width + 3 + 6 * config.direction_octaves, config.head_width)
        more = config.head_layers - 1 if config.view_dependent else 0
        head = config.head_width if config.view_dependent else width
        self.head = nn.ModuleList(nn.Linear(head, head) for _ in range(more))
        self.rgb_layer = nn.Linear(head, 3)

    def encode(self, positions: Tensor) -> Tensor:
        """Features [N, F]; without gradients, a chunk of rows at a time."""
        return in_parts(self._features, self._chunk(), positions)

    def _chunk(self) -> int:
        """Rows of one inference pass: about four activations of each are held."""
        return at_once(CHUNK, self.device, 16 * self.config.width + 1024)

    def _features(self, positions: Tensor) -> Tensor:
        h = self._trunk(positions)
        return (
            fused_mlp(self.feature_layer(h), list(self.density_weights)) if self.config.joint else h
        )

    def _trunk(self, positions: Tensor) -> Tensor:
        if self.config.normalize:
            positions = self.aabb.to_unit(positions) * 2 - 1
        else:
            positions = self.aabb.contracted(positions)
        encoded = frequency_encode(
            positions,
            self.config.position_octaves,
            self.config.lowest_frequency,
            self.config.position_spacing,
        ).contiguous()
        weights, biases = self._trunk_layers()
        merged = len(self.trunk) - len(weights)
        at = tuple(skip - merged for skip in self.config.skips if skip > merged)
        last_relu = self.config.first_relu or self.config.depth > 1
        return fused_mlp(encoded, weights, biases, encoded if at else None, at, last_relu)

    def _trunk_layers(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases; without the first ReLU two linear layers in a row are one."""
        weights = [layer.weight for layer in self.trunk]
        biases = [layer.bias for layer in self.trunk]
        if self.config.first_relu or self.config.depth == 1:
            return weights, biases
        on_h, on_encoded = weights[1].tensor_split([self.config.width], dim=1)
        weight = on_h @ weights[0]
        weight = weight + on_encoded if 1 in self.config.skips else weight
        return [weight, *weights[2:]], [on_h @ biases[0] + biases[1], *biases[2:]]

    def density(self, features: Tensor) -> Tensor:
        config = self.config
        if config.joint:
            return DENSITY[config.density_activation](features[:, 0]) * (2 / max(self.aabb.size))
        raw = self.density_layer(features)[:, 0]
        if config.density_scale != 1 or config.density_shift != 0:
            raw = raw * config.density_scale + config.density_shift
        return DENSITY[config.density_activation](raw)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return in_parts(self._color, self._chunk(), features, directions)

    def _color(self, features: Tensor, directions: Tensor) -> Tensor:
        if self.config.joint:
            return joint.color(features[:, 1:], directions, self.color_weights)
        if not self.config.view_dependent:
            return self.rgb_layer(features).sigmoid()
        encoded = frequency_encode(
            directions,
            self.config.direction_octaves,
            self.config.lowest_frequency,
            self.config.direction_spacing,
        )
        layers = [self.feature_layer, self.view_layer, *self.head, self.rgb_layer]
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        at = 1
        if not self.config.feature_relu:
            # two linear layers in a row are one, and that one is half as wide
            on_feature, on_direction = weights[1].tensor_split([self.config.width], dim=1)
            weights[:2] = [torch.cat([on_feature @ weights[0], on_direction], 1)]
            biases[:2] = [on_feature @ biases[0] + biases[1]]
            at = 0
        return fused_mlp(features, weights, biases, encoded, (at,)).sigmoid()

    def parameter_groups(self) -> list[ParameterGroup]:
        if self.config.joint:
            return self._joint_groups()
        trunk, heads = list(self.trunk), [self.density_layer, self.rgb_layer]
        hidden = [self.feature_layer, self.view_layer] if self.config.view_dependent else []
        hidden += self.head
        return [
            ParameterGroup("space", Role.MATRIX, [layer.weight for layer in trunk]),
            ParameterGroup("space", Role.VECTOR, [layer.bias for layer in trunk]),
            ParameterGroup("decoder", Role.MATRIX, [layer.weight for layer in hidden]),
            ParameterGroup(
                "decoder",
                Role.VECTOR,
                [*(layer.weight for layer in heads), *(layer.bias for layer in (*heads, *hidden))],
            ),
        ]

    def _joint_groups(self) -> list[ParameterGroup]:
        linear = [*self.trunk, self.feature_layer]
        *hidden, last = self.color_weights
        return [
            ParameterGroup("space", Role.MATRIX, [layer.weight for layer in linear]),
            ParameterGroup("space", Role.VECTOR, [layer.bias for layer in linear]),
            ParameterGroup("features", Role.MATRIX, list(self.density_weights)),
            ParameterGroup("decoder", Role.MATRIX, hidden),
            ParameterGroup("decoder", Role.VECTOR, [last]),
        ]
