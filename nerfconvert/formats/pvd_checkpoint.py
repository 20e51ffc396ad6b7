"""pvd_checkpoint: files of PVD and PVD-AL (megvii-research/AAAI2023-PVD); read only.

All four models are made in torch-ngp's frame: a place in it is the world's ``(y, z, x) * scale``,
in the cube [-bound, bound]^3. The file states the bound and, by its tensors, the model. Log density
is clamped to [-2, 7], the program's default, which it does not store.
"""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapters import ADAPTERS
from ..errors import FormatError
from ..volume import Aabb, FieldInfo, RadianceField
from .format import Format
from .parts import pvd_grid, pvd_mlp, pvd_vm, pvd_voxels
from .parts.density_grid import SIDE, covered, from_bitfield
from .parts.mlp_state import starts_like_checkpoint
from .parts.pvd_frame import turned_box
from .parts.rebuild import rebuild
from .parts.sidecar import beginning
from .parts.torch_file import TorchFile
from .parts.torch_ngp_content import reaches
from .torch_ngp import model_of

SCALE = 0.8  # the program's default of --scale
SETTINGS, SETTINGS_LIMIT = "args.txt", 1 << 16  # bytes
MOST_BOUND = 1024
TOUCHED = 1 / 8  # of a cell's volume, from which on it is occupied
BITS = "density_bitfield"
MODELS = (pvd_mlp, pvd_vm, pvd_voxels, pvd_grid)  # each has ARCHITECTURE, PARTS, is_model, field_of


class Pvd(Format):
    name = "pvd"
    title = "PVD, PVD-AL (.pth)"
    suffixes = (".pth",)
    architectures = frozenset(model.ARCHITECTURE for model in MODELS)

    def sniff(self, path: Path) -> bool:
        if not starts_like_checkpoint(path, "aabb_train"):
            return False
        try:
            return model_kind(TorchFile(path).content) is not None
        except FormatError:  # damaged: another program's reader says so
            return False

    def read(self, path: Path) -> RadianceField:
        file = TorchFile(path)
        kind = model_kind(file.content)
        if kind is None:
            raise FormatError(path, "found none of PVD's four models in it")
        wanted = ("aabb_train", BITS, *kind.PARTS)
        parts = {n: r for n, r in model_of(file.content).items() if n.startswith(wanted)}
        state = file.tensors(parts, "model")
        scale = scale_beside(path)
        try:
            box = local_box(state)
            info = info_of(path, turned_box(box, scale))
            config, info, tensors = kind.field_of(path, state, box, info)
            cells, cube = occupancy_of(state.get(BITS), box, scale)
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None
        field = rebuild(path, ADAPTERS[kind.ARCHITECTURE], config, info, tensors)
        if info.aabb != cube:
            cells = covered(cells, cube, info.aabb, TOUCHED)
        field.occupancy.assign(cells)
        return field


def model_kind(content: Any) -> Any:
    """The module in MODELS that reads a checkpoint's model; None for one of another program."""
    model = model_of(content)
    return next((kind for kind in MODELS if kind.is_model(model)), None)


def local_box(state: dict[str, Tensor]) -> Aabb:
    """The box in the program's frame. Raises ValueError."""
    stored = state.get("aabb_train", torch.zeros(0))
    corners = stored.tolist() if stored.shape == (6,) else []
    if not corners or not max(map(abs, corners)) <= MOST_BOUND:
        raise ValueError(f"aabb_train is {corners}; expected two corners")
    return Aabb(tuple(corners[:3]), tuple(corners[3:]))


def scale_beside(path: Path) -> float:
    """The scale of the world in args.txt, lines of ('name', value); else the program's default."""
    try:
        lines = beginning(path.parent / SETTINGS, SETTINGS_LIMIT).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return SCALE
    for line in lines:
        with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            name, value = ast.literal_eval(line.strip())
            if name == "scale" and 1e-6 < float(value) < 1e6:
                return float(value)
    return SCALE


def info_of(path: Path, box: Aabb) -> FieldInfo:
    known = (path.parent / SETTINGS).is_file()
    return FieldInfo(
        aabb=box,
        provenance={
            "program": Pvd.name,
            "frame_from": SETTINGS if known else f"assumed: the program's default, scale {SCALE}",
            "clamps_from": "assumed: the program's defaults, -2 and 7",
        },
    )


def occupancy_of(packed: Tensor | None, box: Aabb, scale: float) -> tuple[Tensor, Aabb]:
    """[128, 128, 128] bool, and the world box that it is of; full where the file has none. Raises
    ValueError."""
    bound = max(map(abs, (*box.low, *box.high)))
    cube = turned_box(Aabb((-bound,) * 3, (bound,) * 3), scale)
    cells = from_bitfield(packed, reaches(bound), cube, "yzx")
    return (torch.ones((SIDE,) * 3, dtype=torch.bool) if cells is None else cells), cube
