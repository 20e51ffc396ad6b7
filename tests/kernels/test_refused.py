"""What every kernel refuses on every backend, and that it names the tensor."""

from __future__ import annotations

import inspect
import re

import pytest
import torch

from nerfconvert.kernels.dispatch import use_backend

from .examples import CPU, example


def tensor_places(kernel) -> list[tuple[int, int | None, str]]:
    """Where `example` holds tensors: argument, place in its list, and the name in messages."""
    names = list(inspect.signature(kernel.fast).parameters)
    places = []
    for i, (name, value) in enumerate(zip(names, example(kernel, CPU, torch.float32))):
        if isinstance(value, torch.Tensor):
            places.append((i, None, name))
        elif isinstance(value, list):
            places += [(i, j, f"{name}[{j}]") for j in range(len(value))]
    return places


BREAKAGES = {
    "half precision": lambda x: x.half(),
    "32-bit integers": lambda x: x.int(),
    "one dimension more": lambda x: x[None],
    "a scalar": lambda x: x.sum(),
    "one row more": lambda x: torch.cat([x, x[:1]]),
    "another device": lambda x: x.to("meta"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_every_wrong_tensor_is_named(kernel, breakage, backend_name):
    for i, j, name in tensor_places(kernel):
        free = {"one row more": kernel.free_rows, "another device": (0,)}.get(breakage, ())
        if i in free:
            continue
        arguments = example(kernel, CPU, torch.float32)
        if j is None:
            arguments[i] = BREAKAGES[breakage](arguments[i])
        else:
            arguments[i][j] = BREAKAGES[breakage](arguments[i][j])
        with use_backend(backend_name), pytest.raises(ValueError) as caught:
            kernel.fast(*arguments)
        assert re.search(r"must be .*, got ", str(caught.value)), name
        if breakage != "one row more":  # two tensors then disagree: either may be named
            assert str(caught.value).startswith(name)


def stretched(x: torch.Tensor, rows: int) -> torch.Tensor:
    """The first row of `x`, `rows` times, in the memory of one."""
    return x[:1].expand(rows, *x.shape[1:])


@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_too_many_points_are_refused(kernel, backend_name):
    """Before any memory is taken; one tensor of each kernel gives the number of points."""
    arguments = example(kernel, CPU, torch.float32)
    for i in kernel.per_point:
        arguments[i] = stretched(arguments[i], 1 << 31)
    name = next(iter(inspect.signature(kernel.fast).parameters))
    with use_backend(backend_name), pytest.raises(ValueError, match="ask in parts") as caught:
        kernel.fast(*arguments)
    assert str(caught.value).startswith(f"{name} must be at most ")


@pytest.mark.needs_cuda
def test_tensors_of_two_gpus_are_refused(kernel):
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    arguments = example(kernel, torch.device("cuda", 0), torch.float32)
    arguments[0] = arguments[0].to("cuda:1")
    with pytest.raises(ValueError, match="cuda:1"):
        kernel.fast(*arguments)
