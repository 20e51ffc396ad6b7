"""later: values that a config gained after files without them had been written."""

from __future__ import annotations

import dataclasses
from typing import Any

LATER = "later"  # in the metadata of such a dataclass field


def later(default: Any) -> Any:
    """A dataclass field that files need not have: without it they mean `default`, and where it is
    `default` they are written without it."""
    return dataclasses.field(default=default, metadata={LATER: True})


def stored_values(config: Any) -> dict[str, Any]:
    """The values of a config that a file holds, by name."""
    values = dataclasses.asdict(config)
    for field in dataclasses.fields(config):
        if LATER in field.metadata and values[field.name] == field.default:
            del values[field.name]
    return values
