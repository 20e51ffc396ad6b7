import logging

import numpy as np
import pytest

from nerfconvert.errors import OutputExistsError, UsageError
from nerfconvert.film import kept_frames as kept
from nerfconvert.film.kept_frames import kept_frames
from nerfconvert.options.showing import RenderOptions
from nerfconvert.pipelines.checks import check_render
from nerfconvert.runtime.alone import alone_in
from tests.conftest import ROOT


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (6, 8, 3), dtype=np.uint8)


class Maker:
    """Makes frames, and remembers which."""

    def __init__(self, fails_at: int | None = None):
        self.made, self.fails_at = [], fails_at

    def __call__(self, index: int) -> np.ndarray:
        if index == self.fails_at:
            raise KeyboardInterrupt
        self.made.append(index)
        return picture(index)


def film(folder, maker, *, resume=False, **request) -> list[np.ndarray]:
    with kept_frames(folder, 5, {"size": (8, 6), **request}, resume=resume) as kept:
        return list(kept.each(maker))


@pytest.fixture
def broken(tmp_path, caplog):
    """The folder of a film that was interrupted after three frames."""
    with pytest.raises(KeyboardInterrupt):
        film(tmp_path / "out.frames", Maker(fails_at=3))
    assert "3 of 5 frames are kept" in caplog.text
    caplog.clear()
    return tmp_path / "out.frames"


def test_a_whole_film_leaves_nothing_behind(tmp_path):
    frames = film(tmp_path / "out.frames", Maker())
    assert all(np.array_equal(frame, picture(i)) for i, frame in enumerate(frames))
    assert list(tmp_path.iterdir()) == []


def test_frames_that_are_half_removed_are_no_film_to_go_on_with(tmp_path, monkeypatch):
    """An end while they go leaves them under another name, until the command is given again."""

    def interrupted(folder):
        next(folder.glob("*.png")).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "_empty", interrupted)
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        kept._remove(filled(tmp_path / "out.frames"))
    left = [path for path in tmp_path.iterdir() if path.name != "out"]
    assert [path.name[0] for path in left] == ["."]
    with pytest.raises(OutputExistsError):
        check_render(RenderOptions(checkpoint=ROOT / "scenes/glass.toml", output=tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def filled(folder):
    folder.mkdir()
    (folder / "request.json").write_text("{}")
    for index in range(3):
        (folder / f"{index:05d}.png").write_bytes(b"")
    return folder


def test_a_resumed_film_makes_what_is_missing(broken):
    maker = Maker()
    frames = film(broken, maker, resume=True)
    assert maker.made == [3, 4]
    assert all(np.array_equal(frame, picture(i)) for i, frame in enumerate(frames))
    assert not broken.exists()


def test_frames_that_are_made_are_told_and_kept_ones_are_not(broken):
    told = []
    with kept_frames(broken, 5, {"size": (8, 6)}, resume=True) as kept:
        list(kept.each(Maker(), lambda done, total: told.append((done, total))))
        list(kept.each(Maker(fails_at=0)))  # a second time they are all there
    assert told == [(4, 5), (5, 5)]


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_damaged_frame_is_made_anew(broken, damage):
    path = broken / "00001.png"
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    maker = Maker()
    frames = film(broken, maker, resume=True)
    assert maker.made == [1, 3, 4]
    assert np.array_equal(frames[1], picture(1))


@pytest.mark.parametrize("how", [{"resume": False}, {"resume": True, "layout": "wipe"}])
def test_frames_of_another_film_are_not_taken(broken, how, caplog):
    maker = Maker()
    film(broken, maker, **how)
    assert maker.made == [0, 1, 2, 3, 4]
    assert ("of another film" in caplog.text) == how["resume"]


def test_a_damaged_request_is_that_of_another_film(broken, caplog):
    (broken / "request.json").write_text('{"size": [8,')
    maker = Maker()
    film(broken, maker, resume=True)
    assert len(maker.made) == 5


def test_to_resume_what_is_not_there_is_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        film(tmp_path / "out.frames", Maker(), resume=True)
    assert "starts at its first frame" in caplog.text


def test_somebody_elses_folder_stays(tmp_path):
    (tmp_path / "out.frames").mkdir()
    (tmp_path / "out.frames" / "00000.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="in the way"):
        film(tmp_path / "out.frames", Maker())
    assert (tmp_path / "out.frames" / "00000.png").read_bytes() == b"mine"


@pytest.mark.parametrize("left", [None, ".request.999999999.partial.json"])
def test_a_folder_that_was_only_made_is_taken(tmp_path, left):
    """By a process that ended before it said what its frames are of."""
    (tmp_path / "out.frames").mkdir()
    if left:
        (tmp_path / "out.frames" / left).write_text("{")
    assert len(film(tmp_path / "out.frames", Maker())) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_note_in_the_folder_stays(broken):
    (broken / "notes.txt").write_text("mine")
    film(broken, Maker(), resume=True)
    assert [path.name for path in broken.iterdir()] == ["notes.txt"]


def test_two_processes_do_not_make_the_same_film(broken):
    with alone_in(broken), pytest.raises(UsageError, match="another nerfconvert writes there"):
        film(broken, Maker(), resume=True)
    maker = Maker()
    film(broken, maker, resume=True)
    assert maker.made == [3, 4]


def test_a_film_that_fails_at_once_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        film(tmp_path / "out.frames", Maker(fails_at=0))
    assert list(tmp_path.iterdir()) == []
