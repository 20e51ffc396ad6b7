"""ppng: Plenoptic PNG files (`ppng_1.ppng`, `ppng_2.ppng`): CBOR of factors, MLPs, occupancy.

The matrices of the MLPs are stored as 4x4 row-major blocks, ordered [input block][output block].
A file of an unbounded scene has several levels of occupancy: `parts/ppng_levels.py` knows them.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from torch import Tensor

from ..adapters.ppng import HIDDEN, SH_DEGREE, UNIT_CUBE, PpngConfig, PpngField, cube_about
from ..errors import FormatError, UnsupportedError
from ..files import signs_in
from ..volume import FieldInfo, OccupancyGrid, RadianceField
from .format import Format
from .parts.cbor import decode, encode
from .parts.document import Document
from .parts.mlp_state import NOTE, note_of_info, noted_info
from .parts.ppng_content import RGB_ROWS, content_of
from .parts.ppng_levels import contracted_cells, levels_of, poses_of, unbounded_info
from .parts.rebuild import rebuild

SIZE_LIMIT = 64 << 20  # bytes; real files have 0.1 to 3 million


class Ppng(Format):
    name = "ppng"
    title = "Plenoptic PNG (.ppng)"
    suffixes = (".ppng",)
    architectures = frozenset({"ppng"})
    can_write = True
    unbounded = True  # those of several levels, as they are read

    def sniff(self, path: Path) -> bool:
        """Whether it is a CBOR map that holds `qff_type`, anywhere: the order of its keys is not
        fixed."""
        try:
            with open(path, "rb") as file:
                is_map = b"\xa0" <= file.read(1) < b"\xc0"
            return is_map and bool(signs_in(path, {b"hqff_type"}, SIZE_LIMIT))
        except OSError:
            return False

    def read(self, path: Path) -> RadianceField:
        try:
            if path.stat().st_size > SIZE_LIMIT:
                raise ValueError(
                    f"it has {path.stat().st_size} bytes; at most {SIZE_LIMIT} expected"
                )
            content = decode(path.read_bytes())
            document = Document(content)
            levels = levels_of(document)
            config = config_of(document, levels)
            tensors = tensors_of(document, config)
            provenance = {"program": self.name, "render_step": document.number("render_step")}
            known = {"background": "white", "provenance": provenance}
            if len(levels) > 1:
                info = unbounded_info(len(levels), **known, viewpoints=poses_of(document))
                tensors |= packed_levels(levels)
                occupancy = contracted_cells(levels, info.aabb)
            else:
                info, occupancy = FieldInfo(aabb=UNIT_CUBE, **known), levels[0]
        except OSError as problem:
            raise FormatError(path, f"cannot be read: {problem.strerror}") from None
        except (ValueError, OverflowError) as problem:
            raise FormatError(path, f"not a whole Plenoptic PNG: {problem}") from None
        noted = noted_info(path, content) or info
        held = info.aabb if len(levels) > 1 else cube_about(noted.aabb)
        if noted.aabb != held or noted.frame != "world" or (len(levels) == 1 and held.contraction):
            wanted = held if len(levels) > 1 else "a cube of the world"
            raise FormatError(path, f"its {NOTE} note has the box {noted.aabb}, not {wanted}")
        field = rebuild(path, PpngField, config, noted, tensors)
        field.occupancy.assign(occupancy)
        return field

    def check(self, config: PpngConfig) -> None:
        check_features(config)
        if config.levels > 1:
            raise UnsupportedError(
                f"a new {self.title} file has one level of occupancy, not {config.levels}"
            )

    def check_space(self, info: FieldInfo) -> None:
        if not info.bounded:
            raise UnsupportedError(
                f"a new {self.title} file holds a scene in a box of the world, not one that is "
                "unbounded or forward-facing; name a .safetensors file instead"
            )

    def write(self, field: PpngField, path: Path) -> None:
        """Rounds the factors to half precision. The cube about the field's box becomes the unit
        cube; training cameras that the field does not know are replaced by some around it."""
        check_features(field.config)
        info, plain = written_info(field), plain_info(field)
        content = content_of(field)
        path.write_bytes(encode(content | ({} if info == plain else note_of_info(info))))


def check_features(config: PpngConfig) -> None:
    """Raises UnsupportedError where a matrix of the file's blocks cannot hold the features."""
    features = 2 * len(config.frequencies) * config.channels
    if features % 4:
        raise UnsupportedError(
            f"a {Ppng.title} file cannot hold {features} features; it needs a multiple of 4"
        )


