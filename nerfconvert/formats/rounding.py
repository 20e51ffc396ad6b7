"""round_to_half: a field that half precision holds, and that our own file therefore keeps in it."""

from __future__ import annotations

import torch

from ..errors import UnsupportedError
from ..volume import Field

LARGEST = 65504.0  # of half precision


@torch.no_grad()
def round_to_half(field: Field) -> None:
    """Rounds all parameters to half precision, in place. Raises UnsupportedError, and changes
    nothing, where one is too large for it."""
    for name, parameter in field.named_parameters():
        most = float(parameter.abs().max()) if parameter.numel() else 0.0
        if most > LARGEST:
            raise UnsupportedError(
                f"half precision holds numbers up to {LARGEST:g}; {name} has {most:.3g}"
            )
    for parameter in field.parameters():
        parameter.copy_(parameter.half())


def in_half(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The float32 `tensors` in half precision where that holds every number of all of them; else as
    they are."""
    halves = {name: t.half() for name, t in tensors.items() if t.dtype == torch.float32}
    held = all(torch.equal(half.float(), tensors[name]) for name, half in halves.items())
    return tensors | halves if held else tensors
