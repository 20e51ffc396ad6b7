"""YAML as plain data: tags run nothing, and no text takes long or much memory."""

from __future__ import annotations

import itertools
import time

import pytest

from nerfconvert.formats.parts.plain_yaml import LIMIT, read_yaml


def parsed(folder, text: str):
    (folder / "a.yml").write_text(text)
    return read_yaml(folder / "a.yml")


def test_tags_become_what_they_contain(tmp_path):
    text = (
        "!!python/object:trainer.Config\n"
        "target: &t !!python/name:torch.optim.adam.Adam ''\n"
        "again: *t\n"
        "path: !!python/object/apply:pathlib.PosixPath [/, home]\n"
        "pair: !!python/tuple [1, 2.5]\n"
        "dict: !!python/object/new:collections.OrderedDict {a: 1.0e-15}\n"
        "text: !!python/str abc\n"
        "nothing: null\n"
    )
    assert parsed(tmp_path, text) == {
        "target": "torch.optim.adam.Adam",
        "again": "torch.optim.adam.Adam",
        "path": ["/", "home"],
        "pair": [1, 2.5],
        "dict": {"a": 1e-15},
        "text": "abc",
        "nothing": None,
    }


def test_nothing_is_run(tmp_path):
    trap = tmp_path / "trap"
    text = f"a: !!python/object/apply:os.mkdir ['{trap}']\nb: !!python/object/new:os.mkdir [x]\n"
    assert parsed(tmp_path, text) == {"a": [str(trap)], "b": ["x"]}
    assert not trap.exists()


def test_the_config_of_a_real_run(shared):
    folder = shared / "data/cameras/nerfstudio_run/model/2026-04-23_043022"
    content = read_yaml(folder / "config.yml")
    assert content["method_name"] == "nerfacto"
    assert content["pipeline"]["model"]["average_init_density"] == 0.01
    loader = content["pipeline"]["datamanager"]["dataparser"]["_target"]
    assert loader == "nerfstudio.data.dataparsers.nerfstudio_dataparser.Nerfstudio"
    assert content["data"] is content["pipeline"]["datamanager"]["data"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{a: " * 5000,
        "- " * 5000 + "1",
        "a: &a [1]\nb: [" + "*a, " * 2000 + "]",
        "a: &a !!python/tuple [*a]",
        "a: *b",
        "? [1, 2]\n: 3",
        "? {a: 1}\n: 3",
        "a: !unknown 1",
        "a: \x01",
        "a: 2020-99-99",
        "x" * (LIMIT + 1),
        "a: 1\n b: 2",
    ],
)
def test_refused(text, tmp_path):
    began = time.monotonic()
    with pytest.raises(ValueError) as caught:
        parsed(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 5


def test_bombs_stay_small(tmp_path):
    """Aliases of aliases share what they name; merges are refused."""
    names = "abcdefghijklmnop"
    shared_lists = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise(names)
    )
    merged = "a: &a {x: 1}\n" + "".join(
        f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in itertools.pairwise(names)
    )
    began = time.monotonic()
    assert len(parsed(tmp_path, shared_lists)["p"]) == 9
    with pytest.raises(ValueError, match="merge"):
        parsed(tmp_path, merged)
    assert time.monotonic() - began < 5
