"""CoarseAndFine: checkpoints of programs that place samples with one MLP and render another."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from ...adapters.mlp import MlpField
from ...errors import FormatError
from ...volume import FieldInfo
from ..format import Format
from .mlp_state import noted_info, starts_like_checkpoint
from .torch_file import TorchFile


class CoarseAndFine(Format):
    """A torch file with the state dicts of two networks under `keys` ("coarse" and "fine")."""

    architectures = frozenset({"mlp"})
    can_write = True
    forward_facing = frozenset({"world"})
    keys: ClassVar[dict[str, str]]

    @abc.abstractmethod
    def info_beside(self, path: Path) -> FieldInfo:
        """Box, frame and background according to the settings file beside the checkpoint."""

    @abc.abstractmethod
    def network(self, path: Path, state: dict[str, Tensor], info: FieldInfo) -> MlpField:
        """One network as a field. Raises FormatError."""

    def sniff(self, path: Path) -> bool:
        return starts_like_checkpoint(path, self.keys["coarse"])

    def read(self, path: Path) -> MlpField:
        """The fine network, or the coarse one where there is no other."""
        networks = self.read_networks(path, names=("fine",))
        return networks["fine"] or self.read_networks(path, names=("coarse",))["coarse"]

    def read_networks(
        self, path: Path, names: tuple[str, ...] = ("coarse", "fine")
    ) -> dict[str, MlpField | None]:
        """The networks called `names`, for hierarchical sampling as in the program itself; None
        for one that the file does not have."""
        file = TorchFile(path)
        content = file.content if isinstance(file.content, dict) else {}
        coarse = self.keys["coarse"]
        if not content.get(coarse):
            raise FormatError(path, f"found no {coarse}, which this program's files have")
        info = noted_info(path, content) or self.info_beside(path)
        networks: dict[str, MlpField | None] = {}
        for name in names:
            key = self.keys[name]
            state = content.get(key)
            networks[name] = self.network(path, file.tensors(state, key), info) if state else None
        return networks
