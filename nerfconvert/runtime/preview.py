"""The preview of a target that is not finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ..files import written_whole
from ..renderer.panes import to_bytes
from ..renderer.video import write_image
from .outputs import preview_path


def write_preview(target: Path) -> Callable[[Tensor], None]:
    """What writes an image [H, W, 3] in [0, 1] as the preview of OUT."""

    def write(image: Tensor) -> None:
        with written_whole(preview_path(target)) as partial:
            write_image(partial, to_bytes(image))

    return write
