"""kplanes_checkpoint: scenes of K-Planes (`model.pth`, or its folder, with `config.py`); read only.

Sizes are those of the tensors. Networks are tiny-cuda-nn's, whose inputs are padded with ones: a
constant that becomes part of a weight. The first network has raw density as its last output.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapters.kplanes import PLANES, KplanesConfig, KplanesField
from ..errors import FormatError, UnsupportedError
from ..volume import Aabb, Contraction, FieldInfo
from .format import Format
from .parts.document import Document
from .parts.kplanes_networks import APPEARANCE, basis_layers, density_shape, networks
from .parts.mlp_state import NDC_BOX, starts_like_checkpoint
from .parts.ngp_parameters import vector
from .parts.python_literal import read_literal
from .parts.rebuild import rebuild
from .parts.torch_file import TorchFile
from .parts.unpickle import TensorRef
from .parts.warped_colors import refused

SETTINGS = "config.py"
GRIDS = re.compile(r"grids\.(\d{1,2})\.(\d)")
USED = ("aabb", "sigma_net.params", "color_net.params", "color_basis.params")
DISTORTION = ("spatial_distortion.global_scale", "spatial_distortion.global_translation")
ACTIVATIONS = {"trunc_exp": ("exp", -1.0), "relu": ("relu", 0.0)}


class Kplanes(Format):
    name = "kplanes"
    title = "K-Planes (.pth, or its folder)"
    suffixes = (".pth",)
    architectures = frozenset({"kplanes"})

    def sniff(self, path: Path) -> bool:
        return starts_like_checkpoint(path, "field.grids.0.0")

    def read(self, path: Path) -> KplanesField:
        file = TorchFile(path)
        content = file.content if isinstance(file.content, dict) else {}
        model = content.get("model")
        if not isinstance(model, dict):
            raise FormatError(path, "found no model, which K-Planes' checkpoints have")
        state = field_tensors(file, model)
        try:
            settings = settings_beside(path)
            info = info_of(path, state, settings)
            config = config_of(path, state, settings)
            tensors = networks(path, state, config)
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None
        for scale in range(len(config.resolutions)):
            for number in range(len(PLANES)):
                plane = state[f"grids.{scale}.{number}"][0]
                tensors[f"planes.{len(PLANES) * scale + number}"] = plane
        return rebuild(path, KplanesField, config, info, tensors)


def field_tensors(file: TorchFile, model: dict[Any, Any]) -> dict[str, Tensor]:
    """The tensors of the field that are used, by their names in it. Raises FormatError,
    UnsupportedError."""
    chosen = {}
    for name, ref in model.items():
        inner = name.removeprefix("field.") if isinstance(name, str) else ""
        grid = GRIDS.fullmatch(inner)
        if grid and int(grid[2]) >= len(PLANES):
            raise UnsupportedError(f"{file.path}: a scene that moves (planes of time)")
        if isinstance(ref, TensorRef) and (grid or inner in (*USED, APPEARANCE, *DISTORTION)):
            chosen[inner] = ref
    file.refuse_shared(chosen, "model")
    found = file.tensors(chosen, "model")
    return {name: t.float() if t.is_floating_point() else t for name, t in found.items()}


def settings_beside(path: Path) -> Document:
    """The content of config.py; an empty one where there is none. Raises ValueError."""
    try:
        return Document(read_literal(path.parent / SETTINGS, "config"), SETTINGS)
    except FileNotFoundError:
        return Document({})
    except (OSError, ValueError) as problem:
        raise ValueError(f"{SETTINGS} beside it: {problem}") from None


def info_of(path: Path, state: dict[str, Tensor], settings: Document) -> FieldInfo:
    """Raises ValueError, UnsupportedError."""
    box = state.get("aabb")
    if box is None or box.shape != (2, 3) or not box.is_floating_point():
        raise ValueError("found no field.aabb of two corners")
    contracted = DISTORTION[0] in state
    aabb = contracted_box(path, state) if contracted else Aabb(*box.tolist())
    assumed = not contracted and torch.equal(box, torch.tensor([NDC_BOX.low, NDC_BOX.high]))
    if settings.get("ndc", bool, assumed):
        raise refused(path, "K-Planes")  # whose world is mirrored, too
    return FieldInfo(
        aabb=aabb,
        provenance={
            "program": Kplanes.name,
            "frame_from": SETTINGS if "ndc" in settings else "assumed: by the box",
            **({"appearance": "mean of the training images'"} if APPEARANCE in state else {}),
        },
    )


def contracted_box(path: Path, state: dict[str, Tensor]) -> Aabb:
    """All of space, contracted after ``p * scale + translation``. Raises ValueError,
    UnsupportedError."""
    scale, moved = (state.get(name, torch.zeros(0)) for name in DISTORTION)
    if scale.shape != (3,) or moved.shape != (3,) or not bool((scale > 0).all()):
        raise ValueError("its contraction has no positive scale and a translation of three numbers")
    if scale.max() > scale.min():
        raise UnsupportedError(f"{path}: its contraction scales the axes by {scale.tolist()}")
    radius = 1 / float(scale[0])
    center = [-float(v) * radius for v in moved]
    low, high = ([c + side * 2 * radius for c in center] for side in (-1, 1))
    return Aabb(low, high, Contraction("inf", tuple(center), radius))


def config_of(path: Path, state: dict[str, Tensor], settings: Document) -> KplanesConfig:
    """Raises FormatError, ValueError."""
    scales = 1 + max((int(m[1]) for m in map(GRIDS.fullmatch, state) if m), default=-1)
    resolutions, features = [], 0
    for scale in range(scales):
        shapes = [
            tuple(state.get(f"grids.{scale}.{n}", torch.zeros(0)).shape) for n in range(len(PLANES))
        ]
        if any(len(shape) != 4 or shape[0] != 1 for shape in shapes):
            raise ValueError(
                f"grids.{scale} has shapes {shapes}; expected three [1, any, any, any]"
            )
        resolutions.append((shapes[0][3], shapes[0][2], shapes[1][2]))
        features = shapes[0][1]
    explicit = "color_basis.params" in state
    count = len(vector(path, state, "sigma_net.params"))
    # of the two networks that may have so many numbers, by what is put into them
    together = features * scales
    inputs = next(
        (n for n in (together, features) if density_shape(explicit, n).count == count), together
    )
    word = settings.word("density_activation", "trunc_exp")
    if word not in ACTIVATIONS:
        raise ValueError(f"density_activation is {word}; expected {' or '.join(ACTIVATIONS)}")
    activation, shift = ACTIVATIONS[word]
    return KplanesConfig(
        resolutions=tuple(resolutions),
        features=features,
        side_by_side=inputs == together,
        explicit=explicit,
        basis_layers=basis_layers(path, state, 3 * inputs) if explicit else 4,
        density_activation=activation,
        density_shift=shift,
    )
