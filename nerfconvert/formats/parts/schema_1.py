"""from_schema_1: converts files of nerfconvert's first release to the current schema.

In schema 1 lines of factorized fields had a leading axis of 1, and the config of sparse voxels held
what training had found.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FOUND_IN_TRAINING = ("current_resolution", "n_voxels", "unit")  # of a tensorial config


def from_schema_1(
    description: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and tensors in the layout of schema 2; anything unexpected is kept, for later
    checks to reject. Raises ValueError for a unit that is not a number in 1e-6..1e6."""
    config, tensors = description["config"], dict(tensors)
    if description["architecture"] in ("vm", "cp"):
        for name, tensor in tensors.items():
            if name.startswith("factors.lines.") and tensor.ndim == 3 and len(tensor) == 1:
                tensors[name] = tensor[0]
    if description["architecture"] == "tensorial" and isinstance(config, dict):
        unit = config.get("unit")
        if type(unit) not in (int, float) or not 1e-6 <= unit <= 1e6:
            raise ValueError(f"unit must be a number in 1e-6..1e6, got {unit!r}")
        tensors["unit"] = torch.tensor(float(unit))
        config = {key: value for key, value in config.items() if key not in FOUND_IN_TRAINING}
    return {**description, "config": config}, tensors
