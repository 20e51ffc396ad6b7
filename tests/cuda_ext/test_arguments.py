"""The arguments of C functions: the headers state them, libraries tell them, Python passes them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import pytest
import torch

from nerfconvert.errors import BackendError
from nerfconvert.kernels import KERNELS, launch, library

from .compiled import SOURCES, results

Arguments = tuple[tuple[str, str], ...]  # kind and name of each
STATED = re.compile(r"#define NC_ARGUMENTS_(\w+)\(T\)((?:.*\\\n)*.*)\n")
OPS = SOURCES / "ops"
ONE_LEVEL = "bfloat16"  # in the names of functions in float32 that one level of the CPU has alone


def stated() -> dict[str, Arguments]:
    """What the headers state for every function."""
    found = {}
    for header in sorted(OPS.glob("*/*.h")):
        for name, text in STATED.findall(header.read_text()):
            assert name not in found, f"{header.name} states {name} again"
            found[name] = launch.parse_arguments(name, text.replace("\\\n", " "))
    return found


@pytest.fixture(scope="module")
def cpu():
    loaded = library.load_library("cpu")
    if loaded is None:
        pytest.skip("the kernels are not compiled here")
    return loaded


def of_library(loaded, suffix: str = "f32") -> dict[str, Arguments]:
    """What a library tells for the functions that it has."""
    return {
        name: launch._compiled_arguments(loaded, f"nc_{name}_{suffix}")
        for name in stated()
        if hasattr(loaded, f"nc_{name}_{suffix}")
    }


def of_every_level(functions: Iterable[str]) -> dict[str, Arguments]:
    """Those of the functions that every library has."""
    return {name: stated()[name] for name in functions if ONE_LEVEL not in name}


def test_a_header_is_read():
    assert stated()["rmsprop_rows"][2:7] == (
        ("int64", "table_rows"),
        ("pointer", "rows"),
        ("pointer", "grads"),
        ("pointer", "table"),
        ("pointer", "square"),
    )
    assert stated()["rmsprop_rows"][-1] == ("double", "eps")


def test_libraries_tell_what_the_headers_state(cpu):
    """Else they were built from other sources."""
    told = of_library(cpu)
    assert of_every_level(told) == of_library(cpu, "f64")
    assert set(KERNELS) <= set(told)
    assert told == {name: stated()[name] for name in told}


def test_every_function_stands_in_a_header():
    """None is defined without the macro that brings the stated arguments; CUDA has all of them."""
    for source in sorted(OPS.glob("*/*.c*")):
        assert not re.search(r"\bint nc_", source.read_text()), source.name
    texts = (path.read_text() for path in OPS.glob("*/*.cu"))
    assert {n for t in texts for n in re.findall(r"NC_CUDA_FUNCTION\((\w+)\)", t)} == set(
        of_every_level(stated())
    )


def test_python_passes_what_the_headers_state(cpu, monkeypatch):
    """Every kernel forward and backward: number and kinds of the arguments of every function."""
    passed: dict[str, set[tuple[str, ...]]] = {}

    def record(symbol, arguments, given):
        kinds = tuple(launch.kind_of(value) for value in given)
        passed.setdefault(symbol, set()).add(kinds)
        check(symbol, arguments, given)

    check = launch._check
    monkeypatch.setattr(launch, "_check", record)
    for name, kernel in KERNELS.items():
        generator = torch.Generator().manual_seed(0)
        calls = (timing.arguments for timing in kernel.calls(generator, 64))
        for arguments in itertools.chain([kernel.sized(generator, 5)], calls):
            results(name, arguments, cpu)
    for name in of_every_level(of_library(cpu)):
        kinds = tuple(kind for kind, _ in stated()[name])
        assert passed.pop(f"nc_{name}_f32", "never called") == {kinds}, name
    assert not passed


@pytest.mark.parametrize("argument", ["float scale", "int count", "const int64_t n", "int64_t"])
def test_arguments_of_other_types_are_refused(argument):
    told = f"nc_new: argument '{argument}' must be int64_t, double or a pointer"
    with pytest.raises(BackendError, match=told):
        launch.parse_arguments("nc_new", f"const T* points, {argument}, int64_t size")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((3, None), r"takes 3 arguments \(count, weights, sums\), got 2"),
        ((3, None, None, 4), "takes 3 arguments .*, got 4"),
        ((3.0, None, None), "count must be int64, got double"),
        ((3, 7, None), "weights must be pointer, got int64"),
    ],
)
def test_a_wrong_call_is_refused(cpu, arguments, told):
    with pytest.raises(BackendError, match=f"nc_draw_weighted_sums_f32.*{told}"):
        launch.launch("draw_weighted_sums", torch.zeros(3), *arguments)


def test_a_library_of_other_sources_is_refused(monkeypatch):
    class Old:
        _name = "old.so"
        nc_march_f32 = int

    monkeypatch.setattr(library, "load_library", lambda device: Old())
    with pytest.raises(BackendError, match=r"old\.so was built from other sources"):
        launch.launch("march", torch.zeros(3))
