"""Encoder: ffmpeg, which makes a video or an animated picture of frames that are sent to it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from ..errors import BackendError, NerfConvertError

PART = r"^\[.*?\] "  # of ffmpeg, which a line of it begins with
# By suffix. A GIF has a palette for each frame: one for all would keep every frame in memory.
CODED = {
    ".mp4": "-c:v libx264 -pix_fmt yuv420p -crf 16 -movflags +faststart -threads 2",
    ".gif": "-filter_complex split[a][b];[a]palettegen=stats_mode=single[p];"
    "[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4 -loop 0",
    ".webp": "-c:v libwebp_anim -lossless 0 -q:v 80 -loop 0",
}


class Encoder:
    """Writes frames [height, width, 3] uint8, of even sizes, to `path`: an .mp4 (H.264, yuv420p,
    faststart), or a .gif or .webp that repeats. Raises BackendError where there is no ffmpeg."""

    def __init__(self, path: Path, width: int, height: int, fps: int):
        self.path = path
        try:
            program = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:  # no ffmpeg binary for this platform
            raise BackendError(f"writing video needs ffmpeg: {error}") from error
        source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps} -i -".split()
        coded = CODED[path.suffix.lower()].split()
        argv = [program, "-y", "-v", "error", "-nostdin", *source, *coded, str(path)]
        self._said = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said
        )

    def send(self, frame: np.ndarray) -> None:
        """Adds a frame. Raises NerfConvertError where ffmpeg ended, with what it said."""
        try:
            self._child.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            raise self._failure() from None

    def finish(self) -> None:
        """Waits for the whole video. Raises NerfConvertError where there is none."""
        try:
            self._child.stdin.close()
        except BrokenPipeError:
            raise self._failure() from None
        if self._child.wait() != 0:
            raise self._failure()

    def close(self) -> None:
        """Ends ffmpeg, if it still runs."""
        self._child.kill()
        with contextlib.suppress(BrokenPipeError):  # of what was not sent yet
            self._child.stdin.close()
        self._child.wait()
        self._said.close()

    def _failure(self) -> NerfConvertError:
        code = self._child.wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip().splitlines()
        full = next((line for line in said if "No space left" in line), None)
        why = full or (said[-1] if said else f"exit code {code}")
        return NerfConvertError(f"the video cannot be written: {re.sub(PART, '', why)}")
