"""Speed-ups of training curves that can be worked out by hand."""

import pytest

from nerfconvert.metrics.speedup import (
    conversion_curve,
    conversion_seconds,
    speedup,
    time_to_reach,
    training_curve,
)

TRAINING = {
    "curve": [{"seconds": 10, "psnr_vs_truth": 20.0}, {"seconds": 30, "psnr_vs_truth": 24.0}],
    "seconds": 90.0,
    "psnr_vs_truth": 27.0,
}


def receipt(psnr: float) -> dict:
    time = {"load_s": 1.0, "distill_s": 4.0, "evaluate_s": 100.0, "total_s": 105.0}
    return {"time": time, "quality": {"psnr_target_vs_truth": psnr}}


@pytest.mark.parametrize(
    ("psnr", "seconds"),
    [(19.0, 10), (20.0, 10), (22.0, 20), (24.0, 30), (25.5, 60), (27.0, 90), (27.01, None)],
)
def test_between_two_points_psnr_is_linear_in_time(psnr, seconds):
    assert time_to_reach(psnr, training_curve(TRAINING)) == seconds


def test_the_first_time_counts_where_a_curve_falls_again():
    curve = [{"seconds": s, "psnr_vs_truth": p} for s, p in [(1, 20), (2, 26), (3, 22)]]
    points = training_curve({**TRAINING, "curve": curve})
    assert time_to_reach(25.0, points) == pytest.approx(1 + 5 / 6)


def test_a_conversion_starts_where_its_closed_form_ended():
    quality = {"psnr_initial": 26.0, "psnr_target_vs_source": 34.0}
    time = {"initialise_s": 4.0, "distill_s": 20.0}
    document = {"quality": quality, "time": time}
    points = conversion_curve(document | {"curve": [{"seconds": 10, "psnr_target_vs_source": 30}]})
    assert time_to_reach(25.0, points) == 4.0
    assert time_to_reach(28.0, points) == 7.0
    assert time_to_reach(32.0, points) == 15.0


def test_equal_images_are_better_than_any_psnr():
    assert time_to_reach(50.0, [(1, 20.0), (2, None)]) == 2
    assert time_to_reach(None, [(1, 20.0), (2, 60.0)]) is None


def test_the_speed_up_is_over_opening_and_distilling():
    assert conversion_seconds(receipt(22.0)) == 5.0
    assert speedup(receipt(22.0), TRAINING) == {
        "speedup_to_scratch_psnr": 4.0,
        "speedup_is_lower_bound": False,
    }


def test_a_psnr_that_is_never_reached_gives_a_lower_bound():
    assert speedup(receipt(30.0), TRAINING) == {
        "speedup_to_scratch_psnr": 18.0,
        "speedup_is_lower_bound": True,
    }
