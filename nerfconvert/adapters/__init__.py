"""Architectures: a file or folder each, with config and field.

This table imports no torch, because the command line's help is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..registry import Registry

SIZES = ("small", "base", "large")  # of every architecture that can be trained


@dataclass(frozen=True)
class Architecture:
    """Where to import a field's class, and what is known of the field without importing that."""

    field: str  # "module:Class"
    choices: str | None = None  # "module:NAME" of its Choices; imports no torch
    parameters: tuple[int, int, int] | None = None  # once trained, by SIZES; verified by a test
    more_sizes: tuple[str, ...] = ()  # presets beside SIZES
    between: tuple[str, ...] = ()  # those of them that --max-size chooses from, too
    by_scene: bool = False  # whether the box or the occupancy of a scene changes `parameters`
    samplers: tuple[str, ...] = ()  # of active learning, that gained in all but the first size
    samplers_of_slow: tuple[str, ...] = ()  # in any size, from a source that is slow to ask

    @property
    def sizes(self) -> dict[str, int]:
        """Parameters by size; {} for an architecture that is only read."""
        return dict(zip(SIZES, self.parameters)) if self.parameters else {}


ARCHITECTURES = {
    "mlp": Architecture(
        "nerfconvert.adapters.mlp:MlpField",
        "nerfconvert.adapters.mlp_config:MLP",
        (84_548, 595_844, 2_305_796),
        ("nerf", "krrish94", "pvd"),
        samplers=("camera", "ray", "point"),
    ),
    "hashgrid": Architecture(
        "nerfconvert.adapters.hashgrid:HashgridField",
        "nerfconvert.adapters.hashgrid_config:HASHGRID",
        (891_584, 5_789_216, 22_705_728),
        ("instant-ngp", "torch-ngp", "pvd"),
        samplers_of_slow=("camera", "ray", "point"),
    ),
    "tensorial": Architecture(
        "nerfconvert.adapters.tensorial.field:TensorialField",
        "nerfconvert.adapters.tensorial.tensorial_config:TENSORIAL",
        (3_261_636, 126_000_000, 184_218_300),
        ("medium", "pvd"),
        between=("medium",),
        by_scene=True,
    ),
    "vm": Architecture(
        "nerfconvert.adapters.factorized.vm:VmField",
        "nerfconvert.adapters.factorized.factorized_config:VM",
        (1_786_831, 9_870_235, 30_807_859),
        ("tensorf", "pvd"),
        by_scene=True,
    ),
    "cp": Architecture(
        "nerfconvert.adapters.factorized.cp:CpField",
        "nerfconvert.adapters.factorized.factorized_config:CP",
        (182_563, 588_355, 1_169_539),
        ("tensorf", "pvd"),
        by_scene=True,
    ),
    "ppng": Architecture(
        "nerfconvert.adapters.ppng:PpngField",
        "nerfconvert.adapters.ppng_config:PPNG",
        (62_512, 1_229_872, 2_458_672),
    ),
    "dense": Architecture("nerfconvert.adapters.dense:DenseField"),
    "hashed": Architecture("nerfconvert.adapters.hashed:HashedField"),
    "kplanes": Architecture("nerfconvert.adapters.kplanes:KplanesField"),
    "analytic": Architecture("nerfconvert.adapters.analytic:AnalyticField"),
}
ADAPTERS = Registry("architecture", {name: a.field for name, a in ARCHITECTURES.items()})
CHOICES = Registry("architecture", {n: a.choices for n, a in ARCHITECTURES.items() if a.choices})
TRAINABLE = tuple(name for name, a in ARCHITECTURES.items() if a.parameters)
