"""Imports point down: who may import whom is a table, and this test is its enforcement."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "nerfconvert"
EVERYONE = {"errors", "registry", ""}  # "" is the package itself: its version
BELOW = {"formats", "distiller", "report", "renderer", "adapters", "kernels", "volume"}
MAY_IMPORT = {
    "cli": {"pipelines", "formats"},
    "pipelines": BELOW,
    "formats": {"volume", "adapters"},
    "distiller": {"volume", "renderer", "kernels"},
    "report": {"volume"},
    "adapters": {"volume", "kernels"},
    "renderer": {"volume", "kernels"},
    "kernels": set(),
    "volume": set(),
}
LAYERS = sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file())


def imported_layers(file: Path) -> set[str]:
    """First names below `nerfconvert` that a file imports, lazily or not."""
    package = file.relative_to(PACKAGE.parent).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            paths = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            head = base + (node.module.split(".") if node.module else [])
            paths = [head] if len(head) > 1 else [[*head, alias.name] for alias in node.names]
        else:
            continue
        found |= {path[1] if len(path) > 1 else "" for path in paths if path[0] == "nerfconvert"}
    return {
        name for name in found if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
    }


def test_every_layer_is_in_the_table():
    assert set(LAYERS) == set(MAY_IMPORT)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer):
    allowed = MAY_IMPORT[layer] | EVERYONE | {layer}
    for file in (PACKAGE / layer).rglob("*.py"):
        wrong = imported_layers(file) - allowed
        assert not wrong, f"{file.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


def test_only_the_command_line_prints():
    for file in PACKAGE.rglob("*.py"):
        calls = (n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call))
        names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
        if file.relative_to(PACKAGE).parts[0] != "cli":
            assert not names & {"print", "exit", "quit", "eval", "exec"}, file
