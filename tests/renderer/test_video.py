import os
import resource
import subprocess

import cv2
import numpy as np
import pytest
from PIL import Image

from nerfconvert.errors import NerfConvertError, UsageError
from nerfconvert.options.showing import VIDEOS
from nerfconvert.renderer.encoder import CODED
from nerfconvert.renderer.video import write_images, write_video


def frames(count: int, height: int, width: int) -> list[np.ndarray]:
    """Smooth gray ramps, one level brighter each time: kind to the codec."""
    ramp = np.linspace(40, 180, width)[None, :, None].repeat(height, 0).repeat(3, 2)
    return [(ramp + 5 * i).astype(np.uint8) for i in range(count)]


def read(path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    images = []
    while True:
        ok, image = capture.read()
        if not ok:
            return np.stack(images)
        images.append(image[..., ::-1])


def test_a_video_plays_what_was_written(tmp_path):
    written = frames(6, 32, 48)
    assert write_video(tmp_path / "out.mp4", iter(written)) == 6
    seen = read(tmp_path / "out.mp4")
    assert seen.shape == (6, 32, 48, 3)
    assert np.abs(seen.astype(int) - np.stack(written)).mean() < 4


def test_odd_sizes_are_padded_not_scaled(tmp_path):
    written = frames(3, 31, 47)
    write_video(tmp_path / "out.mp4", written)
    seen = read(tmp_path / "out.mp4")
    assert seen.shape == (3, 32, 48, 3)
    assert np.abs(seen[:, :31, :47].astype(int) - np.stack(written)).mean() < 4


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_shows_what_was_written_and_repeats(tmp_path, suffix):
    written = frames(4, 32, 48)
    assert write_video(tmp_path / f"out{suffix}", iter(written), fps=10) == 4
    with Image.open(tmp_path / f"out{suffix}") as animation:
        assert (animation.n_frames, animation.info["loop"]) == (4, 0)
        for index, frame in enumerate(written):
            animation.seek(index)
            animation.load()
            assert animation.info["duration"] == 100  # ms
            assert np.abs(np.asarray(animation.convert("RGB")).astype(int) - frame).mean() < 6


def test_what_can_be_asked_for_can_be_coded():
    assert set(VIDEOS) == set(CODED)


def test_the_index_comes_first(tmp_path):
    """`moov` before `mdat`: the video starts before it is downloaded."""
    write_video(tmp_path / "out.mp4", frames(3, 32, 32))
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def failing(count: int):
    yield from frames(count, 32, 32)
    raise RuntimeError("the renderer failed")


@pytest.mark.parametrize(("write", "name"), [(write_video, "out.mp4"), (write_images, "out")])
def test_a_failure_leaves_nothing_behind(tmp_path, write, name):
    with pytest.raises(RuntimeError, match="failed"):
        write(tmp_path / name, failing(2))
    assert list(tmp_path.iterdir()) == []


def test_images_are_lossless_and_numbered(tmp_path):
    rng = np.random.default_rng(0)
    written = [rng.integers(0, 256, (7, 9, 3), dtype=np.uint8) for _ in range(3)]
    assert write_images(tmp_path / "out", written) == 3
    for index, image in enumerate(written):
        seen = cv2.imread(str(tmp_path / "out" / f"{index:05d}.png"))[..., ::-1]
        assert np.array_equal(seen, image)


def test_old_frames_go_and_other_files_stay(tmp_path):
    write_images(tmp_path / "out", frames(4, 8, 8))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write_images(tmp_path / "out", frames(2, 8, 8))
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["00000.png", "00001.png", "notes.txt"]


def test_refuses_other_suffixes_and_no_frames(tmp_path):
    with pytest.raises(ValueError, match="mp4"):
        write_video(tmp_path / "out.avi", frames(1, 8, 8))
    with pytest.raises(ValueError, match="at least one"):
        write_video(tmp_path / "out.mp4", [])


@pytest.mark.parametrize(("write", "name"), [(write_video, "out.mp4"), (write_images, "out")])
def test_a_full_disk_is_named_and_nothing_stays(tmp_path, write, name):
    """The limit holds for ffmpeg, which inherits it, too."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(NerfConvertError, match="cannot be written"):
            write(tmp_path / name, iter(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_two_processes_do_not_mix(tmp_path):
    """The parent of this process stands for another command."""
    other = tmp_path / f".out.{os.getppid()}.partial"
    other.mkdir()
    with pytest.raises(UsageError, match=f"process {os.getppid()} writes"):
        write_images(tmp_path / "out", frames(2, 8, 8))
    assert other.is_dir()


def test_half_a_video_of_a_killed_process_is_removed(tmp_path):
    """That of a process which runs, and that of another video, stay."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    half = tmp_path / f".out.{ended.pid}.partial.mp4"
    stay = [tmp_path / f".out.{os.getppid()}.partial.mp4", tmp_path / f".o.{ended.pid}.partial.mp4"]
    for path in (half, *stay):
        path.write_bytes(b"half")
    write_video(tmp_path / "out.mp4", frames(2, 8, 8))
    assert set(tmp_path.iterdir()) == {tmp_path / "out.mp4", *stay}


def test_what_a_killed_process_left_is_removed(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".out.{ended.pid}.partial").mkdir()
    write_images(tmp_path / "out", frames(2, 8, 8))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
