"""New fields: architecture, size and box."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from ..adapters import ADAPTERS
from ..errors import UnknownNameError, UsageError
from ..volume import Aabb, FieldInfo, RadianceField
from .sizes import check_trainable

MARGIN = 0.05  # of the occupied box's edges, added on each side of a student's box


def field_config(architecture: str, size: str, settings: Sequence[str]) -> Any:
    """The config of a new field; `settings` are KEY=VALUE strings, KEY may be `architecture.key`.

    Raises UnknownNameError for an unknown architecture, size or key, UsageError for a value that
    the config refuses, UnsupportedError for an architecture that cannot be trained.
    """
    check_trainable(architecture, size)
    kind = ADAPTERS[architecture]
    values = {**kind.PRESETS[size], **_parsed(architecture, kind.Config, settings)}
    try:
        return kind.Config(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--set {architecture}: {error}") from error


def settings_of(config: type) -> list[str]:
    """Keys of a config class that `--set` accepts."""
    return [field.name for field in dataclasses.fields(config)]


def student_info(teacher: RadianceField) -> FieldInfo:
    """The FieldInfo of a student: its teacher's, with the box shrunk to the occupied cells plus
    `MARGIN`."""
    box = teacher.occupied_box()
    pads = [MARGIN * edge for edge in box.size]
    low = [max(a - p, o) for a, p, o in zip(box.low, pads, teacher.aabb.low, strict=True)]
    high = [min(a + p, o) for a, p, o in zip(box.high, pads, teacher.aabb.high, strict=True)]
    return dataclasses.replace(teacher.info, aabb=Aabb(tuple(low), tuple(high)), provenance={})


def _parsed(architecture: str, config: type, settings: Sequence[str]) -> dict[str, Any]:
    known = settings_of(config)
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        prefix, dot, name = key.strip().rpartition(".")
        if not equals or (dot and prefix != architecture):
            raise UsageError(f"--set must look like {architecture}.KEY=VALUE, got '{setting}'")
        if name not in known:
            raise UnknownNameError(f"setting of {architecture}", name, known)
        values[name] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    """A number, true, false or list as JSON writes it; anything else is a string."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
