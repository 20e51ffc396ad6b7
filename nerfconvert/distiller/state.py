"""Saved states of a run: written to a temporary name, then renamed; read without running code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ..errors import FormatError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` (tensors, numbers, strings in dicts and lists) to `path`, atomically."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_state(path: Path, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """The state at `path`. FormatError when damaged or of another run than `fingerprint`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["fingerprint"]
    except Exception as error:
        raise FormatError(path, f"no resumable state ({type(error).__name__})") from error
    if found != fingerprint:
        keys = [k for k in fingerprint if found.get(k) != fingerprint[k]]
        changes = ", ".join(f"{k} was {found.get(k)}, now {fingerprint[k]}" for k in keys)
        raise FormatError(path, f"state of another run: {changes}; start anew with --overwrite")
    return state
