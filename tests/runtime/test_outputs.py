"""Outputs that cannot be written are refused beforehand, each by its own name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nerfconvert.errors import OutputExistsError, UnknownNameError, UnsupportedError, UsageError
from nerfconvert.runtime.outputs import (
    check_file,
    check_folder,
    check_holds,
    check_run,
    is_unaccounted,
    state_path,
)
from tests.conftest import ROOT


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.ppng"
    path.write_text("field")
    return path


def test_a_new_file_in_a_folder_is_fine(tmp_path, source):
    check_file(tmp_path / "out.safetensors", False, [source])
    check_run(tmp_path / "out", False, [source], [tmp_path / "out.state"])
    check_folder(tmp_path / "new" / "folder")
    check_folder(tmp_path)


def test_an_existing_file_needs_overwrite(source):
    with pytest.raises(OutputExistsError):
        check_file(source, False)
    check_file(source, True)


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_the_output(tmp_path, source, link, overwrite):
    other = tmp_path / "other.ppng"
    link(source, other)
    for output in (source, other):
        with pytest.raises(UsageError, match="is an input"):
            check_file(output, overwrite, [source])
    with pytest.raises(UsageError, match="is an input"):
        check_run(tmp_path / "new", overwrite, [source], [other])


def test_what_is_in_the_way(tmp_path, source):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_file(folder, True)
    with pytest.raises(UsageError, match=r"in the way: out needs"):
        check_run(tmp_path / "out", True, [], [folder])
    with pytest.raises(UsageError, match="a device"):
        check_file(type(source)("/dev/null"), True)
    with pytest.raises(UsageError, match="must be a folder"):
        check_folder(source)
    with pytest.raises(UsageError, match="is not a folder"):
        check_folder(source / "below")


def test_a_folder_that_is_missing_or_is_none(tmp_path, source):
    with pytest.raises(UsageError, match="does not exist"):
        check_file(tmp_path / "no" / "out", True)
    with pytest.raises(UsageError, match="is not a folder"):
        check_file(source / "out", True)


def test_the_longest_name_counts(tmp_path):
    """What `written_whole` adds must fit as well; a name may be too long to look for, even."""
    with pytest.raises(UsageError, match=r"is too long by \d+ bytes"):
        check_file(tmp_path / ("a" * 240 + ".safetensors"), False)
    with pytest.raises(UsageError, match="too long"):
        check_run(tmp_path / "out", False, [], [tmp_path / ("b" * 260)])
    with pytest.raises(UsageError, match="too long"):
        check_folder(tmp_path / ("c" * 300))
    with pytest.raises(UsageError, match="does not exist"):
        check_file(tmp_path / ("d" * 300) / "out", False)


def test_only_what_is_newer_than_its_state_is_unaccounted(tmp_path):
    target = tmp_path / "out"
    target.write_text("field")
    assert not is_unaccounted(target)
    state = state_path(target)
    state.write_text("state")
    for age, unaccounted in ((-1, True), (0, True), (1, False)):
        os.utime(state, ns=(0, target.stat().st_mtime_ns + age))
        assert is_unaccounted(target) == unaccounted
    target.unlink()
    assert not is_unaccounted(target)


READ_ONLY = """
import os, sys
from pathlib import Path
from nerfconvert.errors import UsageError
from nerfconvert.runtime.outputs import check_file, check_folder
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
for check in (lambda path: check_file(path, True), check_folder):
    try:
        check(Path(sys.argv[1]) / "out")
    except UsageError as error:
        assert "cannot be written to" in str(error), error
    else:
        sys.exit("not refused")
"""


def test_a_read_only_folder(tmp_path):
    folder = tmp_path / "shut"
    folder.mkdir(mode=0o555)
    above = tmp_path
    while above != above.parent and above.stat().st_uid == os.geteuid():
        above.chmod(above.stat().st_mode | 0o111)
        above = above.parent
    subprocess.run([sys.executable, "-c", READ_ONLY, str(folder)], check=True, cwd=ROOT)


def test_what_a_format_holds(tmp_path):
    check_holds(tmp_path / "a.tar", None, "mlp")
    check_holds(tmp_path / "a", "nerfconvert", "vm")
    with pytest.raises(UnsupportedError, match="cannot hold a vm, only mlp"):
        check_holds(tmp_path / "a.tar", None, "vm")
    with pytest.raises(UnsupportedError, match="only"):
        check_holds(tmp_path / "a.ppng", None, "mlp")
    with pytest.raises(
        UnsupportedError, match=r"suffix .xyz; known: .safetensors \(nerfconvert\),"
    ):
        check_holds(tmp_path / "a.xyz", None, "vm")
    with pytest.raises(UnknownNameError, match="did you mean 'krrish94'") as caught:
        check_holds(tmp_path / "a", "krish94", "mlp")
    assert str(caught.value).endswith("(known: krrish94, nerf-pytorch, nerf_pl, nerfconvert)")
