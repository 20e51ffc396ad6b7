"""mutated: the content of a file with one to three mistakes that its container would pass on.

What a file is made of is found from its content: a zip archive, a zlib stream, a safetensors
header, a text, CBOR or msgpack; other files are bytes. Each has mistakes of its own.
"""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import cbor2
import msgpack
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from nerfconvert.formats.native import ENTRY, checksum
from scripts.fuzzing.pickles import mutated_pickle
from scripts.fuzzing.values import FLOATS, NUMBERS, mutated_value

Draw = random.Random
COPIES = 300  # at most, of a piece of a file
WORDS = "aabb kind box -1 1e39 nan [ ] { } = \" ''' # . , \n é 0x1 inf [[primitives]] true".split(
    " "
)


def mutated(content: bytes, draw: Draw) -> bytes:
    """`content` with one to three mistakes."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        way = _bytes if draw.random() < 0.2 else way_of(content)
        try:
            content = way(content, draw)
        except (ValueError, OverflowError, TypeError):  # the container cannot hold the mistake
            content = _bytes(content, draw)
    return content


def way_of(content: bytes) -> Callable[[bytes, Draw], bytes]:
    """What makes mistakes in content of this kind."""
    if content.startswith(b"PK\x03\x04"):
        return _zip
    if content[:1] == b"\x78":
        return _stream
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return _safetensors
    if content.startswith(b"\x93NUMPY"):
        return _npy
    if content[:1] == b"\x80":
        return mutated_pickle
    for kind, way in ((_is_text, _text), (_is_cbor, _cbor), (_is_msgpack, _msgpack)):
        if kind(content):
            return way
    return _bytes


def _bytes(content: bytes, draw: Draw) -> bytes:
    """Bits, numbers, pieces that are lost, twice there or elsewhere; near the beginning more."""
    data = bytearray(content or b"\0")
    near = min(len(data), 2000) if draw.random() < 0.5 else len(data)
    at = draw.randrange(near)
    end = min(len(data), at + draw.choice((1, 2, 4, 8, 64, 1000)))
    match draw.randrange(6):
        case 0:
            data[at] ^= 1 << draw.randrange(8)
        case 1:
            data[at:end] = draw.randbytes(end - at)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * draw.randrange(1, COPIES)
        case 4:
            code, wide = draw.choice((("B", 1), ("<H", 2), ("<I", 4), ("<Q", 8), (">Q", 8)))
            number = draw.choice(NUMBERS) & (256**wide - 1)
            data[at : at + wide] = struct.pack(code, number)
        case _:
            del data[at:]
    return bytes(data)


def _zip(content: bytes, draw: Draw) -> bytes:
    """Mistakes in a member, its name, how it is packed, or which members there are."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # broken by an earlier mistake
        return _bytes(content, draw)
    small = [i for i, (_, data) in enumerate(members) if len(data) < 1 << 16] or [0]
    at, packed = draw.choice(small), zipfile.ZIP_STORED
    name, data = members[at]
    match draw.randrange(12):
        case 0:
            members[at] = draw.choice(members)[0], data
        case 1:
            members[at] = name + draw.choice(("x", "/", "\0", "é", "../")), data
        case 2:
            del members[at]
        case 3:
            members += [(f"{name}{i}", data) for i in range(draw.randrange(COPIES))]
        case 4:
            packed = zipfile.ZIP_DEFLATED
        case 5:
            members[at] = name, bytes(draw.choice((0, 1, 100, 1 << 22)))
        case _:
            inner = [i for i, (n, _) in enumerate(members) if n.endswith((".pkl", ".npy"))]
            at = draw.choice(inner or [at])
            name, data = members[at]
            members[at] = name, (_npy if name.endswith(".npy") else mutated_pickle)(data, draw)
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", packed) as archive:
        warnings.simplefilter("ignore")  # two members of a name are one of the mistakes
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=packed)
    return stream.getvalue()


def _stream(content: bytes, draw: Draw) -> bytes:
    """Mistakes in what a zlib stream holds."""
    try:
        inner = zlib.decompress(content)
    except zlib.error:
        return _bytes(content, draw)
    return zlib.compress(mutated(inner, draw), 1)


