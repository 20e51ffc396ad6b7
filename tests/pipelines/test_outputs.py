"""Opening the source of a pipeline."""

import json

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.formats import load, save
from nerfconvert.pipelines.info import info as info_document
from nerfconvert.renderer.camera_files.llff import POSES
from nerfconvert.report.tables import info_tables
from nerfconvert.runtime.inputs import LLFF, open_field
from nerfconvert.volume import Aabb, Contraction, FieldInfo, Frustum

BLOB = {"kind": "blob", "center": (0, 0, 0), "size": (0.4, 0.4, 0.4), "density": 9.0}
INFO = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)), frame="ndc", background="black")
CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path):
    primitive = {**BLOB, "color": (1.0, 0.5, 0.1)}
    save(AnalyticField(AnalyticConfig(primitives=(primitive,)), INFO), tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_a_forward_facing_field_without_a_focal_length_says_what_is_assumed(path):
    field = open_field(path, CPU)
    assert field.info.frustum == LLFF
    assert field.info.provenance["frustum_from"].startswith("assumed")
    (entry,) = info_document([path])["files"]
    assert "lacks the focal length" in entry["problems"][0]


def test_the_frustum_of_a_forward_facing_field_is_that_of_the_cameras(path, tmp_path):
    pose = torch.eye(4).tolist()
    frames = [{"file_path": "a", "transform_matrix": pose}]
    document = {"fl_x": 50.0, "w": 40, "h": 30, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(document))
    field = open_field(path, CPU, tmp_path / "transforms.json")
    assert field.info.frustum == Frustum(width=40, height=30, focal=50)
    save(field, tmp_path / "b.safetensors")
    again = open_field(tmp_path / "b.safetensors", CPU, tmp_path / POSES)  # which is not read
    assert again.info == load(tmp_path / "b.safetensors").info == field.info
    assert info_document([tmp_path / "b.safetensors"])["files"][0]["problems"] == []


def test_info_says_that_a_scene_is_unbounded(path, tmp_path):
    box = Aabb((-2, -2, -2), (2, 2, 2), Contraction("2", (0.0, 0.0, 0.0), 1.25))
    config = load(path).config
    save(AnalyticField(config, FieldInfo(aabb=box)), tmp_path / "c.safetensors")
    document = info_document([path, tmp_path / "c.safetensors"])
    bounded, unbounded = (entry["contraction"] for entry in document["files"])
    assert bounded is None
    assert unbounded == {"norm": "2", "center": [0.0, 0.0, 0.0], "radius": 1.25}
    told = "contracted beyond 1.25 of the middle: an unbounded scene"
    assert [told in str(table) for table in info_tables(document)] == [False, True]
