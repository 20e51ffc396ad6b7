"""Forward-facing scenes of programs whose colors are asked along rays of the warped space."""

from __future__ import annotations

from pathlib import Path

from ...errors import UnsupportedError


def refused(path: Path, program: str) -> UnsupportedError:
    """Why a forward-facing scene in `path` cannot be read: our fields ask along the rays of the
    world."""
    return UnsupportedError(
        f"{path}: a forward-facing scene of {program}, whose colors are asked along rays of the "
        "warped space; such scenes are read of nerf-pytorch programs only"
    )
