"""instant_ngp: snapshots of NVlabs/instant-ngp (`.ingp`, or `.msgpack` without compression).

A snapshot is a map: the network config, and under "snapshot" the parameters in half precision, the
occupancy, and the cameras with the map from the world to the program's unit cube: ``p * scale +
offset``, then the axes y, z, x (for Mitsuba's scenes x, y, z). The field's box is the cube of edge
`aabb_scale` around 0.5, and its colors are sRGB.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..adapters.hashgrid import HashgridConfig, HashgridField
from ..errors import FormatError, UnsupportedError
from ..volume import FieldInfo
from .format import Format
from .parts.density_grid import CELLS, SIDE, covered, from_cascades, to_cascades
from .parts.document import Document
from .parts.field_info import info_to_document
from .parts.mlp_state import NOTE, noted_info
from .parts.msgpack_map import map_head, read_map, write_map
from .parts.ngp_network import config_of, document_of
from .parts.ngp_parameters import state_of, vector_of
from .parts.rebuild import rebuild
from .parts.snapshot_frame import Frame, aabb_scale_of, frame_from_document, frame_of, reaches

MODE = "nerf"
NUMBERS = {"__half": np.float16, "float": np.float32}
HALF_LIMIT = 65504.0
OPAQUE = 0.01  # optical thickness of a step above which a cell is occupied at any rate


class InstantNgp(Format):
    name = "instant-ngp"
    title = "instant-ngp (.ingp, .msgpack)"
    suffixes = (".ingp", ".msgpack")
    architectures = frozenset({"hashgrid"})
    can_write = True

    def sniff(self, path: Path) -> bool:
        return b"\xa8snapshot" in map_head(path)

    def read(self, path: Path) -> HashgridField:
        try:
            content = read_map(path)
            document = Document(content)
            snapshot = document.part("snapshot")
            check_kind(snapshot)
            frame = frame_from_document(snapshot.part("nerf"))
            config = config_of(document, frame.aabb_scale, frame.axes)
            tensors = state_of(config, parameters_of(snapshot))
            occupancy = occupancy_of(snapshot, frame)
            info = noted_info(path, content) or info_of(snapshot, frame)
        except OSError as problem:
            raise FormatError(path, f"cannot be read: {problem.strerror}") from None
        except (ValueError, OverflowError) as problem:
            raise FormatError(path, f"not a whole snapshot of a hash grid: {problem}") from None
        field = rebuild(path, HashgridField, config, info, tensors)
        if occupancy.any():
            if info.aabb != frame.cube:
                occupancy = covered(occupancy, frame.cube, info.aabb, share=0.5)
            field.occupancy.assign(occupancy)
        return field

    def check(self, config: HashgridConfig) -> None:
        aabb_scale_of(config)

    def write(self, field: HashgridField, path: Path) -> None:
        """Rounds the parameters to half precision."""
        frame = frame_of(field)
        snapshot = snapshot_of(field, frame)
        note = json.dumps(info_to_document(field.info), sort_keys=True)
        content = {**document_of(field.config), "snapshot": snapshot, NOTE: note}
        write_map(path, content, compress=path.suffix.lower() != ".msgpack")


def check_kind(snapshot: Document) -> None:
    """Raises ValueError unless it is a snapshot of a NeRF."""
    mode, version = snapshot.word("mode", MODE), snapshot.count("version")
    if mode != MODE or "nerf" not in snapshot:
        raise ValueError(f"its mode is {mode}; expected {MODE}")
    if version != 1:
        raise ValueError(f"its version is {version}; expected 1")


def parameters_of(snapshot: Document) -> Tensor:
    """All parameters, float32."""
    kind, count = snapshot.get("params_type", str, "__half"), snapshot.count("n_params")
    if kind not in NUMBERS or not 0 < count < 1 << 32:
        raise ValueError(f"it has {count} parameters of type {kind}; expected __half or float")
    return snapshot.array("params_binary", NUMBERS[kind], (count,))


def occupancy_of(snapshot: Document, frame: Frame) -> Tensor:
    """[128, 128, 128] bool of the frame's cube; none are set where the file knows nothing."""
    sizes = reaches(frame.aabb_scale)
    if not snapshot.get("density_grid_binary", bytes, b""):
        return torch.zeros((SIDE,) * 3, dtype=torch.bool)
    side = snapshot.count("density_grid_size")
    if side != SIDE:
        raise ValueError(f"density_grid_size is {side}; expected {SIDE}")
    thickness = snapshot.array("density_grid_binary", np.float16, (len(sizes), CELLS))
    mean = float(thickness[0].nan_to_num(0.0).clamp(min=0).mean())
    return from_cascades(thickness > min(OPAQUE, mean), sizes, frame.cube, frame.axes)


def info_of(snapshot: Document, frame: Frame) -> FieldInfo:
    red, green, blue, _ = snapshot.numbers("background_color", 4, [0.0, 0.0, 0.0, 1.0])
    return FieldInfo(
        aabb=frame.cube,
        background="white" if red + green + blue > 1.5 else "black",
        provenance={
            "program": InstantNgp.name,
            "training_step": snapshot.count("training_step", 0),
            "frame_from": frame.stated_by,
            "ngp_scale": frame.scale,
            "ngp_offset": list(frame.offset),
            "ngp_axes": frame.axes,
        },
    )


def snapshot_of(field: HashgridField, frame: Frame) -> dict[str, Any]:
    """The value of "snapshot". Raises UnsupportedError for parameters beyond half precision."""
    vector = vector_of(field)
    if bool((vector.abs() > HALF_LIMIT).any()):
        raise UnsupportedError(
            f"a {InstantNgp.title} file holds half-precision numbers; a parameter is "
            f"{float(vector.abs().max()):.3g}, the largest that fits is {HALF_LIMIT:g}"
        )
    sizes = reaches(frame.aabb_scale)
    dense = field.occupancy.dense().cpu()
    cascades = to_cascades(dense, field.aabb, sizes, frame.cube, frame.axes)
    white = float(field.info.background == "white")
    return {
        "version": 1,
        "mode": MODE,
        "training_step": 0,
        "loss": 0.0,
        "n_params": len(vector),
        "params_type": "__half",
        "params_binary": vector.numpy().astype(np.float16).tobytes(),
        "density_grid_size": SIDE,
        "density_grid_binary": cascades.numpy().astype(np.float16).tobytes(),
        "background_color": [white, white, white, 1.0],
        "bounding_radius": math.sqrt(3) / 2 * frame.aabb_scale,
        "up_dir": frame.up,
        "aabb": frame.box(frame.cube),
        "render_aabb": frame.box(field.aabb),
        "nerf": {
            "aabb_scale": frame.aabb_scale,
            "rgb": {
                "rays_per_batch": 4096,
                "measured_batch_size": 0,
                "measured_batch_size_before_compaction": 0,
            },
            "dataset": frame.dataset(field.aabb),
        },
    }
