"""Arguments that every kernel takes."""

from __future__ import annotations

import torch

CPU = torch.device("cpu")


def example(kernel, device, dtype, seed=0) -> list:
    return list(kernel.example(torch.Generator().manual_seed(seed), device, dtype))


def own(kernel, arguments) -> list:
    """Leaves in place of what is differentiable, copies of what `kernel` changes."""

    def leaf(x):
        if x is None:
            return None
        return [leaf(y) for y in x] if isinstance(x, list) else x.detach().clone().requires_grad_()

    owned = list(arguments)
    for i in kernel.differentiable:
        owned[i] = leaf(owned[i])
    for i in kernel.in_place:
        owned[i] = owned[i].clone()
    return owned


def leaves_of(kernel, arguments) -> list[torch.Tensor]:
    """The differentiable tensors of `arguments`, lists laid flat."""
    groups = [arguments[i] for i in kernel.differentiable if arguments[i] is not None]
    return [x for group in groups for x in (group if isinstance(group, list) else [group])]
