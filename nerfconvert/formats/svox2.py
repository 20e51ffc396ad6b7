"""svox2: sparse voxels of sxyu/svox2 (Plenoxels; `ckpt.npz`).

`links` [X, Y, Z] has the row of each voxel, negative where it is empty; rows are density, and
harmonics color after color, at the centers of voxels. Colors above 1, which the program leaves, are
clamped at each sample. Its loader of Blender scenes shrinks the world to 2/3, and no file tells
whether another one did: both directions assume it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..adapters.tensorial.field import DEPTH_SCALE, TensorialConfig, TensorialField
from ..adapters.tensorial.lattice import Lattice, voxel_edge
from ..errors import FormatError, UnsupportedError
from ..volume import Aabb, FieldInfo
from .format import Format
from .parts.mlp_state import NOTE, note_of, noted_info
from .parts.npz_file import NpzFile, holds
from .parts.rebuild import rebuild
from .parts.voxel_links import PLACE, Embedding, embedded, links_of, occupied_cells

SHRUNK = 2 / 3  # units of the program for one of the world
HARMONICS, TEXTURE, NETWORK = 1, 4, 255  # values of `basis_type`
KNOWN = (1, 4, 9)  # coefficients a color
MOST = KNOWN[-1]  # of a tensorial field


class Svox2(Format):
    name = "svox2"
    title = "Plenoxels, svox2 (.npz)"
    suffixes = (".npz",)
    architectures = frozenset({"tensorial"})
    can_write = True

    def sniff(self, path: Path) -> bool:
        return holds(path, "links", "density_data") or holds(path, "links", "data")

    def read(self, path: Path) -> TensorialField:
        file = NpzFile(path)
        refuse_unknown(file)
        density, harmonics = rows_of(file)
        voxels = embedded(file, density)
        info = noted_info(path, note_in(file)) or grid_info(file, voxels)
        config = TensorialConfig(resolution=voxels.cells)
        table = torch.zeros(len(voxels.rows), 1 + 3 * MOST)
        table[:, 0] = density[voxels.rows].double() / density_unit(config, info.aabb)
        colors = harmonics[voxels.rows].unflatten(1, (3, -1))
        table[:, 1:].unflatten(1, (3, MOST))[..., : colors.shape[2]] = colors
        tensors = {"table": table, "words": voxels.words, "unit": torch.ones(())}
        field = rebuild(path, TensorialField, config, info, tensors)
        field.occupancy.assign(occupied_cells(voxels, density))
        return field

    def check(self, config: TensorialConfig) -> None:
        """The program's choices are the defaults."""
        known = TensorialConfig(resolution=config.resolution, finer_voxels=config.finer_voxels)
        for field in dataclasses.fields(config):
            found, wanted = getattr(config, field.name), getattr(known, field.name)
            if found != wanted:
                raise UnsupportedError(
                    f"a {self.title} file cannot hold a field with {field.name} = {found}; it "
                    f"needs {wanted}"
                )

    def write(self, field: TensorialField, path: Path) -> None:
        """Density and harmonics are in float32, which the program reads as well, unless harmonics
        lose nothing in its float16; density in float64 where float32 would not come back."""
        self.check(field.config)
        lattice = Lattice.of_words(field.aabb, field.cells, field.words.cpu())
        links, first = links_of(lattice.vertices.long(), field.cells)
        raw = (field.table.detach() * field.unit).cpu()
        scale = density_unit(field.config, field.aabb)
        density, harmonics = raw[:, :1].double() * scale, raw[:, 1:]
        if torch.equal((density.float().double() / scale).float(), raw[:, :1]):
            density = density.float()
        half = harmonics.half()
        edge = np.array(field.aabb.size) / field.cells
        center = np.array(field.aabb.low) + edge * (
            np.array(first) + np.array(links.shape) / 2 - 0.5
        )
        arrays = {
            "radius": (SHRUNK * edge * links.shape / 2).astype(np.float32),
            "center": (SHRUNK * center).astype(np.float32),
            "links": links,
            "density_data": density.numpy(),
            "sh_data": (half if torch.equal(half.float(), harmonics) else harmonics).numpy(),
            "basis_type": np.int64(HARMONICS),
            PLACE: np.array([field.cells, *first]),
            **{name: np.array(text) for name, text in note_of(field).items()},
        }
        with open(path, "wb") as file:
            np.savez(file, **arrays)


def density_unit(config: TensorialConfig, box: Aabb) -> float:
    """The program's density for a raw density of 1."""
    return DEPTH_SCALE / voxel_edge(box, config.resolution) / SHRUNK


def refuse_unknown(file: NpzFile) -> None:
    """Raises UnsupportedError for what a tensorial field cannot hold."""
    texture = TEXTURE if "basis_data" in file.names else HARMONICS
    basis = int(file.array("basis_type", kinds="iu")) if "basis_type" in file.names else texture
    if basis != HARMONICS:
        what = {TEXTURE: "a learned texture of directions", NETWORK: "a network"}.get(basis, basis)
        raise UnsupportedError(f"{file.path}: its colors come from {what}; harmonics are read")
    if "background_data" in file.names:
        raise UnsupportedError(
            f"{file.path}: it has a background of spheres (an unbounded scene); only "
            "what lies in its box could be read"
        )


def rows_of(file: NpzFile) -> tuple[Tensor, Tensor]:
    """Density [N] and harmonics [N, 3 * B]; older files have both in one array."""
    if "density_data" in file.names:
        density = file.array("density_data", None, 1, kinds="f")
        harmonics = file.array("sh_data", len(density), None, kinds="f")
    else:
        both = file.array("data", None, None, kinds="f")
        density, harmonics = both[:, :1], both[:, 1:]
    count, rest = divmod(harmonics.shape[1], 3)
    if rest or count not in KNOWN:
        raise UnsupportedError(
            f"{file.path}: it has {harmonics.shape[1]} coefficients a voxel; 3 times "
            f"{', '.join(map(str, KNOWN))} are read"
        )
    return torch.from_numpy(density)[:, 0], torch.from_numpy(harmonics)


def note_in(file: NpzFile) -> dict[str, str]:
    """Our note as `noted_info` takes it; {} in files of others."""
    return {NOTE: str(file.array(NOTE, kinds="U"))} if NOTE in file.names else {}


def grid_info(file: NpzFile, voxels: Embedding) -> FieldInfo:
    """Box of the lattice, in the world of a Blender scene. Raises FormatError."""
    sizes, origin = np.array(voxels.sizes), np.array(voxels.origin)
    given = {"radius": np.ones(3), "center": np.zeros(3)}
    for name in given.keys() & file.names:
        given[name] = file.array(name, 3, kinds="f").astype(np.float64)
    edge = 2 * given["radius"] / sizes
    low = given["center"] - given["radius"] + edge * (0.5 - origin)
    high = low + voxels.cells * edge
    try:
        box = Aabb(tuple(low / SHRUNK), tuple(high / SHRUNK))
    except ValueError as problem:
        raise FormatError(file.path, f"radius and center: {problem}") from None
    return FieldInfo(
        aabb=box,
        provenance={
            "program": Svox2.name,
            "scale_from": "assumed: a Blender scene, which the program shrinks to 2/3",
            "frame_from": "assumed: no normalised device coordinates",
        },
    )
