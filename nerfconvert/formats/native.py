"""native: our own file, safetensors with the field's description as JSON in its header.

Header entries: `schema`, `architecture`, `config` (JSON), `info` (JSON: box, frame, background,
provenance), `occupancy_resolution` and `sha256`, a checksum of everything else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..adapters import ADAPTERS
from ..errors import FormatError, UnknownNameError
from ..volume import RadianceField
from .format import Format
from .info import info_from_json, info_to_json, strict_json
from .rebuild import rebuild

SCHEMA = "nerfconvert.field/1"
FAMILY = "nerfconvert.field/"
ENTRIES = ("schema", "architecture", "config", "info", "occupancy_resolution", "sha256")
HEAD = 1 << 20  # bytes searched for the schema
HEADER_LIMIT = 100_000_000  # safetensors' own


class Native(Format):
    name = "nerfconvert"
    title = "nerfconvert (.safetensors)"
    suffixes = (".safetensors",)
    architectures = frozenset(ADAPTERS)
    can_write = True

    def sniff(self, path: Path) -> bool:
        """A safetensors header that names a schema of ours, of any version."""
        try:
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                head = file.read(min(length, HEAD))
        except OSError:
            return False
        return length <= HEADER_LIMIT and head.startswith(b"{") and FAMILY.encode() in head

    def read(self, path: Path) -> RadianceField:
        entries, tensors = read_tensors(path)
        if entries.get("schema") != SCHEMA:
            raise FormatError(path, f"found schema {entries.get('schema')!r}; expected {SCHEMA!r}")
        if sorted(entries) != sorted(ENTRIES):
            raise FormatError(path, f"its header should hold exactly {', '.join(ENTRIES)}")
        if checksum(entries, tensors) != entries["sha256"]:
            raise FormatError(path, "its checksum is wrong: the file is damaged")
        try:
            field_class = ADAPTERS[entries["architecture"]]
            values = strict_json(entries["config"])
            known = {field.name for field in dataclasses.fields(field_class.Config)}
            if not isinstance(values, dict) or values.keys() != known:
                raise ValueError(f"config should hold exactly {', '.join(sorted(known))}")
            config = field_class.Config(**values)
            info = info_from_json(entries["info"])
            return rebuild(
                path, field_class, config, info, tensors, int(entries["occupancy_resolution"])
            )
        except (UnknownNameError, TypeError, ValueError, RuntimeError) as problem:
            raise FormatError(path, " ".join(str(problem).split())) from problem

    def write(self, field: RadianceField, path: Path) -> None:
        tensors = {n: t.detach().cpu().contiguous() for n, t in field.state_dict().items()}
        entries = {
            "schema": SCHEMA,
            "architecture": field.architecture,
            "config": json.dumps(dataclasses.asdict(field.config), sort_keys=True),
            "info": info_to_json(field.info),
            "occupancy_resolution": str(field.occupancy.resolution),
        }
        path.write_bytes(save(tensors, {**entries, "sha256": checksum(entries, tensors)}))


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header entries and tensors. Raises FormatError; safetensors checks sizes before it reads."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except OSError as problem:
        raise FormatError(path, f"cannot be read: {problem.strerror or problem}") from None
    except (SafetensorError, ValueError, RuntimeError) as problem:
        why = " ".join(str(problem).split())
        raise FormatError(path, f"not a whole safetensors file: {why}") from problem


def checksum(entries: dict[str, str], tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the header entries but itself, and each tensor's name, type, shape, bytes."""
    digest = hashlib.sha256()
    for name in sorted(entries.keys() - {"sha256"}):
        digest.update(f"{name}={entries[name]}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
