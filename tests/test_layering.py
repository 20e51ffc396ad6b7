"""Imports point down: who may import whom is a table, and this test is its enforcement."""

from __future__ import annotations

import ast
import graphlib
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "nerfconvert"
EVERYONE = {"errors", "registry", "files", ""}  # "" is the package itself: its version
MAY_IMPORT = {  # from the top down: a layer imports only layers below it
    "cli": {"pipelines", "bench", "report", "options", "runtime", "formats"},
    "pipelines": {
        *("viewer", "film", "report", "metrics", "options", "students", "runtime"),
        *("distiller", "formats", "adapters", "renderer", "kernels", "volume"),
    },
    "bench": {"report", "metrics", "options", "students", "runtime", "distiller"},
    "viewer": {"runtime", "renderer", "volume"},
    "film": {"metrics", "students", "runtime", "renderer", "volume"},
    "report": {"metrics", "options", "students", "distiller", "formats", "renderer", "volume"},
    "metrics": {"options", "distiller", "renderer", "volume"},
    "options": {"students", "distiller", "adapters", "kernels"},
    "students": {"runtime", "distiller", "formats", "adapters", "volume"},
    "runtime": {"distiller", "formats", "renderer", "kernels", "volume"},
    "distiller": {"renderer", "kernels", "volume"},
    "formats": {"adapters", "volume"},
    "adapters": {"kernels", "volume"},
    "renderer": {"kernels", "volume"},
    "kernels": set(),
    "volume": set(),
}
LAYERS = sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file())
# Names that two layers share: the same thing in both, or the idea of a folder.
SHARED_NAMES = {
    "__init__": "of every folder",
    "field": "of an interface, and of architectures",
    "initialize": "the closed form of two architectures",
    "march": "the kernel, and the renderer's use of it",
    "occupancy": "the grid, and how the renderer finds it",
    "visibility": "what it is, and how the renderer finds it",
    "native": "our own file, and our own kernels",
    "ppng": "a format and its architecture",
}
MOST_COMMANDS = 14  # files of pipelines/


def imports_of(file: Path) -> set[tuple[str, ...]]:
    """Modules of the package that a file imports, lazily or not, as tuples of names below it."""
    package = file.relative_to(PACKAGE.parent).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            paths = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            head = base + (node.module.split(".") if node.module else [])
            names = [[*head, alias.name] for alias in node.names]
            paths = [path if is_module(path[1:]) else head for path in names]
        else:
            continue
        found |= {tuple(path[1:]) for path in paths if path[0] == "nerfconvert"}
    return found


def is_module(path: list[str] | tuple[str, ...]) -> bool:
    place = PACKAGE.joinpath(*path)
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_every_layer_is_in_the_table():
    assert set(LAYERS) == set(MAY_IMPORT)


def test_the_table_points_down():
    above = set()
    for layer, below in MAY_IMPORT.items():
        above.add(layer)
        assert not below & above, layer


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer):
    allowed = MAY_IMPORT[layer] | EVERYONE | {layer}
    for file in (PACKAGE / layer).rglob("*.py"):
        wrong = {path[0] if path else "" for path in imports_of(file)} - allowed
        assert not wrong, f"{file.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


def test_no_files_import_each_other():
    graph = {}
    for file in PACKAGE.rglob("*.py"):
        own = file.relative_to(PACKAGE).with_suffix("").parts
        own = own[:-1] if own[-1] == "__init__" else own
        graph[own] = {path for path in imports_of(file) if path != own and path[: len(own)] != own}
    graph = {k: {p for p in paths if p != k[: len(p)]} for k, paths in graph.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError naming the circle


def test_names_say_one_thing():
    names = Counter(file.stem for file in PACKAGE.rglob("*.py"))
    assert {name for name, count in names.items() if count > 1} <= set(SHARED_NAMES)


def test_pipelines_hold_commands():
    assert len(list((PACKAGE / "pipelines").rglob("*.py"))) <= MOST_COMMANDS


def test_only_the_command_line_prints():
    for file in PACKAGE.rglob("*.py"):
        calls = (n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call))
        names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
        if file.relative_to(PACKAGE).parts[0] != "cli":
            assert not names & {"print", "exit", "quit", "eval", "exec"}, file


def test_no_attribute_is_looked_up_in_the_dark():
    """`getattr` with a literal name hides what an interface should declare; kernels ask C."""
    for file in set(PACKAGE.rglob("*.py")) - set((PACKAGE / "kernels").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                literal = len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
                assert not (node.func.id in ("getattr", "hasattr") and literal), file