def _safetensors(content: bytes, draw: Draw) -> bytes:
    """Mistakes in the header; or in our description or a tensor, with a checksum that is right."""
    length = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:length])
        if draw.random() < 0.3:
            text = json.dumps(mutated_value(header, draw)).encode()
            return struct.pack("<Q", len(text)) + text + content[length:]
        description, tensors = json.loads(header["__metadata__"][ENTRY]), load_tensors(content)
        if draw.random() < 0.3 and tensors:
            name = draw.choice(sorted(tensors))
            tensors[name] = mutated_tensor(tensors[name], draw)
        else:
            description = mutated_value(description, draw)
        description["sha256"] = checksum(description, tensors)
        return save_tensors(tensors, {ENTRY: json.dumps(description)})
    except Exception:  # broken by an earlier mistake, or what cannot be written
        return _bytes(content, draw)


def mutated_tensor(tensor: Tensor, draw: Draw) -> Tensor:
    """Of another type, shape or with another number."""
    match draw.randrange(4):
        case 0:
            kinds = (torch.float16, torch.float64, torch.int64, torch.bool, torch.float8_e4m3fn)
            return tensor.to(draw.choice((*kinds, torch.bfloat16, torch.complex64)))
        case 1:
            return draw.choice((tensor.flatten(), tensor[None], tensor[:0], tensor.flatten()[:1]))
        case 2:
            return torch.zeros(draw.choice(((), (1,), (0,), (3, 3), (1, 1, 1, 1, 1))))
        case _:
            changed = tensor.clone()
            if changed.is_floating_point() and changed.numel():
                changed.view(-1)[draw.randrange(changed.numel())] = draw.choice(FLOATS)
            return changed


def _npy(content: bytes, draw: Draw) -> bytes:
    """Mistakes in the header of numpy's array, in its pickle, or in its numbers."""
    header, end, rest = content.partition(b"\n")
    if draw.random() < 0.3 or not end:
        return (
            header + end + (mutated_pickle(rest, draw) if b"|O" in header else _bytes(rest, draw))
        )
    words = ["<f4", ">f8", "|O", "<U9", "|u1", "<c8", "|V3", "True", "()", "(-1,)", "(1 << 9,)"]
    words += [f"({draw.choice(NUMBERS)}, 2)", "(2.5,)", "'x'", "None", "(" * 90]
    old = draw.choice((b"<f4", b"|O", b"False", b"(", b")", b"}", b",", b"fortran_order", b"descr"))
    return header.replace(old, draw.choice(words).encode(), 1) + end + rest


def _text(content: bytes, draw: Draw) -> bytes:
    """Words and lines that are lost, twice there, or others."""
    lines = content.decode("utf-8", "replace").split("\n")
    at = draw.randrange(len(lines))
    words = lines[at].split(" ")
    match draw.randrange(4):
        case 0:
            words[draw.randrange(len(words))] = draw.choice(WORDS) * draw.choice((1, 1, 2, 9000))
        case 1:
            words[draw.randrange(len(words))] = repr(mutated_value(1.0, draw))
        case 2:
            lines[at:at] = lines[at : at + 9] * draw.randrange(COPIES)
        case _:
            del words[draw.randrange(len(words))]
    lines[at] = " ".join(words)
    return "\n".join(lines).encode("utf-8", "replace")


def _is_text(content: bytes) -> bool:
    return content[:4096].isascii() and b"\0" not in content[:4096]


def _cbor(content: bytes, draw: Draw) -> bytes:
    return cbor2.dumps(mutated_value(cbor2.loads(content), draw))


def _is_cbor(content: bytes) -> bool:
    try:
        return isinstance(cbor2.loads(content), dict)
    except Exception:
        return False


def _msgpack(content: bytes, draw: Draw) -> bytes:
    return msgpack.packb(mutated_value(msgpack.unpackb(content), draw), default=str)


def _is_msgpack(content: bytes) -> bool:
    try:
        return isinstance(msgpack.unpackb(content), dict)
    except Exception:
        return False
