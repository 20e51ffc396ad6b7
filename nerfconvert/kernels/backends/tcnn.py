"""tiny-cuda-nn (Müller 2021): hash grids and fully fused MLPs, in half precision.

Our tables have the layout of its parameters; the matrices of an MLP are padded to multiples of 16.
Both are passed to its modules as ordinary tensors, so that gradients reach our weights.
"""

from __future__ import annotations

import functools
import importlib
import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import pad
from torch.utils.weak import WeakIdKeyDictionary

from ...errors import BackendError
from ..hash_encode import level_layout_from_scale
from .backend import Backend

ALIGNMENT = 16  # of the inputs and outputs of an MLP
WIDTHS = (16, 32, 64, 128)  # of a fully fused MLP

_grids = WeakIdKeyDictionary()  # offsets -> its module for that grid


def hash_encode(
    unit: Tensor, table: Tensor, offsets: Tensor, resolutions: Tensor, scales: Tensor
) -> Tensor | None:
    """`kernels.hash_encode`, its results rounded to half precision."""
    if not len(unit) or table.shape[1] not in (1, 2, 4, 8):
        return None
    if offsets not in _grids:
        config = grid_config(offsets, resolutions, scales, table.shape[1])
        _grids[offsets] = _module(table.numel(), "Encoding", 3, config)
    unit = unit.detach().nan_to_num(0.0).clamp(0, 1)
    return _with_parameters(_grids[offsets], table.reshape(-1), unit)


def fused_mlp(
    inputs: Tensor, weights: list[Tensor], biases: list[Tensor] | None, *more: Any
) -> Tensor | None:
    """`kernels.fused_mlp` without biases, further inputs and a last ReLU, and with hidden layers of
    one width of `WIDTHS`."""
    hidden = {len(weight) for weight in weights[:-1]}
    if more or biases or len(hidden) != 1 or not hidden <= set(WIDTHS) or not len(inputs):
        return None
    parameters = to_parameters(weights)
    shape = inputs.shape[1], len(weights[-1]), hidden.pop(), len(weights) - 1
    return _with_parameters(_network(len(parameters), *shape), parameters, inputs)


def grid_config(
    offsets: Tensor, resolutions: Tensor, scales: Tensor, features: int
) -> dict[str, Any]:
    """tiny-cuda-nn's config of a grid in the layout of `kernels.hash_encode`.

    Raises BackendError where tiny-cuda-nn has no grid with this layout.
    """
    offsets, resolutions, scales = offsets.cpu(), resolutions.cpu(), scales.cpu()
    base = round(float(scales[0])) + 1
    growth = ((float(scales[-1]) + 1) / base) ** (1 / max(len(scales) - 1, 1))
    log2_size = max(1, math.ceil(math.log2(int(offsets.diff().max()))))
    layout = level_layout_from_scale(len(scales), base, growth, log2_size)
    same = torch.equal(layout[0], offsets) and torch.equal(layout[1], resolutions)
    if not same or not torch.allclose(layout[2], scales, rtol=1e-5, atol=1e-4):
        raise BackendError("--backend tcnn: tiny-cuda-nn has no grid of these resolutions")
    return {
        "otype": "HashGrid",
        "n_levels": len(scales),
        "n_features_per_level": features,
        "log2_hashmap_size": log2_size,
        "base_resolution": base,
        "per_level_scale": growth,
    }


def to_parameters(weights: list[Tensor]) -> Tensor:
    """All matrices [out, in] one after the other; inputs of the first and outputs of the last
    padded with zeros to multiples of `ALIGNMENT`."""
    first, last = weights[0], weights[-1]
    padded = [pad(first, (0, -first.shape[1] % ALIGNMENT)), *weights[1:]]
    padded[-1] = pad(padded[-1], (0, 0, 0, -len(last) % ALIGNMENT))
    return torch.cat([weight.reshape(-1) for weight in padded])


def _with_parameters(module: torch.nn.Module, parameters: Tensor, inputs: Tensor) -> Tensor:
    return functional_call(module, {"params": parameters}, (inputs,)).to(inputs.dtype)


def _module(parameters: int, kind: str, *arguments: Any) -> torch.nn.Module:
    """A tiny-cuda-nn module without its own parameters. Raises BackendError unless it has as many
    `parameters` as ours."""
    made = getattr(importlib.import_module("tinycudann"), kind)(*arguments)
    if made.params.numel() != parameters:
        raise BackendError(
            f"--backend tcnn: its {kind} has {made.params.numel()} parameters, ours {parameters}: "
            "this version of tiny-cuda-nn lays them out in another way"
        )
    made.params = torch.nn.Parameter(made.params.new_empty(0))
    return made


@functools.cache
def _network(
    parameters: int, inputs: int, outputs: int, width: int, layers: int
) -> torch.nn.Module:
    config = {
        "otype": "FullyFusedMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": width,
        "n_hidden_layers": layers,
    }
    return _module(parameters, "Network", inputs, outputs, config)


def probe(tinycudann: ModuleType) -> None:
    """Checks a hash grid at two points. Raises ValueError where its features are not finite."""
    grid = {"otype": "HashGrid", "n_levels": 2, "log2_hashmap_size": 10, "base_resolution": 4}
    features = tinycudann.Encoding(3, grid)(torch.rand(2, 3, device="cuda"))
    if features.shape[0] != 2 or not bool(features.isfinite().all()):
        raise ValueError("a hash grid gave no numbers")


TCNN = Backend(
    name="tcnn",
    cuda_only=True,
    package="tinycudann",
    install="`pip install "
    "git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch`, which compiles it",
    probe=probe,
    implementations={"hash_encode": hash_encode, "fused_mlp": fused_mlp},
)
