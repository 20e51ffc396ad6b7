import pytest

from nerfconvert.report.timing import median_seconds, settled_median


def test_warm_ups_run_and_do_not_count():
    calls = []
    seconds = median_seconds(lambda: calls.append(1), repeats=3, warmups=2)
    assert len(calls) == 5
    assert 0 <= seconds < 1


def test_the_first_frames_do_not_count_where_enough_follow():
    assert settled_median([90.0, 50.0, 1.0, 2.0, 3.0]) == 2.0
    assert settled_median([90.0, 50.0, 1.0]) == 50.0


def test_refuses_nothing():
    with pytest.raises(ValueError, match="at least one"):
        settled_median([])
    with pytest.raises(ValueError, match="repeats"):
        median_seconds(lambda: None, repeats=0)
