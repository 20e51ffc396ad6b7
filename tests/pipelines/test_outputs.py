"""Opening the source of a pipeline."""

import pytest
import torch

from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.errors import UnsupportedError
from nerfconvert.formats import save
from nerfconvert.pipelines.info import info as info_document
from nerfconvert.runtime.inputs import open_field
from nerfconvert.volume import Aabb, FieldInfo


def test_a_forward_facing_field_is_refused_by_name(tmp_path):
    path = tmp_path / "fern.safetensors"
    info = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)), frame="ndc", background="black")
    save(MlpField(MlpConfig(depth=2, width=8, skips=(), head_width=4), info), path)
    with pytest.raises(UnsupportedError, match=r"fern.safetensors lives in normalised device"):
        open_field(path, torch.device("cpu"))
    (entry,) = info_document([path])["files"]
    assert entry["can"] == []
    assert entry["cannot"][0].startswith("convert, render, compare: it lives in normalised device")
