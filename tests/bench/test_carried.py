"""Files there and back: same names, same bytes, nothing unfinished, nothing too large."""

from __future__ import annotations

import pytest

from nerfconvert.bench import carried
from nerfconvert.bench.carried import packed, unpack
from nerfconvert.errors import NerfConvertError, UsageError


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / "photos" / "train").mkdir(parents=True)
    for name in ("field.tar", "photos/a.json", "photos/train/1.png", "photos/.1.partial"):
        (tmp_path / "home" / name).write_text(name)
    return tmp_path / "home"


def test_files_and_folders_come_over_as_they_are(home, tmp_path):
    files = packed([home / "field.tar", home / "photos"], home)
    assert list(files) == ["field.tar", "photos/a.json", "photos/train/1.png"]
    unpack(files, tmp_path / "there")
    assert packed([tmp_path / "there"], tmp_path / "there") == files


def test_the_account_is_written_after_all_else(home, tmp_path):
    """What it accounts for must be there, whenever the way home breaks off."""
    files = packed([home / "field.tar", home / "photos"], home)
    (tmp_path / "there" / "photos" / "train").mkdir(parents=True)
    (tmp_path / "there" / "photos" / "train" / "1.png").mkdir()  # cannot be written
    with pytest.raises(NerfConvertError, match=r"1\.png: cannot be written"):
        unpack(files, tmp_path / "there", last=tmp_path / "there" / "field.tar")
    assert not (tmp_path / "there" / "field.tar").exists()


def test_what_is_too_large_is_refused_unread(home, monkeypatch):
    monkeypatch.setattr(carried, "MOST_BYTES", 31)
    assert len(packed([home / "photos"], home)) == 2
    (home / "photos" / "train" / "1.png").write_bytes(bytes(19))
    with pytest.raises(UsageError, match=r"1\.png: .*executor local"):
        packed([home / "photos"], home)
