"""Several processes train one student: each on its own rays, gradients averaged before each step.

`torchrun` starts them and sets their ranks in the environment. All hold the same student; the clock
of the first process decides for all, so that all do the same steps.
"""

from __future__ import annotations

import atexit
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.autograd.graph import increment_version

from .config import DistillConfig

SEED_STRIDE = 1_000_003  # between the processes' seeds


def start(device: torch.device) -> torch.device:
    """Joins the process group where `torchrun` started this process; returns its device."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or not dist.is_available():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        # gloo also with CUDA: agreeing on a number must not synchronize with the device
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return device


def rank() -> int:
    """Rank of this process, 0 where it is alone."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def count() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def own_seed(config: DistillConfig) -> int:
    """Seed of this process's rays; the first has that of `config`."""
    return config.seed + SEED_STRIDE * rank()


def alone_on_cpu(device: torch.device) -> bool:
    """Whether sparse gradients pay: a GPU waits for their sizes, which differ between processes."""
    return device.type == "cpu" and count() == 1


def average_gradients(field: nn.Module) -> None:
    """Replaces every gradient by its mean over the processes; a missing one counts as 0."""
    if count() == 1:
        return
    for p in field.parameters():
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad.contiguous()
        dist.all_reduce(p.grad)
        p.grad.div_(count())


def agree(value: float) -> float:
    """The `value` of the first process, in all of them."""
    if count() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, 0)
    return shared.item()


def any_of(flag: bool) -> bool:
    """Whether `flag` is set in any of the processes."""
    if count() == 1:
        return flag
    shared = torch.tensor([int(flag)])
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return bool(shared)


def total(number: int) -> int:
    """The sum of `number` over the processes."""
    if count() == 1:
        return number
    shared = torch.tensor([number])
    dist.all_reduce(shared)
    return int(shared)


@torch.no_grad()
def same_everywhere(field: nn.Module) -> None:
    """Copies the parameters and buffers of the first process's `field` to all processes, with their
    sizes: each process may have found others in the time that it had."""
    if count() == 1:
        return
    own, state = field.state_dict(), {}
    for name, tensor in own.items():
        shape = torch.tensor(tensor.shape, dtype=torch.int64)
        if tensor.ndim:
            dist.broadcast(shape, 0)
        same = shape.tolist() == list(tensor.shape)
        state[name] = tensor if same else tensor.new_empty(shape.tolist())
        dist.broadcast(state[name], 0)
        increment_version(state[name])  # broadcasting does not
    if any(state[name] is not tensor for name, tensor in own.items()):
        field.load_state_dict(state)
