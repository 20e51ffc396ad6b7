"""Every kernel on every backend: values, gradients, empty and strided inputs, registration."""

from __future__ import annotations

import dataclasses
import os

import pytest
import torch

from nerfconvert.errors import BackendError
from nerfconvert.kernels import KERNELS, library
from nerfconvert.kernels.dispatch import is_native, use_backend

from .examples import CPU, example, leaves_of, own

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


def test_every_kernel_bears_its_name():
    assert all(kernel.name == name for name, kernel in KERNELS.items())


def devices() -> list:
    cuda = pytest.param(torch.device("cuda"), marks=pytest.mark.needs_cuda, id="cuda")
    return [pytest.param(CPU, id="cpu"), cuda]


def require_native(kernel, arguments) -> None:
    """Skips where the kernel is not compiled, unless the environment says that it must be."""
    try:
        with use_backend("native"):
            is_native(kernel.name, arguments[0])
    except BackendError as missing:
        if os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("demanded", "outcome"), [("1", pytest.fail.Exception), ("0", pytest.skip.Exception)]
)
def test_a_missing_kernel_is_no_skip_where_it_is_demanded(demanded, outcome, monkeypatch):
    monkeypatch.setenv("NERFCONVERT_REQUIRE_NATIVE", demanded)
    absent = dataclasses.replace(KERNELS["march"], name="absent")
    with pytest.raises(outcome, match="absent"):
        require_native(absent, [torch.zeros(1)])


def run(kernel, arguments, backend_name) -> list[torch.Tensor]:
    """Outputs, then gradients under a random cotangent."""
    arguments = own(kernel, arguments)
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
        fast = kernel.fast(*own(kernel, arguments))
    torch.testing.assert_close(fast, kernel.reference(*arguments), rtol=0, atol=0)


@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_gradcheck(kernel, backend_name):
    if not kernel.differentiable:
        pytest.skip("no gradients by design")
    arguments = own(kernel, example(kernel, CPU, torch.float64))
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
    results = run(kernel, kernel.without_points(arguments), backend_name)
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
    others = [x if i in kernel.in_place else strided(x) for i, x in enumerate(arguments)]
    assert_same(run(kernel, others, "native"), expected, torch.float32)


@pytest.mark.parametrize("backend_name", ["native", "reference"])
def test_what_is_changed_in_place_has_another_version(kernel, backend_name):
    """Caches go by it: of a table in half precision, of the cells of a grid."""
    arguments = own(kernel, example(kernel, CPU, torch.float32))
    require_native(kernel, arguments)
    versions = [x._version for x in arguments if isinstance(x, torch.Tensor)]
    with use_backend(backend_name):
        kernel.fast(*arguments)
    later = [x._version for x in arguments if isinstance(x, torch.Tensor)]
    places = [i for i, x in enumerate(arguments) if isinstance(x, torch.Tensor)]
    changed = [i for i, a, b in zip(places, versions, later) if a != b]
    assert changed == list(kernel.in_place)


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
    arguments = own(kernel, example(kernel, CPU, torch.float32))
    require_native(kernel, arguments)
    tests = ["test_schema", "test_autograd_registration", "test_faketensor"]
    if not kernel.dynamic:
        tests.append("test_aot_dispatch_dynamic")
    torch.library.opcheck(kernel.torch_op.default, tuple(arguments), test_utils=tests)


@pytest.mark.parametrize("level", library.LEVELS)
def test_levels_agree(kernel, level, monkeypatch):
    """Each instruction-set level that runs here."""
    arguments = example(kernel, CPU, torch.float32)
    require_native(kernel, arguments)
    of_level = library.load_library("cpu", level)
    if of_level is None:
        pytest.skip(f"this processor does not run {level}, or it is not built")
    best = run(kernel, arguments, "native")
    monkeypatch.setattr(library, "load_library", lambda device: of_level)
    other = run(kernel, arguments, "native")
    if kernel.exact_outputs:
        assert all(torch.equal(a, b) for a, b in zip(best, other, strict=True))
    else:
        assert_same(other, best, torch.float32)


def test_gradients_that_are_expanded(kernel):
    """`sum` gives every kernel a gradient without memory of its own."""
    if not kernel.differentiable:
        pytest.skip("no gradients by design")
    arguments = own(kernel, example(kernel, CPU, torch.float32))
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
