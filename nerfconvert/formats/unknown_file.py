"""What a file that no format knows looks like: its kind, its tensors, the program they point to.

Nothing of the file is run: names come from headers, and from the strings of a pickle.
"""

from __future__ import annotations

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ..errors import FormatError

STARTS = {
    b"PK\x03\x04": "a zip archive",
    b"\x80\x02": "a pickle",
    b"\x93NUMPY": "a numpy array",
    b"\x1f\x8b": "gzip data",
    b"ply\n": "a PLY mesh or point cloud",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"{": "JSON text",
}
PROGRAMS = {  # what all names of a program's files have somewhere; the first that fits
    "Gaussian splats": ("f_dc_0", "opacity"),
    "gsplat": ("splats", "opacities"),
    "TensoRF": ("density_line.0", "basis_mat"),
    "Plenoxels (svox2)": ("density_data", "sh_data"),
    "K-Planes": ("field.grids.0.0",),
    "nerfstudio": ("_model.",),
    "ngp_pl": ("xyz_encoder.params",),
    "torch-ngp": ("encoder.embeddings", "sigma_net"),
    "DirectVoxGO": ("model_kwargs", "model_state_dict"),
    "nerf_pl": ("nerf_coarse.",),
}
LIMIT = 4 << 20  # bytes of a header or pickle that are looked at
MOST_NAMES, SHOWN = 5000, 4
TENSOR = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)+")  # how a state dict calls its tensors


def describe(path: Path) -> str:
    """A guess, in words, at the content of a file that no format recognizes. Raises FormatError
    where it cannot be read."""
    try:
        with open(path, "rb") as file:
            start = file.read(LIMIT)
    except OSError as problem:
        raise FormatError(path, f"cannot be read: {problem.strerror}") from None
    if not start:
        return "an empty file"
    kind, names = _content(path, start)
    if not names:
        return kind
    tensors = [name for name in names if TENSOR.fullmatch(name)] or names
    shown = ", ".join(tensors[:SHOWN]) + (", ..." if len(tensors) > SHOWN else "")
    program = _program(names)
    looks = f", which looks like {program}" if program else ""
    return f"{kind}{looks} (in it: {shown})"


def _program(names: Iterable[str]) -> str | None:
    text = "\n".join(names)
    for program, clues in PROGRAMS.items():
        if all(clue in text for clue in clues):
            return program
    return None


def _content(path: Path, start: bytes) -> tuple[str, list[str]]:
    """The kind of the file, and the names in it; no names where there are none to be had."""
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and header < path.stat().st_size:
        return "a safetensors file of another program", _keys(start[8 : 8 + header])
    if start.startswith(b"PK"):
        return _archive(path)
    if start.startswith(b"\x80\x02\x8a\x0a"):
        return "a torch checkpoint of an unknown program", _strings(start)
    if start.startswith(b"ply\n"):
        end = start.partition(b"end_header")[0].decode("ascii", "replace")
        return STARTS[b"ply\n"], re.findall(r"property \w+ (\w+)", end)
    kind = next((text for head, text in STARTS.items() if start.startswith(head)), "unknown bytes")
    return kind, []


def _keys(header: bytes) -> list[str]:
    try:
        return [name for name in json.loads(header) if name != "__metadata__"]
    except (ValueError, RecursionError):  # not JSON after all
        return []


def _archive(path: Path) -> tuple[str, list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()[:MOST_NAMES]
            pickled = [name for name in members if name.endswith("data.pkl")]
            if not pickled:
                arrays = [name for name in members if name.endswith(".npy")]
                return ("numpy arrays (.npz)" if arrays else STARTS[b"PK\x03\x04"]), arrays
            with archive.open(pickled[0]) as file:
                return "a torch checkpoint of an unknown program", _strings(file.read(LIMIT))
    except Exception:  # zipfile raises many kinds
        return "a damaged zip archive", []


def _strings(pickled: bytes) -> list[str]:
    """Every string of one or more pickles, in order, once; up to where they end or break."""
    stream = io.BytesIO(pickled)

    def found() -> Iterator[str]:
        try:
            while True:
                for _, value, _ in pickletools.genops(stream):
                    if isinstance(value, str) and " " not in value and len(value) < 200:
                        yield value
        except Exception:  # the end, or damage: pickletools raises what it meets
            return

    return list(dict.fromkeys(islice(found(), MOST_NAMES)))
