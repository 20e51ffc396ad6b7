"""Configs of new fields: architecture, size and settings. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..adapters import CHOICES
from ..adapters.choices import Choices
from ..errors import UnknownNameError, UsageError
from .sizes import check_trainable


def field_config(architecture: str, size: str, settings: Sequence[str]) -> Any:
    """The config of a new field; `settings` are KEY=VALUE strings, KEY may be `architecture.key`.

    Raises UnknownNameError for an unknown architecture, size or key, UsageError for a value that
    the config refuses, UnsupportedError for an architecture that cannot be trained.
    """
    check_trainable(architecture, size)
    choices = CHOICES[architecture]
    values = {**choices.presets[size], **_parsed(architecture, choices, settings)}
    try:
        return choices.config(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--set {architecture}: {error}") from error


def _parsed(architecture: str, choices: Choices, settings: Sequence[str]) -> dict[str, Any]:
    known, values = choices.settings, {}
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
