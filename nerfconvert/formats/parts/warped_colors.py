"""Forward-facing scenes of programs that ask colors along rays of a warped space not known here."""

from __future__ import annotations

from pathlib import Path

from ...errors import UnsupportedError


def refused(path: Path, program: str) -> UnsupportedError:
    """Why a forward-facing scene in `path` cannot be read: its directions of view have lengths, or
    its world another scale."""
    return UnsupportedError(
        f"{path}: a forward-facing scene of {program}, whose colors are asked along rays of a "
        "warped space of its own; such scenes are read of nerf-pytorch programs and TensoRF only"
    )
