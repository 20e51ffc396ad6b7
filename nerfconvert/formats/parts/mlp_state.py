"""What the programs of the nerf-pytorch family share: boxes, frames, conventions, state dicts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from ...adapters.mlp import MlpConfig, MlpField
from ...errors import FormatError, UnsupportedError
from ...volume import Aabb, Field, FieldInfo
from .field_info import info_from_document, info_to_document, strict_json
from .torch_file import LEGACY_START, ZIP_START

NOTE = "nerfconvert"  # key of our note about box and frame; the programs ignore it
HEAD = 1 << 20  # bytes searched for a program's keys
BLENDER_WIDTH, LLFF_WIDTH = 800, 504  # pixels; of LLFF's after the usual reduction by 8
BLENDER_BOX = Aabb((-1.5,) * 3, (1.5,) * 3)
NDC_BOX = Aabb((-1.5, -1.67, -1.0), (1.5, 1.67, 1.0))  # cameras beside the reference see past +-1
ADAM = {"lr": 5e-4, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}


def starts_like_checkpoint(path: Path, key: str) -> bool:
    """Whether the file begins like a torch checkpoint that has `key`. Never raises."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return head.startswith((LEGACY_START, ZIP_START)) and key.encode() in head


def octaves(path: Path, columns: int, what: str) -> int:
    """Octaves of an encoding with `columns` columns. Raises FormatError if it has none."""
    count, rest = divmod(columns - 3, 6)
    if rest or count < 0:
        raise FormatError(
            path, f"{what} has {columns} columns; expected 3 + 6 for each octave (a plain NeRF)"
        )
    return count


def matrix(path: Path, state: dict[str, Tensor], name: str) -> Tensor:
    """A weight of the state dict. Raises FormatError if it is missing or no matrix."""
    if name not in state or state[name].ndim != 2 or not state[name].is_floating_point():
        raise FormatError(path, f"found no weight matrix {name}, which this program's files have")
    return state[name]


def trunk_sizes(
    path: Path, state: dict[str, Tensor], depth: int, name: Callable[[int], str]
) -> tuple[dict[str, Any], int]:
    """Depth, width and skip layers of a trunk of `depth` layers, layer i under `name(i)`, and the
    columns of the encoded position. Raises FormatError for a layer that is no matrix."""
    width, encoded = matrix(path, state, f"{name(0)}.weight").shape
    inputs = [matrix(path, state, f"{name(i)}.weight").shape[1] for i in range(depth)]
    skips = tuple(i for i in range(1, depth) if inputs[i] != width)
    return {"depth": depth, "width": width, "skips": skips}, encoded


def view_sizes(path: Path, state: dict[str, Tensor], name: str, width: int) -> dict[str, int]:
    """Sizes of the layer `name`, whose inputs are features [N, width] and the encoded direction."""
    head_width, columns = matrix(path, state, name).shape
    count = octaves(path, columns - width, "the encoded direction")
    return {"head_width": head_width, "direction_octaves": count}


def field_info(
    source: str, *, ndc: bool, white: bool, width: int, settings: str | None
) -> FieldInfo:
    """Box, frame and background of a checkpoint; `settings` names the file that they are from.
    These programs shoot rays through the corners of pixels, of images `width` pixels wide."""
    return FieldInfo(
        pixel_shift=0.5 / width,
        aabb=NDC_BOX if ndc else BLENDER_BOX,
        frame="ndc" if ndc else "world",
        background="white" if white else "black",
        provenance={
            "program": source,
            "frame_from": settings or "assumed: no settings file beside the checkpoint",
            "aabb_from": "assumed: NDC, with room beside the reference camera"
            if ndc
            else "assumed: a Blender scene's box",
        },
    )


def image_width(llff: bool, half: bool) -> int:
    """Width in pixels of the images of a capture or, `half` as wide, of a Blender scene."""
    return LLFF_WIDTH if llff else BLENDER_WIDTH // (2 if half else 1)


def note_of(field: Field) -> dict[str, str]:
    """The checkpoint entry that preserves box, frame and background in a round trip."""
    return note_of_info(field.info)


def note_of_info(info: FieldInfo) -> dict[str, str]:
    """As `note_of`, of a field that is written with another `info` than its own."""
    return {NOTE: json.dumps(info_to_document(info), sort_keys=True)}


def noted_info(path: Path, content: dict[str, Any]) -> FieldInfo | None:
    """The info of `note_of`, or None without a note. Raises FormatError if it is damaged."""
    if NOTE not in content:
        return None
    try:
        return info_from_document(strict_json(content[NOTE]))
    except (TypeError, ValueError) as problem:
        raise FormatError(path, f"its {NOTE} note is damaged: {problem}") from None


def check_conventions(title: str, config: MlpConfig, **expected: Any) -> None:
    """Raises UnsupportedError unless the network is one that the program can run."""
    expected |= {"density_activation": "relu", "density_shift": 0.0, "normalize": False}
    expected |= {"joint": False, "head_layers": 1, "lowest_frequency": 1.0}
    expected |= {"position_spacing": 1.0, "direction_spacing": 1.0}
    if config.view_dependent:
        expected["head_width"] = config.width // 2
    for name, value in expected.items():
        found = getattr(config, name)
        if found != value:
            raise UnsupportedError(
                f"a {title} file cannot hold an mlp with {name} = {found}; it needs {value}"
            )


def trunk_state(
    field: MlpField, name: Callable[[int], str], *, position_first: bool = True
) -> dict[str, Tensor]:
    """Weights and biases of the trunk, layer i under `name(i)`; the inputs of a skip layer are
    [position, h] with `position_first`, else [h, position] as ours."""
    encoded, state = 3 + 6 * field.config.position_octaves, {}
    for i, layer in enumerate(field.trunk):
        turned = position_first and i in field.config.skips
        state[f"{name(i)}.weight"] = layer.weight.roll(encoded, dims=1) if turned else layer.weight
        state[f"{name(i)}.bias"] = layer.bias
    return state


def heads_state(field: MlpField, heads: dict[str, str], density: str) -> dict[str, Tensor]:
    """Weights and biases of the layers `heads` (theirs: ours); `density` is the program's name of
    the density layer, into which the density scale is multiplied."""
    state = {
        f"{theirs}.{kind}": getattr(getattr(field, ours), kind)
        for theirs, ours in heads.items()
        for kind in ("weight", "bias")
    }
    return state | {f"{density}.{kind}": t for kind, t in written_density(field).items()}


def written_density(field: MlpField) -> dict[str, Tensor]:
    """Weight and bias of the density layer with the density scale multiplied in."""
    layer, scale = field.density_layer, field.config.density_scale
    return {"weight": layer.weight.detach() * scale, "bias": layer.bias.detach() * scale}


def plain_copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state on the CPU in float32, every tensor with storage of its own."""
    return {name: t.detach().float().cpu().contiguous().clone() for name, t in state.items()}


def idle_optimizer(n_parameters: int) -> dict[str, Any]:
    """State dict of an Adam optimizer before its first step, which the programs require."""
    return {"state": {}, "param_groups": [{**ADAM, "params": list(range(n_parameters))}]}
