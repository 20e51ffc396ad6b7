"""Choices: what `--size` and `--set` choose from; neither it nor who makes one imports torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

DensityActivation = Literal["relu", "softplus", "exp", "clamped_exp"]  # as `activations` has them


@dataclass(frozen=True)
class Choices:
    """The config class of an architecture, and values of it by size: "small", "base" and "large"
    are what `--size` offers, other names are the sizes of other programs."""

    config: type
    presets: Mapping[str, Mapping[str, Any]]

    @property
    def settings(self) -> list[str]:
        """Keys that `--set` accepts."""
        return [field.name for field in dataclasses.fields(self.config)]
