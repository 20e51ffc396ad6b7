import math

import pytest

from nerfconvert.metrics.equal_quality import Reached, in_order, middle, reached, speedup_at


def test_runs_on_a_line_over_log_time_are_met_in_closed_form():
    """PSNR = 20 + 3 log2(t / 10): every level, from runs that come in any order."""
    points = [(t, 20 + 3 * math.log2(t / 10)) for t in (80.0, 10.0, 35.0)]
    for psnr in (20.5, 24.0, 28.9):
        found = reached(points, psnr)
        assert found.bound == "exact"
        assert found.value == pytest.approx(10 * 2 ** ((psnr - 20) / 3))


def test_between_two_runs_it_is_the_geometric_mean_half_way():
    assert reached([(30.0, 20.0), (120.0, 24.0)], 22.0) == Reached(pytest.approx(60.0))


def test_outside_of_the_runs_there_are_bounds():
    points = [(30.0, 20.0), (60.0, 23.0)]
    assert reached(points, 20.0) == Reached(30.0, "at most")
    assert reached(points, 19.0) == Reached(30.0, "at most")
    assert reached(points, 23.0) == Reached(pytest.approx(60.0))
    assert reached(points, 23.1) == Reached(60.0, "more than")
    assert reached([], 20.0) is None


def test_a_worse_longer_run_does_not_take_back_what_was_reached():
    points = [(10.0, 20.0), (20.0, 24.0), (40.0, 22.0)]
    assert reached(points, 23.0).value < 20
    assert reached([*points, (80.0, math.inf)], 25.0) == Reached(80.0)


def test_the_median_of_seeds_orders_bounds_beyond_their_numbers():
    seeds = [Reached(60.0, "more than"), Reached(50.0), Reached(30.0, "at most")]
    assert middle(seeds) == Reached(50.0)
    assert [one.bound for one in in_order(seeds)] == ["at most", "exact", "more than"]
    assert middle([]) is None


@pytest.mark.parametrize(
    ("conversion", "training", "expected"),
    [
        (("exact", 20.0), ("exact", 60.0), Reached(3.0)),
        (("exact", 20.0), ("more than", 60.0), Reached(3.0, "more than")),
        (("at most", 20.0), ("exact", 60.0), Reached(3.0, "more than")),
        (("at most", 20.0), ("more than", 60.0), Reached(3.0, "more than")),
        (("exact", 20.0), ("at most", 60.0), Reached(3.0, "at most")),
        (("more than", 20.0), ("exact", 60.0), Reached(3.0, "at most")),
        (("at most", 20.0), ("at most", 60.0), None),
        (("more than", 20.0), ("more than", 60.0), None),
    ],
)
def test_a_speed_up_is_as_sure_as_its_two_times(conversion, training, expected):
    times = [Reached(value, bound) for bound, value in (conversion, training)]
    assert speedup_at(*times) == expected


def test_without_runs_there_is_no_speed_up():
    assert speedup_at(None, Reached(3.0)) is speedup_at(Reached(3.0), None) is None
