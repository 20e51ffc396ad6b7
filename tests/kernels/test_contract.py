"""Every kernel on every backend: values, gradients, empty and strided inputs, registration."""

from __future__ import annotations

import inspect
import re

import pytest
import torch

from nerfconvert.errors import BackendError
from nerfconvert.kernels import KERNELS, backend
from nerfconvert.kernels.backend import use_backend

CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}
OPS = {
    "march": "march",
    "composite": "composite",
    "hash_encode": "hash_encode",
    "spherical_harmonics": "spherical_harmonics",
    "fused_mlp": "fused_mlp_training",
    "voxel_lookup": "voxel_lookup",
    "factor_lookup": "factor_lookup",
    "draw_weighted": "draw_weighted",
}


def devices() -> list:
    cuda = pytest.param(torch.device("cuda"), marks=pytest.mark.needs_cuda, id="cuda")
    return [pytest.param(CPU, id="cpu"), cuda]


def require_native(kernel, arguments) -> None:
    try:
        with use_backend("native"):
            backend.is_native(kernel.name, arguments[0])
    except BackendError as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=list(KERNELS))
def kernel(request):
    return KERNELS[request.param]


def example(kernel, device, dtype, seed=0) -> list:
    return list(kernel.example(torch.Generator().manual_seed(seed), device, dtype))


def leaves_of(kernel, arguments) -> list[torch.Tensor]:
    """The differentiable tensors of `arguments`, lists laid flat."""
    groups = [arguments[i] for i in kernel.differentiable]
    return [x for group in groups for x in (group if isinstance(group, list) else [group])]


def with_gradients(kernel, arguments) -> list:
    def fresh(x):
        return [fresh(y) for y in x] if isinstance(x, list) else x.detach().clone().requires_grad_()

    return [fresh(x) if i in kernel.differentiable else x for i, x in enumerate(arguments)]


def run(kernel, arguments, backend_name) -> list[torch.Tensor]:
    """Outputs, then gradients under a random cotangent."""
    arguments = with_gradients(kernel, arguments)
    with use_backend(backend_name):
        outputs = kernel.fast(*arguments)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if not kernel.differentiable:
            return list(outputs)
        generator = torch.Generator().manual_seed(7)
        total = 0.0
        for x in outputs:
            cotangent = torch.randn(x.shape, generator=generator, dtype=torch.float64)
            total = total + (x * cotangent.to(x)).sum()
        gradients = torch.autograd.grad(total, leaves_of(kernel, arguments))
    return [x.detach() for x in outputs] + list(gradients)


