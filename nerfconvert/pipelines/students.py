"""New fields: an architecture, a size, and the box in which it lives."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from typing import Any

from ..adapters import ADAPTERS
from ..errors import UnknownNameError, UnsupportedError, UsageError
from ..volume import Aabb, FieldInfo, RadianceField

log = logging.getLogger(__name__)
MARGIN = 0.05  # of the occupied box's edges, added on each side of a student's box


def field_config(architecture: str, size: str, settings: Sequence[str]) -> Any:
    """The config of a new field; `settings` are KEY=VALUE strings, KEY may be `architecture.key`.

    Raises UnknownNameError for an unknown architecture, size or key, UsageError for a value that
    the config refuses, UnsupportedError for an architecture that cannot be trained.
    """
    kind = ADAPTERS[architecture]
    presets = getattr(kind, "PRESETS", None)
    if not presets:
        raise UnsupportedError(
            f"{architecture} fields can be read but not trained; choose another architecture "
            "(`nerfconvert formats` lists what there is)"
        )
    if size not in presets:
        raise UnknownNameError(f"size of {architecture}", size, presets)
    values = {**presets[size], **_parsed(architecture, kind.Config, settings)}
    try:
        return kind.Config(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--set {architecture}: {error}") from error


def settings_of(config: type) -> list[str]:
    """What `--set` takes of a config class: what is chosen, not what training has `found`."""
    return [field.name for field in dataclasses.fields(config) if not field.metadata.get("found")]


def occupied_box(field: RadianceField) -> Aabb:
    """World box of the field's occupied cells; its whole box where none is occupied."""
    box = field.occupied_box()
    if box is None:
        log.warning("the source field is empty: no cell of its box holds density")
        return field.aabb
    return box


def student_info(teacher: RadianceField) -> FieldInfo:
    """What a student takes over from its teacher; the box shrinks to what is occupied, and a
    margin."""
    box = occupied_box(teacher)
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
