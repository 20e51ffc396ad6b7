"""torch_ngp: checkpoints of ashawkey/torch-ngp (`ngp_ep0030.pth`), with or without its --tcnn.

The program's space is the cube [-bound, bound]^3; a place in it is the world's ``(y, z, x) *
scale + offset``. The file holds the bound only; scale and offset are assumed to be the program's
defaults, unless the file is ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapters.hashgrid import HashgridConfig, HashgridField
from ..errors import FormatError
from ..volume import Aabb, FieldInfo
from .format import Format
from .parts.density_grid import covered, from_bitfield
from .parts.mlp_state import noted_info, starts_like_checkpoint
from .parts.rebuild import rebuild
from .parts.shown import shown
from .parts.torch_file import TorchFile
from .parts.torch_ngp_content import RESOLUTIONS, check_choices, content_of, cube_of, reaches
from .parts.torch_ngp_state import from_tcnn, from_torch
from .parts.unpickle import TensorRef

SCALE = 0.33  # the program's default of --scale; that of --offset is 0
COARSEST, FINEST_PER_BOUND = 16, 2048  # cells along the cube; the latter times the bound
PARTS = ("encoder.", "sigma_net.", "color_net.", "aabb_train", "density_bitfield")
REFUSED = {  # what a model has, and why it is no hash grid alone
    "bg_net.0.weight": "its background is a network (--bg_radius); expected none",
    "sigma_net.weights": "its networks are those of --ff; expected plain ones or those of --tcnn",
}
PVD_LEVELS = 14  # of PVD's hash grids, whose files have the same names


class TorchNgp(Format):
    name = "torch-ngp"
    title = "torch-ngp (.pth)"
    suffixes = (".pth",)
    architectures = frozenset({"hashgrid"})
    can_write = True

    def sniff(self, path: Path) -> bool:
        if not all(starts_like_checkpoint(path, key) for key in ("encoder.", "sigma_net.")):
            return False
        try:
            model = model_of(TorchFile(path).content)
        except FormatError:  # damaged, which reading it says
            return True
        offsets = model.get("encoder.offsets")
        is_pvd = isinstance(offsets, TensorRef) and offsets.shape == (PVD_LEVELS + 1,)
        return not is_pvd and ("encoder.embeddings" in model or "encoder.params" in model)

    def read(self, path: Path) -> HashgridField:
        file = TorchFile(path)
        model = model_of(file.content)
        for name, why in REFUSED.items():
            if name in model:
                raise FormatError(path, why)
        wanted = {name: ref for name, ref in model.items() if name.startswith(PARTS)}
        state = file.tensors(wanted, "model")
        read_state = from_tcnn if "encoder.params" in state else from_torch
        try:
            bound = bound_of(state)
            resolutions = resolutions_of(file.content, bound)
            config, tensors = read_state(path, state, bound, resolutions)
            info = noted_info(path, file.content) or info_of(bound)
            cells = occupancy_of(state, bound, info.aabb, config.axes)
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None
        field = rebuild(path, HashgridField, config, info, tensors)
        check_offsets(path, field, state.get("encoder.offsets"))
        if cells is not None:
            field.occupancy.assign(cells)
        return field

    def check(self, config: HashgridConfig) -> None:
        check_choices(self.title, config)

    def write(self, field: HashgridField, path: Path) -> None:
        self.check(field.config)
        content = content_of(field)
        with open(path, "wb") as file:
            torch.save(content, file)


def model_of(content: Any) -> dict[str, Any]:
    """The state dict of a checkpoint, which may also be the file's only content."""
    model = content.get("model", content) if isinstance(content, dict) else None
    named = model.items() if isinstance(model, dict) else ()
    return {name: ref for name, ref in named if isinstance(name, str)}


def bound_of(state: dict[str, Tensor]) -> float:
    """Half the edge of the program's cube. Raises ValueError."""
    stored = state.get("aabb_train", torch.zeros(0))
    box = stored.tolist() if stored.shape == (6,) else []
    bound = box[-1] if box else 0.0
    if not 0.5 < bound <= 1024 or box != [-bound] * 3 + [bound] * 3:
        raise ValueError(f"aabb_train is {box}; expected -bound three times, bound three times")
    return bound


def resolutions_of(content: dict[str, Any], bound: float) -> dict[str, float]:
    """Cells along the cube of the coarsest and the finest level: constants of the program, unless
    the file states others. Raises ValueError."""
    stated = content.get(RESOLUTIONS, [COARSEST, FINEST_PER_BOUND * bound])
    if not isinstance(stated, list) or [type(v) in (int, float) for v in stated] != [True] * 2:
        raise ValueError(f"{RESOLUTIONS} is {shown(stated)}; expected two numbers")
    base, finest = stated
    if isinstance(finest, float) and finest.is_integer():
        finest = int(finest)
    return {"base_resolution": base, "finest_resolution": finest}


def info_of(bound: float) -> FieldInfo:
    half = bound / SCALE
    return FieldInfo(
        aabb=Aabb((-half,) * 3, (half,) * 3),
        background="white",
        provenance={
            "program": TorchNgp.name,
            "frame_from": f"assumed: the program's defaults, --scale {SCALE} --offset 0 0 0",
        },
    )


def occupancy_of(state: dict[str, Tensor], bound: float, box: Aabb, axes: str) -> Tensor | None:
    """[128, 128, 128] bool of the box; None where the file knows nothing. Raises ValueError."""
    cube = cube_of(box)
    cells = from_bitfield(state.get("density_bitfield"), reaches(bound), cube, axes)
    return cells if cells is None or cube == box else covered(cells, cube, box, share=0.5)


def check_offsets(path: Path, field: HashgridField, offsets: Tensor | None) -> None:
    """Raises FormatError unless the levels of the table begin where the file says."""
    if offsets is not None and not torch.equal(field.offsets, offsets.long()):
        raise FormatError(
            path,
            f"its levels begin at {offsets.tolist()}; those of {field.config.base_resolution} to "
            f"{field.config.finest_resolution:g} cells would at {field.offsets.tolist()}",
        )
