"""tensorf_factors: the planes, lines and basis of TensoRF's state dicts, as those of a field.

Theirs: planes [1, R, second axis, first axis], lines [1, R, samples, 1], density and appearance
apart. Modes may have different numbers R of components (those of forward-facing scenes do); the
shorter ones get zeros.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...adapters.factorized.field import FactorizedField
from ...errors import FormatError
from .torch_file import TorchFile
from .unpickle import TensorRef

KINDS = ("density", "app")
MODES = range(3)
MOST_PADDED = 4  # times as many numbers as the file has


class StoredFactors:
    """The factors in `state`, a state dict with TensorRef leaves.

    Raises FormatError for shapes that are not those of TensoRF.

    Attributes:
        has_planes: whether it is a TensorVMSplit; else it is a TensorCP.
        counts: components of each mode, of density and of appearance.
        names: of all tensors that belong to the factors.
    """

    def __init__(self, file: TorchFile, state: dict[str, Any]):
        self.file, self.state = file, state
        self.has_planes = "density_plane.0" in state
        self.groups = ("plane", "line") if self.has_planes else ("line",)
        self.names = {f"{k}_{g}.{m}" for k in KINDS for g in self.groups for m in MODES}
        self.names.add("basis_mat.weight")
        self.counts = [[self._count(kind, mode) for mode in MODES] for kind in KINDS]
        if not self.has_planes and any(len(set(counts)) > 1 for counts in self.counts):
            raise FormatError(
                file.path, f"its lines have {self.counts} components; all alike expected"
            )
        self._refuse_padding()

    def tensors(self) -> dict[str, Tensor]:
        """The tensors under the names of a field."""
        found = {}
        for mode in MODES:
            line = self._joined("line", mode)[..., 0]  # [R, samples]
            found[f"factors.lines.{mode}"] = line.T.contiguous()
            if self.has_planes:
                plane = self._joined("plane", mode)
                found[f"factors.planes.{mode}"] = plane.permute(2, 1, 0).contiguous()
        app = self.counts[1] if self.has_planes else self.counts[1][:1]
        basis = self._read("basis_mat.weight")
        if basis.ndim != 2 or basis.shape[1] != sum(app):
            raise self._wrong("basis_mat.weight", f"[any, {sum(app)}]")
        parts = [_padded(part.T, max(app)).T for part in basis.split(app, 1)]
        found["factors.basis"] = torch.cat(parts, 1)
        return found

    def _count(self, kind: str, mode: int) -> int:
        """Components of a mode, the same in its line and plane."""
        found = set()
        for group in self.groups:
            name = f"{kind}_{group}.{mode}"
            ref = self.state.get(name)
            if not isinstance(ref, TensorRef):
                raise FormatError(self.file.path, f"tensor {name} is missing")
            shape = list(ref.shape)
            plain = len(shape) == 4 and shape[0] == 1 and all(shape)
            if not plain or (group == "line" and shape[3] != 1):
                expected = "[1, any, any, 1]" if group == "line" else "[1, any, any, any]"
                raise self._wrong(name, expected)
            found.add(shape[1])
        if len(found) > 1:
            raise FormatError(self.file.path, f"mode {mode} of {kind} has {found} components")
        return found.pop()

    def _wrong(self, name: str, expected: str) -> FormatError:
        shape = list(self.state[name].shape)
        return FormatError(self.file.path, f"tensor {name} has shape {shape}; expected {expected}")

    def _refuse_padding(self) -> None:
        wanted, stored = sum(max(counts) for counts in self.counts), 0
        padded = 0
        for group in self.groups:
            for mode in MODES:
                samples = math.prod(self.state[f"density_{group}.{mode}"].shape[2:])
                padded += samples * wanted
                stored += samples * sum(counts[mode] for counts in self.counts)
        if padded > MOST_PADDED * stored:
            raise FormatError(
                self.file.path,
                f"its modes have {self.counts} components; expected numbers more alike",
            )

    def _joined(self, group: str, mode: int) -> Tensor:
        """[R, ., .]: components of density, then of appearance."""
        parts = [self._read(f"{kind}_{group}.{mode}")[0] for kind in KINDS]
        if parts[0].shape[1:] != parts[1].shape[1:]:
            sizes = [list(part.shape[1:]) for part in parts]
            raise FormatError(
                self.file.path, f"{group} {mode} has sizes {sizes}; expected the same"
            )
        counts = [max(counts) for counts in self.counts]
        return torch.cat([_padded(part, count) for part, count in zip(parts, counts)])

    def _read(self, name: str) -> Tensor:
        return self.file.tensors({name: self.state.get(name)}, "state_dict")[name].float()


def _padded(values: Tensor, count: int) -> Tensor:
    """[count, ...]: `values` [N, ...], then zeros."""
    missing = values.new_zeros(count - len(values), *values.shape[1:])
    return torch.cat([values, missing]) if len(missing) else values


def factor_state(field: FactorizedField) -> dict[str, Tensor]:
    """The factors of a field as TensoRF's state dict has them."""
    config, state = field.config, {}
    split = [config.density_components, config.appearance_components]
    for mode, plane in enumerate(field.factors.planes):
        for kind, part in zip(KINDS, plane.permute(2, 1, 0).split(split)):
            state[f"{kind}_plane.{mode}"] = part[None]
    for mode, line in enumerate(field.factors.lines):
        for kind, part in zip(KINDS, line.T.split(split)):
            state[f"{kind}_line.{mode}"] = part[None, :, :, None]
    return state | {"basis_mat.weight": field.factors.basis}
