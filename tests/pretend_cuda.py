"""A CUDA device that is pretended: tensors say "cuda:0" and compute on the CPU.

Real values flow, so whole commands run; what a GPU refuses is refused: an operation whose tensors
lie on both devices. So is what it does slowly: an index tensor on the CPU, which every use copies.
What makes the CPU wait for the device is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from nerfconvert.volume import on_device

DEVICE = torch.device("meta")
COPIES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
# Operations after which the CPU must wait for a GPU: their result, or its size, is needed there.
WAITING = {
    "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2",
    "aten::equal", "aten::bincount", "aten::repeat_interleave", "nerfconvert::march",
}  # fmt: skip


waits: Counter[str] = Counter()  # how often the CPU had to wait for the device, by operation


class Pretended(Tensor):
    """A tensor that says it is on CUDA; `inner` holds its values."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor):
        return Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=DEVICE,
        )  # fmt: skip

    def __init__(self, inner: Tensor):
        self.inner = inner

    def __reduce_ex__(self, protocol):
        return self.inner.__reduce_ex__(protocol)  # saved states are read back to the CPU

    def tolist(self):
        waits["tolist"] += 1
        return self.inner.tolist()

    def __repr__(self, **_):
        return f"Pretended({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


class PretendMode(TorchDispatchMode):
    """Makes what is asked for on CUDA, without CUDA."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def run(func, args: tuple, kwargs: dict):
    """`func` on the values; what comes of CUDA tensors is on CUDA unless it was asked otherwise."""
    flat, structure = tree_flatten((args, kwargs))
    wrappers = {id(x.inner): x for x in flat if isinstance(x, Pretended)}
    plain = [x for x in flat if isinstance(x, Tensor) and not isinstance(x, Pretended)]
    if wrappers and func not in COPIES and any(x.ndim for x in plain):
        shapes = [list(x.shape) for x in plain if x.ndim]
        raise RuntimeError(f"{func} mixes devices: meta, and cpu {shapes}")
    wanted = next((x for x in flat if isinstance(x, torch.device)), None)
    on_cuda = wanted.type == "meta" if wanted is not None else bool(wrappers)
    if func is torch.ops.aten.copy_.default:
        on_cuda = isinstance(args[0], Pretended)
    if wrappers or on_cuda:
        _count(func, flat, on_cuda, kwargs)
    flat = [x.inner if isinstance(x, Pretended) else x for x in flat]
    flat = [torch.device("cpu") if isinstance(x, torch.device) else x for x in flat]
    args, kwargs = tree_unflatten(flat, structure)
    result = func(*args, **kwargs)
    if func is torch.ops.aten._to_copy.default and on_cuda is False and wrappers:
        return result

    def wrap(x):
        if not isinstance(x, Tensor) or not on_cuda:
            return x
        known = wrappers.get(id(x))
        return Pretended(x) if known is None else known

    return tree_map(wrap, result)


class Constants(TorchFunctionMode):
    """Makes tensors of Python numbers, which torch would make without values, by way of the CPU."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor:
            like, data = args
            kwargs = {"dtype": like.dtype, "device": like.device, **kwargs}
            return torch.tensor(data, dtype=kwargs["dtype"], device="cpu").to(kwargs["device"])
        if func.__name__ in ("matmul", "__matmul__") and args[0].ndim == 1 and args[1].ndim == 2:
            return args[1].T @ args[0]  # torch would change the shape of a product in place
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


def _count(func, flat: list, on_cuda: bool, kwargs: dict) -> None:
    name = func.name().partition(".")[0]
    masked = "index" in name and any(
        isinstance(x, Pretended) and x.dtype == torch.bool and x.ndim for x in flat[1:]
    )
    if name in WAITING or masked or (func in COPIES and _copy_waits(func, flat, on_cuda, kwargs)):
        waits[name] += 1


def _copy_waits(func, flat: list, on_cuda: bool, kwargs: dict) -> bool:
    """Whether a copy is from the GPU, or to it and not asked to go on beside the CPU."""
    copy = func is torch.ops.aten.copy_.default
    source = flat[1] if copy else flat[0]
    crosses = isinstance(source, Pretended) != on_cuda
    behind = kwargs.get("non_blocking", False) or (copy and len(flat) > 2 and flat[2] is True)
    return crosses and not (on_cuda and behind)


@contextmanager
def pretend_cuda() -> Iterator[torch.device]:
    """Within the block "meta" is a device."""
    on_device._made_once.cache_clear()
    with PretendMode(), Constants():
        yield DEVICE
    on_device._made_once.cache_clear()