def assert_same(actual, expected, dtype) -> None:
    assert len(actual) == len(expected)
    for got, want in zip(actual, expected, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        scale = max(1.0, float(want.abs().max())) if want.numel() else 1.0
        torch.testing.assert_close(got, want, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_native_matches_reference(kernel, device, dtype, seed):
    if device.type == "cuda" and dtype == torch.float64:
        pytest.skip("CUDA kernels are float32 only")
    arguments = example(kernel, device, dtype, seed)
    require_native(kernel, arguments)
    assert_same(run(kernel, arguments, "native"), run(kernel, arguments, "reference"), dtype)


def test_fast_equals_reference_function(kernel):
    arguments = example(kernel, CPU, torch.float64)
    with use_backend("reference"):
        fast = kernel.fast(*arguments)
    torch.testing.assert_close(fast, kernel.reference(*arguments), rtol=0, atol=0)


@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_gradcheck(kernel, backend_name):
    if not kernel.differentiable:
        pytest.skip("no gradients by design")
    arguments = with_gradients(kernel, example(kernel, CPU, torch.float64))
    if backend_name == "native":
        require_native(kernel, arguments)
    lists = {i: len(arguments[i]) for i in kernel.differentiable if isinstance(arguments[i], list)}

    def function(*flat):
        rest, rebuilt = list(flat), list(arguments)
        for i in kernel.differentiable:
            count = lists.get(i, 1)
            rebuilt[i], rest = (rest[:count] if i in lists else rest[0]), rest[count:]
        return kernel.fast(*rebuilt)

    with use_backend(backend_name):
        assert torch.autograd.gradcheck(
            function, leaves_of(kernel, arguments), fast_mode=True, atol=1e-7
        )


@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_no_points(kernel, backend_name):
    arguments = example(kernel, CPU, torch.float32)
    if backend_name == "native":
        require_native(kernel, arguments)
    if kernel.name == "composite":
        arguments = [x[:0] for x in arguments[:4]] + [torch.zeros(1, dtype=torch.int64)]
    else:
        count = {"march": 4, "draw_weighted": 2}.get(kernel.name, 1)
        arguments[:count] = [x[:0] for x in arguments[:count]]
    results = run(kernel, arguments, backend_name)
    assert all(bool((x == 0).all()) for x in results)


def test_strided_inputs(kernel):
    arguments = example(kernel, CPU, torch.float32)
    require_native(kernel, arguments)

    def strided(x):
        if isinstance(x, list):
            return [strided(y) for y in x]
        if not isinstance(x, torch.Tensor) or x.ndim == 0:
            return x
        return torch.stack([x, x + 1], -1)[..., 0]

    expected = run(kernel, arguments, "native")
    assert_same(run(kernel, [strided(x) for x in arguments], "native"), expected, torch.float32)


def test_threads_do_not_change_forward(kernel):
    arguments = example(kernel, CPU, torch.float32)
    require_native(kernel, arguments)
    before = torch.get_num_threads()
    outputs = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            outputs.append(run(kernel, arguments, "native"))
    finally:
        torch.set_num_threads(before)
    assert_same(outputs[1], outputs[0], torch.float32)


def test_opcheck(kernel):
    arguments = with_gradients(kernel, example(kernel, CPU, torch.float32))
    require_native(kernel, arguments)
    op = getattr(torch.ops.nerfconvert, OPS[kernel.name]).default
    tests = ["test_schema", "test_autograd_registration", "test_faketensor"]
    if kernel.name != "march":
        tests.append("test_aot_dispatch_dynamic")
    torch.library.opcheck(op, tuple(arguments), test_utils=tests)


@pytest.mark.parametrize("level", ["base", "v3", "v4"])
def test_levels_agree(kernel, level, monkeypatch):
    """Each instruction-set level that runs here: march, hash, composite bit for bit."""
    arguments = example(kernel, CPU, torch.float32)
    require_native(kernel, arguments)
    library = backend.load_library("cpu", level)
    if library is None:
        pytest.skip(f"this processor does not run {level}, or it is not built")
    best = run(kernel, arguments, "native")
    monkeypatch.setattr(backend, "load_library", lambda device: library)
    other = run(kernel, arguments, "native")
    if kernel.name in ("march", "hash_encode", "composite", "draw_weighted"):
        assert all(torch.equal(a, b) for a, b in zip(best, other, strict=True))
    else:
        assert_same(other, best, torch.float32)


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
# Free sizes, which a further row does not break, and the tensors that set the device.
FREE = {"unit", "table", "directions", "inputs", "offsets", "weights", "draws"}
FIRST = {"origins", "density", "unit", "directions", "inputs", "weights"}


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_every_wrong_tensor_is_named(kernel, breakage, backend_name):
    for i, j, name in tensor_places(kernel):
        if (breakage == "one row more" and name in FREE) or (
            breakage == "another device" and name in FIRST
        ):
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
    per_point = {"march": 4, "composite": 4}.get(kernel.name, 1)
    arguments[:per_point] = [stretched(x, 1 << 31) for x in arguments[:per_point]]
    name = next(iter(inspect.signature(kernel.fast).parameters))
    with use_backend(backend_name), pytest.raises(ValueError, match="ask in parts") as caught:
        kernel.fast(*arguments)
    assert str(caught.value).startswith(f"{name} must be at most ")


def test_gradients_that_are_expanded(kernel):
    """`sum` gives every kernel a gradient without memory of its own."""
    if not kernel.differentiable:
        pytest.skip("no gradients by design")
    arguments = with_gradients(kernel, example(kernel, CPU, torch.float32))
    require_native(kernel, arguments)
    found = []
    for weigh in (torch.sum, lambda x: (x * torch.ones_like(x)).sum()):
        with use_backend("native"):
            outputs = kernel.fast(*arguments)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            total = sum(weigh(x) for x in outputs)
        found.append(torch.autograd.grad(total, leaves_of(kernel, arguments)))
    assert_same(*found, torch.float32)


@pytest.mark.needs_cuda
def test_tensors_of_two_gpus_are_refused(kernel):
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    arguments = example(kernel, torch.device("cuda", 0), torch.float32)
    arguments[0] = arguments[0].to("cuda:1")
    with pytest.raises(ValueError, match="cuda:1"):
        kernel.fast(*arguments)


@pytest.mark.needs_cuda
def test_cuda_runs_on_the_current_stream(kernel):
    """What is queued before a kernel on its stream has happened when it runs."""
    arguments = example(kernel, torch.device("cuda"), torch.float32)
    expected = run(kernel, arguments, "native")
    torch.cuda.synchronize()
    first = arguments[0].clone()
    with torch.cuda.stream(torch.cuda.Stream()):
        arguments[0] = torch.zeros_like(first)
        torch.cuda._sleep(1_000_000)
        arguments[0].copy_(first)
        found = run(kernel, arguments, "native")
    torch.cuda.synchronize()
    assert_same(found, expected, torch.float32)
