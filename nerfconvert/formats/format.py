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
        unbounded: whether fields of contracted space mean the same to the program.
        forward_facing: view directions ("world", "ndc") with which fields of frame "ndc" do.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    architectures: ClassVar[frozenset[str]]
    can_write: ClassVar[bool] = False
    unbounded: ClassVar[bool] = False
    forward_facing: ClassVar[frozenset[str]] = frozenset()

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
        holds = "holds a scene in a box of the world, not"
        if info.aabb.contraction and not self.unbounded:
            kind = "an unbounded one"
        elif info.frame == "ndc" and info.view_directions not in self.forward_facing:
            kind = "a forward-facing one"
            if self.forward_facing:
                holds = "holds no forward-facing scene whose colors are asked along rays of"
                kind = "the world" if info.view_directions == "world" else "the warped space"
        else:
            return
        raise UnsupportedError(
            f"a {self.title} file {holds} {kind}; name a .safetensors file instead"
        )

    def write(self, field: RadianceField, path: Path) -> None:
        """Writes to `path`, in place; `formats.save` makes it atomic.

        Raises UnsupportedError, before writing anything, for a field that the format cannot hold.
        """
        raise UnsupportedError(f"{self.title} files can be read but not written")
