"""Fields of contracted space and of forward-facing scenes: which formats can hold them."""

from __future__ import annotations

import dataclasses

import pytest

from nerfconvert.errors import UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.format_files import FORMAT_FILES
from nerfconvert.volume import Contraction
from tests.formats.files import tiny_field

WRITTEN = [name for name, files in FORMAT_FILES.items() if files.writes]
SPACES = {
    "unbounded": {},
    "forward-facing": {"frame": "ndc"},
    "forward-facing, seen along the cube": {"frame": "ndc", "view_directions": "ndc"},
}
HOLD = {
    "unbounded": {"nerfconvert"},
    "forward-facing": {"nerfconvert", "nerf-pytorch", "krrish94"},
    "forward-facing, seen along the cube": {"nerfconvert", "tensorf"},
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("space", SPACES)
def test_a_space_that_the_program_does_not_know_is_refused(name, space, tmp_path):
    """Else it would show contracted space, or the cube of a frustum, as the world."""
    field = tiny_field(name)
    box = field.aabb
    if space == "unbounded":
        box = dataclasses.replace(box, contraction=Contraction())
    field.info = dataclasses.replace(field.info, aabb=box, **SPACES[space])
    path = tmp_path / f"a{FORMAT_FILES[name].suffixes[0]}"
    if name in HOLD[space]:
        save(field, path, format=name)
        again = load(path).info
        assert again.frame == field.info.frame
        assert again.view_directions == field.info.view_directions
        return
    with pytest.raises(UnsupportedError, match=r"a box of the world|asked along rays of"):
        save(field, path, format=name)
    assert not path.exists()
