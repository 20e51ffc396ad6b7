"""plain_yaml: settings in YAML, as plain data. Tags that name Python's things run nothing.

PyYAML reads the text; its safe loader is limited further, because a small text can be deep, or
large once its aliases are followed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .sidecar import beginning

LIMIT = 256 << 10  # bytes; a config of nerfstudio has 8 thousand
MOST_ALIASES, DEEPEST = 1000, 60
PYTHON = "tag:yaml.org,2002:python/"


class PlainLoader(yaml.SafeLoader):
    """``!!python/name:module.Class`` is that name, as text; other tags are what they contain."""

    def __init__(self, text: str):
        super().__init__(text)
        self.aliases = self.depth = 0

    def compose_node(self, parent, index):
        self.aliases += self.check_event(yaml.AliasEvent)
        self.depth += 1
        if self.aliases > MOST_ALIASES or self.depth > DEEPEST:
            raise ValueError(f"more than {MOST_ALIASES} aliases, or {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def flatten_mapping(self, node):
        """Leaves merge keys, which are then refused: they could double with every line."""

    def tagged(self, suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        kind, _, name = suffix.partition(":")
        return name if kind == "name" else self.construct_scalar(node)


PlainLoader.add_multi_constructor(PYTHON, PlainLoader.tagged)


def read_yaml(path: Path) -> Any:
    """The content of a file: dicts, lists, text, numbers, dates. Raises ValueError, OSError."""
    data = beginning(path, LIMIT + 1)
    if len(data) > LIMIT:
        raise ValueError(f"it has more than {LIMIT} bytes")
    try:
        return yaml.load(data.decode(), PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as problem:
        why = " ".join(str(problem).split())[:200]
        raise ValueError(f"it is no plain YAML: {why}") from None
