"""Kept frames: a film that is interrupted goes on with the frames that it already has."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import UsageError, told_of
from ..files import partial_path, remove_partial_folders, write_json, written_whole
from ..renderer.video import write_image
from ..runtime.alone import alone_in

log = logging.getLogger(__name__)
REQUEST = "request.json"  # what the frames are of
OURS = re.compile(r"request\.json|\d{5}\.png|\.(request|\d{5})\.\d+\.partial\.(json|png)")


class KeptFrames:
    """The frames of a film as PNG files in `folder`; made by `kept_frames`."""

    def __init__(self, folder: Path, count: int):
        self.folder, self.count = folder, count

    def __len__(self) -> int:
        """How many are there."""
        return sum(self._path(index).is_file() for index in range(self.count))

    def each(
        self, make: Callable[[int], np.ndarray], on_frame: Callable[[int, int], None] | None = None
    ) -> Iterator[np.ndarray]:
        """All frames in order: those that are there and whole, and others as `make` makes them.
        `on_frame` hears of each that is made: (its number, all)."""
        for index in range(self.count):
            frame = _read(self._path(index))
            if frame is None:
                frame = make(index)
                with written_whole(self._path(index)) as partial:
                    write_image(partial, frame)
                if on_frame:
                    on_frame(index + 1, self.count)
            yield frame

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:05d}.png"


@contextlib.contextmanager
def kept_frames(
    folder: Path, count: int, request: dict[str, Any], *, resume: bool
) -> Iterator[KeptFrames]:
    """`count` frames in `folder`, which is gone after the block, unless that raises.

    To `resume` takes up the frames in `folder` where they are of the same `request`, a JSON object;
    else they are made anew. Raises UsageError where the folder is something else, or another
    process makes its frames there.
    """
    if folder.exists() and not _is_ours(folder):
        raise UsageError(f"{folder} is in the way: frames are kept there until the film is whole")
    remove_partial_folders(folder)
    with told_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder), told_of(folder):
        before, request = _request(folder), json.loads(json.dumps(request))
        if resume and before is None:
            log.warning("--resume: there is no %s, so the film starts at its first frame", folder)
        elif resume and before != request:
            log.warning("--resume: the frames in %s are of another film, so all are made", folder)
        if before != request or not resume:
            _empty(folder)
        write_json(folder / REQUEST, request)
        kept = KeptFrames(folder, count)
        try:
            yield kept
        except BaseException:
            if len(kept):
                how = "--resume goes on with them"
                log.warning("%d of %d frames are kept in %s; %s", len(kept), count, folder, how)
            else:
                _remove(folder)
            raise
        _remove(folder)


def _is_ours(folder: Path) -> bool:
    """Whether a film is kept in `folder`, or was about to be."""
    if not folder.is_dir():
        return False
    names = [path.name for path in folder.iterdir()]
    return REQUEST in names or all(name[0] == "." and OURS.fullmatch(name) for name in names)


def _request(folder: Path) -> dict[str, Any] | None:
    """What the frames in `folder` are of; None where there are none, {} where that is damaged."""
    if not (folder / REQUEST).exists():
        return None
    try:
        return dict(json.loads((folder / REQUEST).read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return {}


def _empty(folder: Path) -> None:
    """Removes our own files."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name):
            path.unlink()


def _remove(folder: Path) -> None:
    """Removes our own files, and the folder where nothing else is in it: at once, under a name that
    says that it is going, so that an end in the midst of it leaves nothing to go on with."""
    if all(OURS.fullmatch(path.name) for path in folder.iterdir()):
        folder = folder.rename(partial_path(folder))
    _empty(folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _read(path: Path) -> np.ndarray | None:
    """[H, W, 3] uint8 of a frame; None where it is missing or damaged."""
    data = np.fromfile(path, np.uint8) if path.is_file() else ()
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    return None if image is None else np.ascontiguousarray(image[..., ::-1])
