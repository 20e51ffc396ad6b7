"""nerfstudio: checkpoints of nerfstudio (`step-000029999.ckpt`), or the folder of a run; read only.

The methods vanilla-nerf, tensorf, nerfacto and instant-ngp. Networks that only propose samples are
left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import FormatError, UnsupportedError
from ..volume import RadianceField
from .format import Format
from .parts.mlp_state import starts_like_checkpoint
from .parts.nerfstudio_factors import KINDS, read_factors
from .parts.nerfstudio_grid import APART, JOINED, read_grid
from .parts.nerfstudio_hashed import TABLES, read_hashed
from .parts.nerfstudio_mlp import COARSE, read_mlp
from .parts.nerfstudio_run import Run

SIGNS = ("_model.field", "_model.module.field")
MODELS: dict[str, Callable[[Run], RadianceField]] = {  # by a tensor that only it has
    f"{COARSE}mlp_base.layers.0.weight": read_mlp,
    **{f"field.{KINDS[0]}.{name}": read_factors for name in ("line_coef", "plane_coef")},
    **{f"field.{name}": read_grid for name in (*JOINED, APART[0])},
    **dict.fromkeys(TABLES, read_hashed),
}
REFUSED = {
    "temporal_distortion": "a scene that moves",
    "field.mlp_base.layers.0.weight": "a field that is averaged over cones (mipnerf)",
}


class Nerfstudio(Format):
    name = "nerfstudio"
    title = "nerfstudio (.ckpt, or a run's folder)"
    suffixes = (".ckpt",)
    architectures = frozenset({"mlp", "hashgrid", "hashed", "vm", "cp"})

    def sniff(self, path: Path) -> bool:
        return any(starts_like_checkpoint(path, sign) for sign in SIGNS)

    def read(self, path: Path) -> RadianceField:
        run = Run(path)
        for start, what in REFUSED.items():
            if any(name.startswith(start) for name in run.state):
                raise UnsupportedError(f"{path}: it is {what}; static fields are read")
        for name, read in MODELS.items():
            if name in run.state:
                return read(run)
        known = sorted({name.split(".")[0] for name in run.state} - {""})
        raise FormatError(path, f"a model of {', '.join(known)[:200]}; expected one of a NeRF")