def written_info(field: PpngField) -> FieldInfo:
    """The field's, with the box that the file covers. Raises UnsupportedError for a field that does
    not lie in the world as the program's do."""
    if not len(field.levels):
        Ppng().check_space(field.info)
        return dataclasses.replace(field.info, aabb=field.cube)
    plain = plain_info(field)
    if field.info.aabb != plain.aabb:
        raise UnsupportedError(
            f"a {Ppng.title} file with {len(field.levels)} levels holds the box {plain.aabb}, got "
            f"{field.info.aabb}"
        )
    return field.info


def plain_info(field: PpngField) -> FieldInfo:
    """What a file without our note is read as."""
    step = {"render_step": field.info.provenance.get("render_step")}
    known = {"background": "white", "provenance": {"program": Ppng.name, **step}}
    if not len(field.levels):
        return FieldInfo(aabb=UNIT_CUBE, **known)
    return unbounded_info(len(field.levels), **known, viewpoints=field.info.viewpoints)


def config_of(document: Document, levels: list[Tensor]) -> PpngConfig:
    frequencies = document.get("freqs", list)
    n_frequencies = document.count("n_freqs")
    if len(frequencies) != n_frequencies or not all(type(f) in (int, float) for f in frequencies):
        raise ValueError(f"freqs should be {n_frequencies} numbers")
    layers = document.get("n_density_layers", list), document.get("n_color_layers", list)
    if layers != ([HIDDEN], [HIDDEN, RGB_ROWS]):
        raise ValueError(f"its layers are {layers}; expected [16] and [16, 4]")
    return PpngConfig(
        frequencies=tuple(frequencies),
        factor_dimensions=document.count("qff_type"),
        resolution=document.count("n_quants"),
        rank=document.count("rank"),
        channels=document.count("n_feats"),
        **({"levels": len(levels), "cells": len(levels[0])} if len(levels) > 1 else {}),
    )


def tensors_of(document: Document, config: PpngConfig) -> dict[str, Tensor]:
    """The state dict of PpngField."""
    n_features = 2 * len(config.frequencies) * config.channels
    if n_features % 4:
        raise ValueError(f"{n_features} features cannot be stored in blocks of 4")
    n_color = HIDDEN + SH_DEGREE**2
    rgb = blocks(document, "qff_color_layer_1", RGB_ROWS, HIDDEN)
    return {
        "factors": document.array("qff_buffer", np.float16, config.factor_shape),
        "density_weight": blocks(document, "qff_density_layer_0", HIDDEN, n_features),
        "hidden_weight": blocks(document, "qff_color_layer_0", HIDDEN, n_color),
        "rgb_weight": rgb[:3].contiguous(),
    }


def packed_levels(levels: list[Tensor]) -> dict[str, Tensor]:
    """The state of PpngField that holds the cells of `levels`."""
    state = {}
    for k, cells in enumerate(levels):
        grid = OccupancyGrid(len(cells))
        grid.assign(cells)
        state[f"levels.{k}.words"] = grid.words
    return state


def blocks(document: Document, name: str, rows: int, columns: int) -> Tensor:
    """A matrix [rows, columns] from its 4x4 blocks."""
    stored = document.array(name, np.float32, (columns // 4, rows // 4, 4, 4))
    return stored.permute(1, 2, 0, 3).reshape(rows, columns)
