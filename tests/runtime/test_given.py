"""Files that reading a field opens: those that a node of a cluster has to have."""

from __future__ import annotations

import importlib

import pytest

from nerfconvert.formats.format_files import FORMAT_FILES
from nerfconvert.runtime.given import files_of_field


def test_settings_beside_a_checkpoint_belong_to_it(tmp_path):
    for name in ("model.tar", "args.txt", "config.yml", "notes.txt", "other.tar"):
        (tmp_path / name).write_text(name)
    found = files_of_field(tmp_path / "model.tar")
    assert [path.name for path in found] == ["model.tar", "args.txt", "config.yml"]


def test_a_run_of_nerfstudio_has_them_one_folder_up(tmp_path):
    (tmp_path / "nerfstudio_models").mkdir()
    checkpoint = tmp_path / "nerfstudio_models" / "step-000000009.ckpt"
    settings = tmp_path / "config.yml"
    for path in (checkpoint, settings, tmp_path / "dataparser_transforms.json"):
        path.write_text("x")
    assert set(files_of_field(checkpoint)) == {checkpoint, *tmp_path.glob("*.*")}
    assert set(files_of_field(settings)) == {checkpoint, *tmp_path.glob("*.*")}


@pytest.mark.parametrize("name", FORMAT_FILES)
def test_the_table_names_what_a_format_reads_beside(name):
    files = FORMAT_FILES[name]
    module = importlib.import_module(files.format.split(":")[0])
    if name == "nerfstudio":
        from nerfconvert.formats.parts import nerfstudio_run

        assert files.beside == (nerfstudio_run.SETTINGS, nerfstudio_run.TRANSFORMS)
        return
    settings = vars(module).get("SETTINGS", ())
    assert files.beside == ((settings,) if isinstance(settings, str) else settings)
