"""native: nerfconvert's own files, safetensors with a JSON description of the field in the header.

The description is one header entry, `nerfconvert`: schema, architecture, config, info (box, frame,
background, provenance), occupancy_resolution, and sha256, a checksum of all the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .. import __version__
from ..adapters import ADAPTERS
from ..adapters.later import LATER, stored_values
from ..errors import FormatError, UnknownNameError
from ..volume import RadianceField
from .format import Format
from .parts.field_info import info_from_document, info_to_document, strict_json
from .parts.rebuild import rebuild
from .parts.schema_1 import from_schema_1
from .rounding import in_half

ENTRY = "nerfconvert"
SCHEMA = "nerfconvert.field/2"
OLDER = "nerfconvert.field/1"  # of the first release; read, no longer written
FAMILY = "nerfconvert.field/"
KEYS = ("schema", "architecture", "config", "info", "occupancy_resolution", "sha256")
HEAD = 1 << 20  # bytes searched for the schema
PIECE = 1 << 20  # bytes that are copied at once
HEADER_LIMIT = 100_000_000  # safetensors' own


class Native(Format):
    name = "nerfconvert"
    title = "nerfconvert (.safetensors)"
    suffixes = (".safetensors",)
    architectures = frozenset(ADAPTERS)
    can_write = unbounded = True
    forward_facing = frozenset({"world", "ndc"})

    def sniff(self, path: Path) -> bool:
        """Whether the file has a safetensors header with a nerfconvert schema, of any version."""
        try:
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                head = file.read(min(length, HEAD))
        except OSError:
            return False
        return length <= HEADER_LIMIT and head.startswith(b"{") and FAMILY.encode() in head

    def read(self, path: Path) -> RadianceField:
        description, tensors = read_file(path)
        schema = description.get("schema")
        if schema not in (SCHEMA, OLDER):
            raise FormatError(path, _of_another_version(schema))
        if sorted(description) != sorted(KEYS):
            raise FormatError(path, f"its description should hold exactly {', '.join(KEYS)}")
        if checksum(description, tensors) != description["sha256"]:
            raise FormatError(path, "its checksum is wrong: the file is damaged")
        try:
            if schema == OLDER:
                description, tensors = from_schema_1(description, tensors)
            field_class = ADAPTERS[description["architecture"]]
            config = config_of(field_class.Config, description["config"])
            info = info_from_document(description["info"])
            resolution = description["occupancy_resolution"]
            if type(resolution) is not int:
                raise ValueError(f"occupancy_resolution is {resolution!r}; expected a number")
            return rebuild(path, field_class, config, info, tensors, resolution)
        except (UnknownNameError, TypeError, ValueError) as problem:
            raise FormatError(path, " ".join(str(problem).split())) from problem

    def write(self, field: RadianceField, path: Path) -> None:
        tensors = {n: t.detach().cpu().contiguous() for n, t in field.state_dict().items()}
        names = [name for name, _ in field.named_parameters()]
        tensors |= in_half({name: tensors[name] for name in names})
        description = {
            "schema": SCHEMA,
            "architecture": field.architecture,
            "config": stored_values(field.config),
            "info": info_to_document(field.info),
            "occupancy_resolution": field.occupancy.resolution,
        }
        description["sha256"] = checksum(description, tensors)
        path.write_bytes(save(tensors, {ENTRY: canonical(description)}))


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and tensors. Raises FormatError; safetensors checks sizes before it reads.

    It maps what it reads, and a file that is cut while it is mapped ends the process: the tensors
    come from a copy.
    """
    try:
        with _utf8_name(path) as name, safe_open(name, framework="pt") as file:
            description = strict_json((file.metadata() or {}).get(ENTRY, "null"))
        with _copied(path) as copy, safe_open(copy, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except OSError as problem:
        raise FormatError(path, f"cannot be read: {problem.strerror or problem}") from None
    except (SafetensorError, ValueError, RuntimeError) as problem:
        why = " ".join(str(problem).split())
        raise FormatError(path, f"not a whole safetensors file: {why}") from problem
    if not isinstance(description, dict):
        raise FormatError(path, f"its header has no description under {ENTRY!r}")
    return description, tensors


def _of_another_version(schema: Any) -> str:
    """What to say of a schema that is not known, and to do about a newer one."""
    said = f"found schema {schema!r}; expected {SCHEMA!r}"
    number = str(schema).removeprefix(FAMILY)
    if re.fullmatch("[0-9]{1,9}", number) and int(number) > int(SCHEMA.removeprefix(FAMILY)):
        said += f" in nerfconvert {__version__}: a newer one wrote it; update nerfconvert"
    return said


@contextlib.contextmanager
def _utf8_name(path: Path) -> Iterator[Path]:
    """A name by which safetensors opens `path`: a link to it where its own is not UTF-8."""
    try:
        str(path).encode()
        yield path
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "link"
            link.symlink_to(path.absolute())
            yield link


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """A name of what `path` holds now, in memory on Linux, else in a temporary file."""
    with contextlib.ExitStack() as open_files:
        source = open_files.enter_context(open(path, "rb"))
        if sys.platform == "linux":
            copy = open_files.enter_context(open(os.memfd_create("nerfconvert"), "wb"))
            name = f"/proc/self/fd/{copy.fileno()}"
        else:
            copy = open_files.enter_context(tempfile.NamedTemporaryFile())
            name = copy.name
        shutil.copyfileobj(source, copy, PIECE)
        copy.flush()
        yield Path(name)


def config_of(config_class: type, values: Any) -> Any:
    """The config with exactly these values, of which later ones may be missing. Raises ValueError
    or TypeError."""
    fields = dataclasses.fields(config_class)
    known = {field.name for field in fields}
    needed = {field.name for field in fields if LATER not in field.metadata}
    if not isinstance(values, dict) or not needed <= values.keys() <= known:
        raise ValueError(f"config should hold exactly {', '.join(sorted(known))}")
    return config_class(**values)


def canonical(document: dict[str, Any]) -> str:
    """JSON text that is identical for equal documents."""
    return json.dumps(document, sort_keys=True, allow_nan=False)


def checksum(description: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the description but `sha256`, and each tensor's name, type, shape and bytes."""
    rest = {key: value for key, value in description.items() if key != "sha256"}
    digest = hashlib.sha256(canonical(rest).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
