import json

import pytest

from nerfconvert.errors import FormatError, NerfConvertError
from nerfconvert.runtime.crop_file import SCHEMA, read_crop, write_crop


def test_what_is_written_is_read(tmp_path):
    write_crop(tmp_path / "crop.json", (-1, 0.5, 0), (2.25, 1, 3))
    assert read_crop(tmp_path / "crop.json") == ((-1.0, 0.5, 0.0), (2.25, 1.0, 3.0))


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "not a crop box"),
        (b"\xff\xfe", "not a crop box"),
        (b"[" * 30_000, "not a crop box"),
        (b"[]", "schema"),
        ({"schema": "other/1"}, SCHEMA),
        ({"min": [0, 0, 0]}, "'max' must be three numbers"),
        ({"min": [0, 0, "a"], "max": [1, 1, 1]}, "'min' must be three numbers"),
        ({"min": [0, 0], "max": [1, 1]}, "'min' must be three numbers"),
        ({"min": [0, 0, float("nan")], "max": [1, 1, 1]}, "'min' must be three numbers"),
        ({"min": [0, 0, 1], "max": [1, 1, 1]}, "min < max"),
        ({"min": [0, 0, 0], "max": [1, 1, 1e300]}, "'max' must be three numbers"),
        ({"min": [0, 0, 0], "max": [1, 1, True]}, "'max' must be three numbers"),
        (b" " * 100_000, "100,000 bytes"),
    ],
)
def test_anything_else_is_refused(tmp_path, content, hint):
    if isinstance(content, dict):
        content = json.dumps({"schema": SCHEMA, **content}).encode()
    (tmp_path / "crop.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"crop\.json") as refused:
        read_crop(tmp_path / "crop.json")
    assert hint in str(refused.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "gone.json"):
        with pytest.raises(FormatError, match="not a crop box"):
            read_crop(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(NerfConvertError, match="cannot be written"):
        write_crop(tmp_path / "no" / "crop.json", (0, 0, 0), (1, 1, 1))
