"""Format: how one program's files are recognized, read and written."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ..volume import FieldInfo, RadianceField


class Format(abc.ABC):
    """One kind of file. Formats hold no state: an instance is made for each use.

    Attributes:
        name: its key in the FORMATS table.
        title: its human-readable name.
        suffixes: of the files it writes, the usual one first.
        architectures: names of the architectures that it can hold.
        can_write: whether `write` works.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    architectures: ClassVar[frozenset[str]]
    can_write: ClassVar[bool]

    @abc.abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether the content of the file is of this format. Quick; never raises."""

    @abc.abstractmethod
    def read(self, path: Path) -> RadianceField:
        """The field in the file. Raises FormatError or UnsupportedError."""

    def check(self, config: Any) -> None:  # noqa: B027 (most formats hold any config)
        """Raises UnsupportedError where no field of this `config` can be written: so that this is
        known before the field is trained. By default nothing is refused."""

    def check_space(self, info: FieldInfo) -> None:  # noqa: B027 (most formats hold any box)
        """Raises UnsupportedError where no new field of this `info` can be written: so that this is
        known before the field is trained. By default nothing is refused."""

    @abc.abstractmethod
    def write(self, field: RadianceField, path: Path) -> None:
        """Writes to `path`, in place; `formats.save` makes it atomic.

        Raises UnsupportedError, before writing anything, for a field that the format cannot hold.
        """
