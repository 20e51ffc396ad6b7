"""The preview of a target that is not finished."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ..errors import NerfConvertError
from ..renderer.panes import to_bytes
from ..renderer.video import write_image
from .outputs import preview_path

log = logging.getLogger(__name__)


def write_preview(target: Path) -> Callable[[Tensor], None]:
    """What writes an image [H, W, 3] in [0, 1] as the preview of OUT; it logs where that fails, as
    on a full disk."""
    path = preview_path(target)

    def write(image: Tensor) -> None:
        try:
            write_image(path, to_bytes(image))
        except NerfConvertError as problem:
            log.warning("%s", problem.message)

    return write
