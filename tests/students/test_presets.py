import pytest
import torch

from nerfconvert.errors import UnknownNameError, UnsupportedError, UsageError
from nerfconvert.formats import load
from nerfconvert.students.presets import field_config
from nerfconvert.students.student_box import MARGIN, student_info


def test_settings_override_the_preset():
    config = field_config("hashgrid", "small", ["hashgrid.log2_table_size=12", "n_levels=4"])
    assert (config.log2_table_size, config.n_levels) == (12, 4)
    assert config.finest_resolution == field_config("hashgrid", "small", []).finest_resolution


def test_values_are_json_or_words():
    config = field_config("mlp", "small", ["skips=[1]", "density_activation=softplus", "depth=3"])
    assert (config.skips, config.density_activation, config.depth) == ((1,), "softplus", 3)


@pytest.mark.parametrize(
    ("architecture", "size", "setting", "error"),
    [
        ("hashgird", "base", "n_levels=4", UnknownNameError),
        ("hashgrid", "bse", "n_levels=4", UnknownNameError),
        ("hashgrid", "base", "n_lvls=4", UnknownNameError),
        ("hashgrid", "base", "n_levels=many", UsageError),
        ("hashgrid", "base", "n_levels", UsageError),
        ("hashgrid", "base", "mlp.n_levels=4", UsageError),
        ("analytic", "base", "primitives=[]", UnsupportedError),
        ("tensorial", "base", "n_voxels=5", UnknownNameError),
    ],
)
def test_refuses_what_it_does_not_know(architecture, size, setting, error):
    with pytest.raises(error):
        field_config(architecture, size, [setting])


def test_a_student_lives_in_the_occupied_box(scenes):
    teacher = load(scenes / "glass.toml")
    dense = torch.zeros(8, 8, 8, dtype=torch.bool)
    dense[2:4, 3:5, 0:1] = True
    teacher.occupancy.assign(dense)
    box = teacher.occupied_box()
    assert box.low == pytest.approx((-0.5, -0.25, -1.0))
    assert box.high == pytest.approx((0.0, 0.25, -0.75))
    info = student_info(teacher)
    pad = 0.5 * MARGIN
    assert info.aabb.low == pytest.approx((-0.5 - pad, -0.25 - pad, -1.0))  # not below the old box
    assert info.aabb.high == pytest.approx((pad, 0.25 + pad, -0.75 + 0.25 * MARGIN))
    assert info.background == "black"
