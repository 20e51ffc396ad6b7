"""decode: agrees with another implementation, and refuses what it does not need."""

from __future__ import annotations

import datetime
import math
import struct

import cbor2
import pytest

from nerfconvert.formats.parts.cbor import decode, encode

VALUES = [0, 23, 24, 255, 256, 65536, 2**32, 2**63, -1, -24, -25, -(2**40), 0.5, 1e300, -2.25]
VALUES += [math.inf, True, False, None, "", "text", "ä€" * 40, b"", b"\x00\xff" * 300]


@pytest.mark.parametrize("value", VALUES)
def test_plain_values(value):
    assert decode(cbor2.dumps(value)) == value


def test_containers():
    value = {"list": VALUES, "map": {"inner": [[1, 2], [], {}]}, "long": list(range(1000))}
    assert decode(cbor2.dumps(value)) == value


@pytest.mark.parametrize(("code", "head"), [(">e", b"\xf9"), (">f", b"\xfa")])
def test_short_floats(code, head):
    assert decode(head + struct.pack(code, 1.5)) == 1.5


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (cbor2.dumps(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)), "tag"),
        (cbor2.dumps(2**70), "tag"),
        (b"\x9f\x01\xff", "length"),
        (b"\x5f\x41a\xff", "length"),
        (b"\x5b" + struct.pack(">Q", 1 << 50) + b"abc", "claimed"),
        (b"\x9b" + struct.pack(">Q", 1 << 50) + b"abc", "claimed"),
        (b"\xbb" + struct.pack(">Q", 1 << 62) + b"abc", "claimed"),
        (b"\x81" * 100 + b"\x01", "deeply"),
        (b"\xa1\x01\x02", "text"),
        (b"\x61\xff", "utf-8"),
        (b"\x01\x01", "left over"),
        (b"\xf8\x30", "simple"),
        (b"", "early"),
    ],
)
def test_refusals(data, why):
    with pytest.raises(ValueError, match=why):
        decode(data)


def test_every_truncation():
    data = cbor2.dumps({"a": [1, 2.5, "text", b"bytes", 70000], "b": {"c": None}})
    for end in range(len(data)):
        with pytest.raises(ValueError):
            decode(data[:end])


def test_what_is_written_is_read_by_a_well_known_library():
    edges = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -(2**32)]
    value = {
        "whole": edges,
        "real": [0.1, -1e300, 2.0],
        "text": "\u00e4" * 30,
        "bytes": b"\x00" * 300,
    }
    value |= {"list": [[], [1] * 30], "map": {str(i): i for i in range(40)}}
    assert cbor2.loads(encode(value)) == value
    assert decode(encode(value)) == value
    with pytest.raises(TypeError):
        encode({1, 2})


def test_millions_of_empty_lists_are_refused():
    """A byte each in the file, sixty in memory."""
    inner = b"\x9a\x00\x10\x00\x01" + b"\x80" * ((1 << 20) + 1)
    with pytest.raises(ValueError, match="more than 1048576 items"):
        decode(inner)
