"""Album: the pictures that figures were measured on, as PNG, so that others can measure them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..errors import told_of
from ..renderer.panes import to_bytes
from ..renderer.video import write_images
from .evaluation import Evaluation, Pictures
from .image_metrics import COVERED


def write_album(folder: Path, pictures: list[Pictures], evaluation: Evaluation) -> list[str]:
    """Writes each field's views, one folder a field, and the photographs, as the figures have them:
    8 bits, on the background; white where the first field or a photograph covers a pixel, else
    black. The fields' folders, relative to `folder`. Raises NerfConvertError."""
    names = [f"field_{number}" for number in range(len(pictures))]
    shown = dict(zip(names, (shot.images for shot in pictures), strict=True))
    shown["covered_by_first"] = _mask(pictures[0].opacity)
    if evaluation.truth is not None:
        shown["truth"] = evaluation.truth
    if evaluation.truth_opacity is not None:
        shown["covered_by_truth"] = _mask(evaluation.truth_opacity)
    with told_of(folder):
        folder.mkdir(exist_ok=True)
    for name, images in shown.items():
        write_images(folder / name, map(to_bytes, images))
    return names


def _mask(opacity: Tensor) -> Tensor:
    """[V, H, W, 3]: 1 where `opacity` [V, H, W] is that of a covered pixel, else 0."""
    return (opacity > COVERED).float()[..., None].expand(*opacity.shape, 3)
