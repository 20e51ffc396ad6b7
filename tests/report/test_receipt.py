import dataclasses
import hashlib
import json
import math

import pytest
import torch

from nerfconvert.files import sha256, write_json
from nerfconvert.metrics.evaluation import Evaluation, Pictures
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.report.likeness import against_truth
from nerfconvert.report.quality import quality
from nerfconvert.report.receipt import strict
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))


def pictures(level: float) -> Pictures:
    """Of a field that covers the left half of each view, 2 units away."""
    opacity = (torch.arange(16) < 8).float().expand(2, 16, 16)
    return Pictures(torch.full((2, 16, 16, 3), level), opacity, 2 * opacity, INFO, 0.1)


def evaluation(truth: torch.Tensor | None) -> Evaluation:
    return Evaluation(on_circle((0, 0, 0), 3.0, 2, size=(16, 16)), truth, 1.0, "a test")


def test_figures_that_cannot_be_had_are_null_with_a_reason():
    clean = strict({"a": math.inf, "b": [math.nan, 1.0], "c": {"d": 2.0}})
    assert clean["a"] is None
    assert "equal" in clean["a_reason"]
    assert clean["b"] == [None, 1.0]
    assert clean["c"] == {"d": 2.0}
    json.dumps(clean, allow_nan=False)


def test_writing_is_atomic(tmp_path):
    path = tmp_path / "r.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="compliant"):
        write_json(path, {"a": math.nan})
    assert json.loads(path.read_text()) == {"a": 1}


def test_hash(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    assert sha256(tmp_path / "f") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_quality_against_the_truth():
    truth = torch.zeros(2, 16, 16, 3)
    block = quality(evaluation(truth), pictures(51 / 255), pictures(102 / 255), 12.5)
    assert block["psnr_source_vs_truth"] == pytest.approx(-20 * math.log10(0.2))
    assert block["psnr_target_vs_truth"] == pytest.approx(-20 * math.log10(0.4))
    assert block["delta_vs_truth"] == pytest.approx(20 * math.log10(0.5))
    assert block["psnr_target_vs_source"] == pytest.approx(-20 * math.log10(0.2))
    assert block["psnr_initial"] == 12.5


def test_an_empty_background_does_not_flatter():
    """Both fields show white but for the left half, where they differ."""
    before, after = pictures(1.0), pictures(1.0)
    after.images[0, :, :8] = 1 - 51 / 255
    after.images[1, :, :8] = 1 - 102 / 255
    after.depth[:] = 2 * math.sqrt(3) / 10 + before.depth
    block = quality(evaluation(None), before, after, None)
    covered = [-20 * math.log10(0.2), -20 * math.log10(0.4)]
    assert [v["psnr_covered"] for v in block["per_view"]] == pytest.approx(covered)
    assert block["psnr_covered_target_vs_source"] == pytest.approx(sum(covered) / 2)
    assert block["psnr_target_vs_source"] == pytest.approx(sum(covered) / 2 + 10 * math.log10(2))
    assert block["worst_view"] == block["per_view"][1]
    assert block["depth_error_target_vs_source"] == pytest.approx(0.1, rel=1e-5)
    assert block["psnr_covered_target_vs_truth"] is None
    assert block["psnr_covered_target_vs_truth_reason"].startswith("no --data")


def test_photographs_say_by_their_alpha_what_is_covered():
    truth = torch.zeros(2, 16, 16, 3)
    shown = pictures(51 / 255)
    shown.images[:, :8] = 102 / 255
    with_alpha = dataclasses.replace(evaluation(truth), truth_opacity=torch.zeros(2, 16, 16))
    with_alpha.truth_opacity[:, 8:] = 1
    _, figures = against_truth("vs_truth", shown, with_alpha)
    assert figures["psnr_covered_vs_truth"] == pytest.approx(-20 * math.log10(0.2))
    _, figures = against_truth("vs_truth", shown, evaluation(truth))
    assert figures["psnr_covered_vs_truth"] is None
    assert "no alpha" in figures["psnr_covered_vs_truth_reason"]
