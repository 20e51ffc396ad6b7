"""Receipts: strict JSON documents that record what was done and its quality."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..distiller.progress import Distilled
from ..files import sha256
from ..formats import identify
from ..formats.run_folder import checkpoint_of

if TYPE_CHECKING:
    from ..volume import RadianceField


def describe_file(path: Path, field: RadianceField) -> dict[str, Any]:
    """The `source` or `target` block of a receipt; of a run's folder its newest checkpoint."""
    path = checkpoint_of(path)
    return {
        "path": str(path),
        "sha256": sha256(path),
        "format": identify(path).name,
        "architecture": field.architecture,
        "parameters": field.parameter_count,
        "bytes": path.stat().st_size,
    }


def stages(outcome: Distilled) -> list[dict[str, Any]]:
    """The `stages` block of a receipt."""
    return [
        {"name": s.name, "steps": s.steps, "seconds": s.seconds, "psnr_end": s.psnr_end}
        for s in outcome.stages
    ]


def strict(document: Any) -> Any:
    """`document` without NaN or infinity: each becomes None, and `<key>_reason` says why."""
    if isinstance(document, dict):
        clean: dict[str, Any] = {}
        for key, value in document.items():
            clean[key] = strict(value)
            if isinstance(value, float) and not math.isfinite(value):
                clean[f"{key}_reason"] = _reason(key, value)
        return clean
    if isinstance(document, list | tuple):
        return [strict(value) for value in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document


def _reason(key: str, value: float) -> str:
    if math.isinf(value):
        return "infinite: the images are equal"
    if "covered" in key or "depth" in key:
        return "nothing is covered in these images"
    return "not defined for these images (SSIM needs 11 pixels a side, LPIPS 31)"
