"""Format: how one program's files are recognized, read and written."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UnsupportedError

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
        unbounded, forward_facing: whether fields of contracted space, and of frame "ndc" with the
            world's view directions, mean the same to the program.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    architectures: ClassVar[frozenset[str]]
    can_write: ClassVar[bool] = False
    unbounded: ClassVar[bool] = False
    forward_facing: ClassVar[bool] = False

    @abc.abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether the content of the file is of this format. Quick; never raises."""

    @abc.abstractmethod
    def read(self, path: Path) -> RadianceField:
        """The field in the file. Raises FormatError or UnsupportedError."""

    def check(self, config: Any) -> None:  # noqa: B027 (most formats hold any config)
        """Raises UnsupportedError where no field of this `config` can be written: so that this is
        known before the field is trained. By default nothing is refused."""

    def check_space(self, info: FieldInfo) -> None:
        """Raises UnsupportedError where no new field of this `info` can be written: so that this is
        known before the field is trained. By default what `refuse_space` refuses."""
        self.refuse_space(info)

    def refuse_space(self, info: FieldInfo) -> None:
        """Raises UnsupportedError for a field that lies where the program knows no field."""
        if info.aabb.contraction and not self.unbounded:
            kind = "an unbounded"
        elif info.frame == "ndc" and not self.forward_facing:
            kind = "a forward-facing"
        else:
            return
        raise UnsupportedError(
            f"a {self.title} file holds a scene in a box of the world, not {kind} one; name a "
            ".safetensors file instead"
        )

    def write(self, field: RadianceField, path: Path) -> None:
        """Writes to `path`, in place; `formats.save` makes it atomic.

        Raises UnsupportedError, before writing anything, for a field that the format cannot hold.
        """
        raise UnsupportedError(f"{self.title} files can be read but not written")
