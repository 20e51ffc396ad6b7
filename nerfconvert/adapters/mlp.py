"""mlp: a frequency-encoded multi-layer perceptron, the network of NeRF and its many forks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..kernels.fused_mlp import fused_mlp
from ..volume import FieldInfo, ParameterGroup, RadianceField, Role, TrainableField
from . import joint
from .activations import DENSITY
from .later import later
from .ranges import check_flags, check_ranges

CHUNK = 8192  # rows of one inference pass: its activations stay in the second-level cache
# A new network's outputs are near 0.1 and an opaque surface needs hundreds: without the factor
# most of the training is spent on that growth. Formats multiply it into the weights they write.
RELU = {"density_scale": 200.0}
# Measured on a real scene: exp gains 1.2 dB over relu in the same time.
STUDENT = {"density_activation": "exp", "normalize": True}
JOINT_INPUTS, JOINT_WIDTH = 28, 64  # of the networks that PVD shares with its hash grid
RESTART = 4  # octaves from one evaluated sine to the next; doubling doubles the error


@dataclass(frozen=True, kw_only=True)
class MlpConfig:
    """The network's shape and the conventions in which programs of the NeRF family differ.

    The defaults are the network of the NeRF paper. `skips` are the trunk layers (0 is the first)
    that get the encoded position as input again. Density is ``activation(density_scale * raw +
    density_shift)`` per world unit.
    """

    depth: int = 8  # trunk layers
    width: int = 256  # neurons a trunk layer
    skips: tuple[int, ...] = (5,)
    position_octaves: int = 10  # frequencies 2^0 .. 2^(octaves - 1), no pi
    direction_octaves: int = 4
    head_width: int = 128  # neurons of the layer that gets the direction
    view_dependent: bool = True  # False: color is one linear layer of the trunk's output
    first_relu: bool = True  # False: no ReLU after the first layer (krrish94)
    feature_relu: bool = False  # True: ReLU between trunk and view layer (krrish94)
    density_activation: Literal["relu", "softplus", "exp", "clamped_exp"] = "relu"
    density_scale: float = 1.0
    density_shift: float = 0.0
    normalize: bool = False  # True: the box is mapped to [-1, 1] before the encoding
    joint: bool = later(False)  # True: behind the trunk come the networks of a hash grid (PVD)

    def __post_init__(self):
        object.__setattr__(self, "skips", tuple(self.skips))
        check_ranges(
            self,
            integers={
                "depth": (1, 64),
                "width": (1, 8192),
                "position_octaves": (0, 24),
                "direction_octaves": (0, 24),
                "head_width": (1, 8192),
            },
            numbers={"density_scale": (1e-6, 1e6), "density_shift": (-1e6, 1e6)},
            choices={"density_activation": DENSITY},
        )
        if not all(isinstance(s, int) and 0 < s < self.depth for s in self.skips):
            raise ValueError(f"skips must lie in 1..depth-1 = {self.depth - 1}, got {self.skips}")
        check_flags(self, "view_dependent", "first_relu", "feature_relu", "normalize", "joint")


def frequency_encode(values: Tensor, octaves: int) -> Tensor:
    """[N, 3 + 6 * octaves]: ``[v, sin v, cos v, sin 2v, cos 2v, sin 4v, ...]`` of [N, 3].

    Order and frequencies (powers of two, no pi) of nerf-pytorch. Most octaves come from the
    one below by the double-angle formulas; the error is below 4e-6 of a wave's amplitude.
    The result is column-major.
    """
    rows = values.t().contiguous()  # [3, N]: contiguous, for vectorized sines
    parts = [rows]
    for octave in range(octaves):
        if octave % RESTART == 0:
            scaled = rows * 2.0**octave
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

    A skip layer's weight acts on [h | encoded position]; its two parts are multiplied separately,
    so nothing is concatenated.
    """

    architecture = "mlp"
    Config = MlpConfig
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {**STUDENT, "depth": 4, "width": 128, "skips": (), "head_width": 64},
        "base": STUDENT,
        "large": {**STUDENT, "width": 512, "head_width": 256},
        "nerf": RELU,  # the paper's network, as nerf-pytorch writes it
        "krrish94": {
            **RELU,
            "depth": 4,
            "width": 128,
            "skips": (),
            "head_width": 64,
            "first_relu": False,
            "feature_relu": True,
        },
        "pvd": {
            "depth": 7,
            "skips": (4,),
            "normalize": True,
            "density_activation": "clamped_exp",
            "joint": True,
        },
    }

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
        self.rgb_layer = nn.Linear(config.head_width if config.view_dependent else width, 3)

    def encode(self, positions: Tensor) -> Tensor:
        """Features [N, F]; without gradients, `CHUNK` rows at a time."""
        if torch.is_grad_enabled() or len(positions) <= CHUNK:
            return self._features(positions)
        features = positions.new_empty(len(positions), self.feature_dim)
        for start in range(0, len(positions), CHUNK):
            features[start : start + CHUNK] = self._features(positions[start : start + CHUNK])
        return features

    def _features(self, positions: Tensor) -> Tensor:
        h = self._trunk(positions)
        return (
            fused_mlp(self.feature_layer(h), list(self.density_weights)) if self.config.joint else h
        )

    def _trunk(self, positions: Tensor) -> Tensor:
        if self.config.normalize:
            positions = self.aabb.to_unit(positions) * 2 - 1
        encoded = frequency_encode(positions, self.config.position_octaves).contiguous()
        h = encoded
        for i, run in self._runs():
            if i in self.config.skips:
                weight, bias = self.trunk[i].weight, self.trunk[i].bias
                on_h, on_encoded = weight.split([h.shape[1], encoded.shape[1]], dim=1)
                h = torch.addmm(linear(h, on_h, bias), encoded, on_encoded.t())
            else:
                h = fused_mlp(h, *run)
            if i > 0 or self.config.first_relu:
                h = h.relu()
        return h

    def _runs(self) -> Iterator[tuple[int, tuple[list[Tensor], list[Tensor]]]]:
        """(last layer, (weights, biases)) of runs of layers that no skip interrupts, in order."""
        weights, biases = [], []
        for i, layer in enumerate(self.trunk):
            if i == 1 and not self.config.first_relu and i not in self.config.skips:
                # two linear layers in a row are one
                biases = [layer.weight @ biases[0] + layer.bias]
                weights = [layer.weight @ weights[0]]
            else:
                weights, biases = [*weights, layer.weight], [*biases, layer.bias]
            following = i + 1
            interrupted = {i, following} & set(self.config.skips)
            if interrupted or following == self.config.depth:
                yield i, (weights, biases)
                weights, biases = [], []

    def density(self, features: Tensor) -> Tensor:
        config = self.config
        if config.joint:
            return DENSITY[config.density_activation](features[:, 0]) * (2 / max(self.aabb.size))
        raw = self.density_layer(features)[:, 0]
        if config.density_scale != 1 or config.density_shift != 0:
            raw = raw * config.density_scale + config.density_shift
        return DENSITY[config.density_activation](raw)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        if torch.is_grad_enabled() or len(features) <= CHUNK:
            return self._color(features, directions)
        rgb = features.new_empty(len(features), 3)
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            rgb[rows] = self._color(features[rows], directions[rows])
        return rgb

    def _color(self, features: Tensor, directions: Tensor) -> Tensor:
        if self.config.joint:
            return joint.color(features[:, 1:], directions, self.color_weights)
        if not self.config.view_dependent:
            return self.rgb_layer(features).sigmoid()
        encoded = frequency_encode(directions, self.config.direction_octaves)
        width = self.config.width
        on_feature, on_direction = self.view_layer.weight.split([width, encoded.shape[1]], dim=1)
        bias = self.view_layer.bias
        if self.config.feature_relu:
            h = linear(self.feature_layer(features).relu(), on_feature, bias)
        else:  # two linear layers in a row are one, and that one is half as wide
            weight = on_feature @ self.feature_layer.weight
            h = linear(features, weight, on_feature @ self.feature_layer.bias + bias)
        h = torch.addmm(h, encoded, on_direction.t()).relu()
        return self.rgb_layer(h).sigmoid()

    def parameter_groups(self) -> list[ParameterGroup]:
        if self.config.joint:
            return self._joint_groups()
        trunk, heads = list(self.trunk), [self.density_layer, self.rgb_layer]
        hidden = [self.feature_layer, self.view_layer] if self.config.view_dependent else []
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
