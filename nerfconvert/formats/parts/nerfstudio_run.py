"""Run: a checkpoint of nerfstudio and what the program leaves beside it.

`config.yml` has the model's settings, `dataparser_transforms.json` how the data loader turned,
moved and scaled the capture: ``scale * (transform[:, :3] @ p + transform[:, 3])``. The field stays
in the loader's frame, as the program's camera paths do; both are kept in the provenance.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import FormatError
from ...volume import Aabb, Contraction, FieldInfo
from ..run_folder import CHECKPOINTS
from .document import Document
from .field_info import strict_json
from .plain_yaml import read_yaml
from .sidecar import beginning
from .torch_file import TorchFile
from .unpickle import TensorRef

SETTINGS = "config.yml"
TRANSFORMS = "dataparser_transforms.json"
PROGRAM = "nerfstudio"
BLENDER = 1.5  # half the edge of the box that its loader gives to synthetic scenes
EVERYWHERE = Aabb((-2.0,) * 3, (2.0,) * 3, Contraction("inf"))  # of its scene contraction
LIMIT = 64 << 10  # bytes of TRANSFORMS
LOADERS_OF_BLENDER = ("Blender", "DNeRF")


class Run:
    """`state` is the model's state dict, without the prefixes of pipeline and processes, with
    TensorRef leaves. Raises FormatError, as all its methods do."""

    def __init__(self, path: Path):
        self.path, self.file = path, TorchFile(path)
        content = self.file.content if isinstance(self.file.content, dict) else {}
        pipeline = content.get("pipeline")
        if not isinstance(pipeline, dict):
            raise FormatError(path, "found no pipeline, which nerfstudio's checkpoints have")
        self.step = content.get("step")
        self.state = {model_name(name): ref for name, ref in pipeline.items()}
        inside = path.parent.name == CHECKPOINTS
        self.folder = path.parent.parent if inside else path.parent

    @functools.cached_property
    def settings(self) -> Document | None:
        """The content of config.yml, or None where there is none."""
        try:
            return Document(read_yaml(self.folder / SETTINGS))
        except OSError:
            return None
        except ValueError as problem:
            raise FormatError(self.folder / SETTINGS, str(problem)) from None

    def setting(self, name: str, default: Any) -> Any:
        """A setting of the model, of the type of `default`, which it is where nothing is stated."""
        kind = (int, float) if isinstance(default, float) else type(default)
        try:
            return self._part("model").get(name, kind, default)
        except ValueError as problem:
            raise FormatError(self.folder / SETTINGS, str(problem)) from None

    def tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors of the state by name; names that it lacks are left out."""
        chosen = {name: self.state[name] for name in names if name in self.state}
        self.file.refuse_shared(chosen, "pipeline")
        return self.file.tensors(chosen, "pipeline")

    def under(self, prefix: str) -> dict[str, Tensor]:
        """All tensors whose name begins with `prefix`, without it."""
        found = self.tensors(name for name in self.state if name.startswith(prefix))
        return {name.removeprefix(prefix): tensor for name, tensor in found.items()}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; () where the state has no tensor of this name."""
        ref = self.state.get(name)
        return ref.shape if isinstance(ref, TensorRef) else ()

    def info(
        self, box: Tensor | None, background: str, contracted: bool = False, **notes: Any
    ) -> FieldInfo:
        """Frame, box and background of the field; without a stored `box` [2, 3] that of the data
        loader, `contracted` all of space. `background` is the model's default; `notes` go into the
        provenance."""
        color = self.setting("background_color", background)
        try:
            aabb, whence = (stored_box(box), "field.aabb") if box is not None else self._box()
            aabb, whence = (EVERYWHERE, "scene contraction") if contracted else (aabb, whence)
            provenance = {
                "program": PROGRAM,
                "frame_from": "the program's data loader",
                "aabb_from": whence,
                "settings_from": SETTINGS if self.settings else "assumed: no config.yml",
                **({} if color in ("white", "black") else {"background": f"{color}; made black"}),
                **({"step": self.step} if type(self.step) is int else {}),
                **notes,
            }
        except ValueError as problem:
            raise FormatError(self.path, str(problem)) from None
        return FieldInfo(
            aabb=aabb,
            background="white" if color == "white" else "black",
            provenance=provenance | self._transforms(),
        )

    def _part(self, name: str) -> Document:
        """A part of the pipeline's settings; empty where there is none."""
        if self.settings is None:
            return Document({})
        return part_of(part_of(self.settings, "pipeline"), name)

    def _box(self) -> tuple[Aabb, str]:
        """The data loader's box, and how that is known. Raises ValueError."""
        loader = part_of(self._part("datamanager"), "dataparser")
        target = loader.get("_target", str, "").rpartition(".")[2]
        half, whence = BLENDER, "assumed: the box of a synthetic scene"
        if target in LOADERS_OF_BLENDER:
            whence = "the loader of synthetic scenes"
        elif "scene_scale" in loader:
            half, whence = loader.number("scene_scale"), "scene_scale; what lies outside is dropped"
        return Aabb((-half,) * 3, (half,) * 3), whence

    def _transforms(self) -> dict[str, Any]:
        """The data loader's transform as provenance; {} without its file."""
        path = self.folder / TRANSFORMS
        try:
            data = beginning(path, LIMIT + 1)
        except OSError:
            return {}
        try:
            document = Document(strict_json(data.decode() if len(data) <= LIMIT else ""))
            rows = document.get("transform", list)
            numbers = [Document({"row": row}).numbers("row", 4) for row in rows]
            scale = document.number("scale")
        except ValueError as problem:
            raise FormatError(path, f"no transform and scale: {problem}") from None
        if len(numbers) != 3 or not scale > 0:
            raise FormatError(path, f"a transform of {len(numbers)} rows, scale {scale}")
        return {"dataparser_transform": numbers, "dataparser_scale": scale}


def part_of(document: Document, name: str) -> Document:
    """The map `name` in a document; an empty one where it has none, or null."""
    return Document(document.get(name, (dict, type(None)), None) or {})


def model_name(name: Any) -> str:
    """The name of a tensor in the model; "" for what is none of the model's."""
    inner = name.removeprefix("module.") if isinstance(name, str) else ""
    is_model = inner.startswith("_model.")
    return inner.removeprefix("_model.").removeprefix("module.") if is_model else ""


def stored_box(box: Tensor) -> Aabb:
    """The box in a tensor [2, 3]. Raises ValueError."""
    if box.shape != (2, 3) or not box.is_floating_point():
        raise ValueError(f"field.aabb has shape {list(box.shape)}, {box.dtype}; expected [2, 3]")
    return Aabb(*box.tolist())
