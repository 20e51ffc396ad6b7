"""mutated_pickle: a pickle with a mistake among its instructions; some of them ask to run code."""

from __future__ import annotations

import io
import pickletools
import random
import struct

from scripts.fuzzing.values import FLOATS, NUMBERS, TEXTS

CODE = [
    b"cos\nsystem\nX\x04\x00\x00\x00true\x85R",
    b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R",
    b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93X\x04\x00\x00\x00true\x85R",
    b"ctorch.serialization\nload\n)R",
    b"(X\x04\x00\x00\x00trueios\nsystem\n",
    b"\x82\x01",
    b"cnumpy\nndarray\nK\x03\x85R",
    b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nSize\n(K\x01K\x02tR",
]
OTHERS = [
    bytes([code])
    for code in b"NlLIitdobaseutRQP0123hqjr.()}][]\x85\x86\x87\x88\x89\x90\x91\x93\x94"
]


def mutated_pickle(content: bytes, draw: random.Random) -> bytes:
    """`content`, pickles and what follows them, with a mistake in the longest pickle."""
    steps, before, after = _steps(content)
    if not steps:
        at = draw.randrange(len(content) + 1)
        return content[:at] + draw.choice(OTHERS) + content[at + 1 :]
    at = draw.randrange(len(steps))
    match draw.randrange(9):
        case 0:
            del steps[at]
        case 1:
            steps[at:at] = steps[at : at + 8] * draw.choice((1, 1, 2, 300))
        case 2:
            other = draw.randrange(len(steps))
            steps[at], steps[other] = steps[other], steps[at]
        case 3:
            steps.insert(at, draw.choice(CODE))
        case 4:
            steps[at] = draw.choice(OTHERS)
        case 5:
            steps.insert(at, b"0" + _shared(draw.choice((2, 20, 60, 3000))))
        case _:
            steps[at] = _changed(draw.choice(_places(steps)), steps, draw)
    return before + b"".join(steps) + after


def _steps(content: bytes) -> tuple[list[bytes], bytes, bytes]:
    """The instructions of the longest pickle, and what lies before and after it."""
    stream, longest = io.BytesIO(content), ([], 0, 0)
    try:
        while True:
            start = stream.tell()
            found = [at for _, _, at in pickletools.genops(stream)]
            end = stream.tell()
            ends = [*found[1:], end]
            steps = [content[a:b] for a, b in zip(found, ends, strict=True)]
            if len(steps) > len(longest[0]):
                longest = steps, start, end
    except Exception:  # the numbers after the pickles, or a broken one
        steps, start, end = longest
        return steps, content[:start], content[end:]


def _places(steps: list[bytes]) -> list[int]:
    """Of instructions with a number or a text."""
    return [i for i, step in enumerate(steps) if step[:1] in b"KJMX\x8a\x8cGC"] or [0]


def _changed(at: int, steps: list[bytes], draw: random.Random) -> bytes:
    """An instruction that pushes another number or text. `steps` are not changed elsewhere."""
    if steps[at][:1] in b"X\x8c":
        word = draw.choice((*TEXTS, "storage", "0", "1")).encode()
        return b"X" + struct.pack("<I", len(word)) + word
    if draw.random() < 0.2:
        return b"G" + struct.pack(">d", draw.choice(FLOATS))
    number = draw.choice((*NUMBERS, -(1 << 40), 1 << 500))
    wide = number.bit_length() // 8 + 1
    return b"\x8a" + bytes([wide]) + number.to_bytes(wide, "little", signed=True)


def _shared(times: int) -> bytes:
    """A tuple of tuples of ... of which each has one twice."""
    return b"K\x01\x85q\x7f" + b"0h\x7fh\x7f\x86q\x7f" * times
