"""CameraFile: how one program's files of cameras are recognized and read."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .capture import Capture

SIZE = (400, 400)  # of cameras whose file gives an angle of view but no size
FRAMES = 48  # of a path whose file has only its keyframes


@dataclass(frozen=True)
class Asked:
    """What is wanted of a file: the views of `split` (train, test, val; None: all), and, where the
    file does not say, the size (width, height) of its images and how many frames a path has."""

    split: str | None = None
    size: tuple[int, int] | None = None
    frames: int = FRAMES

    @property
    def size_or_default(self) -> tuple[int, int]:
        return self.size or SIZE


class CameraFile(abc.ABC):
    """One kind of file. It holds no state: an instance is made for each use.

    Attributes:
        title: what its files are called, for messages.
    """

    title: ClassVar[str]

    @abc.abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether `path`, a file or folder, is of this kind. Quick; never raises."""

    @abc.abstractmethod
    def read(self, path: Path, asked: Asked) -> Capture:
        """Its views: those of `asked.split` where the file has splits, else all. Raises
        FormatError."""
