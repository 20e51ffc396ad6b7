"""Request: what the frames of a film are of, to the bit, so that no others are taken for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..renderer.cameras import Cameras
from ..volume import RadianceField


def film_request(
    files: Sequence[Mapping[str, Any]],
    fields: Sequence[RadianceField],
    cameras: Cameras,
    background: float,
    *,
    truth: Tensor | None = None,
    **how: str | bool,
) -> dict[str, Any]:
    """A JSON object of `fields` in `files` (blocks of a receipt), what looks at them, and `how`."""
    focal = torch.as_tensor(cameras.focal).flatten()
    return {
        "version": __version__,
        "fields": [[file["path"], file["sha256"]] for file in files],
        "frustums": [str(field.info.frustum) for field in fields],
        "resolution": [cameras.width, cameras.height],
        "cameras": _digest(cameras.poses, focal),
        "background": background,
        "truth": None if truth is None else _digest(truth),
        **how,
    }


def _digest(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
