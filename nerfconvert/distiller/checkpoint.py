"""Copies of a run's state: on disk against interruption, in memory against divergence."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import FormatError
from ..files import written_whole
from ..renderer.cameras import Cameras
from ..volume import Field, Role, TrainableField
from .config import DistillConfig

CHECKSUM = "sha256"  # entry of a saved state, of all others
KEEP_EVERY = 5.0  # seconds between copies of a good student
FALL, DOUBT = 10.0, 2.0  # times the least error: of a student that fell, and that may be falling


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` (tensors, numbers, strings in dicts and lists) to `path`, atomically, with a
    checksum. Raises OSError or RuntimeError where writing fails."""
    with written_whole(path) as partial:
        torch.save({**state, CHECKSUM: digest(*_leaves(state))}, partial)


def load_state(path: Path, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """The state at `path`, read without running code. Raises FormatError where it is damaged or of
    another run than `fingerprint`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = dict(state["fingerprint"])
    except Exception as error:
        raise FormatError(path, f"no resumable state ({type(error).__name__})") from error
    if found != fingerprint:
        names = sorted(found.keys() | fingerprint.keys())
        pairs = [(n, *(x.get(n, "not recorded") for x in (found, fingerprint))) for n in names]
        changes = ", ".join(f"{n} was {old}, now {new}" for n, old, new in pairs if old != new)
        raise FormatError(path, f"state of another run: {changes}; start anew without --resume")
    if state.pop(CHECKSUM, None) != digest(*_leaves(state)):
        raise FormatError(path, "no resumable state (its checksum is wrong: it is damaged)")
    return state


def _leaves(value: Any, name: str = "") -> Iterator[Any]:
    """Every tensor, number and text of a state, each after its place in it."""
    if isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _leaves(part, f"{name}/{key}")
        return
    yield name
    yield value


def fingerprint_of(
    kind: str, student: TrainableField, cameras: Cameras, config: DistillConfig, **more: Any
) -> dict[str, Any]:
    """What identifies a run, in plain values; states of other runs have other fingerprints."""
    return {
        "version": __version__,
        "kind": kind,
        "student": description_of(student),
        "cameras": digest(cameras.poses, {**vars(cameras), "poses": None}),
        **{f"budget.{key}": str(value) for key, value in dataclasses.asdict(config).items()},
        **more,
    }


def description_of(field: Field) -> str:
    """Architecture, config and box of a field."""
    return f"{field.architecture} {dataclasses.asdict(field.config)} in {field.aabb}"


def digest_of(field: Field) -> str:
    """SHA-256 of a whole field: description, occupancy and tensors."""
    tensors = field.state_dict()
    return digest(*(tensors[name] for name in sorted(tensors)), description_of(field))


def digest(*parts: Any) -> str:
    """Hexadecimal SHA-256 of tensors, by type, shape and bytes, and of other values as text."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            part = part.detach().cpu().contiguous()
            total.update(f"{part.dtype} {list(part.shape)}\n".encode())
            total.update(part.flatten().view(torch.uint8).numpy())
        else:
            total.update(f"{part}\n".encode())
    return total.hexdigest()


def is_finite(values: torch.Tensor) -> bool:
    """Whether all `values` are finite: so is their sum then, in one pass, but for an overflow."""
    values = values.detach()
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


class LastGood:
    """The latest good copy of `student`'s state, for a restart after divergence or a fall.

    A student fell where its error is `FALL` times the least that it had: its networks died, and no
    step would bring them back. It takes as much memory as the student; row tables, the largest
    parameters, take half of theirs in bfloat16, within 0.4 %.
    """

    def __init__(self, student: TrainableField, step: int):
        self.student = student
        self._least = float("inf")
        self._copy: dict[str, torch.Tensor] = {}
        self._keep(step)

    def sound(self, step: int, loss: torch.Tensor) -> bool:
        """Whether `loss` and, where a copy is due, all parameters are finite; then copies them."""
        if not bool(loss.detach().isfinite()):
            return False
        if time.monotonic() - self._kept_at < KEEP_EVERY:
            return True
        if not all(is_finite(p) for p in self.student.parameters()):
            return False
        self._keep(step)
        return True

    def fell(self, error: float) -> bool:
        """Whether `error`, a running mean, is that of a student that fell. While it may be falling
        no copy is due."""
        self._least = min(self._least, error)
        if error > DOUBT * self._least:
            self._kept_at = time.monotonic()
        return error > FALL * self._least

    def restore(self) -> int:
        """Loads the last copy into the student; returns the step of it."""
        self.student.load_state_dict(self._copy)
        return self._step

    def _keep(self, step: int) -> None:
        """Copies into the memory of the copy before, where sizes are the same."""
        wide = {id(p) for p in self.student.parameters_of(Role.ROW_TABLE)}
        halved = {name for name, p in self.student.named_parameters() if id(p) in wide}
        before, self._copy = self._copy, {}
        for name, value in self.student.state_dict().items():
            kept = before.get(name)
            if kept is None or kept.shape != value.shape:
                kept = value.new_empty(
                    value.shape, dtype=torch.bfloat16 if name in halved else value.dtype
                )
            self._copy[name] = kept.copy_(value)
        self._step, self._kept_at = step, time.monotonic()
