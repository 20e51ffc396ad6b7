import math

import pytest

from nerfconvert.options.groups import Gates
from nerfconvert.report.gates import QualityError, gates, option_of, pass_gates, verdict
from nerfconvert.report.receipt import strict

FOUND = {"min_psnr": 30.0, "max_drop": 0.5, "max_size": 5_000_000, "max_seconds_per_frame": 0.25}


def failed(asked: Gates, max_size: str | None = None, **found: float) -> list[str]:
    judged = gates(asked, max_size, {**FOUND, **found})
    return [gate["gate"] for gate in judged if not gate["passed"]]


@pytest.mark.parametrize(
    ("name", "passes", "fails"),
    [("min_psnr", 30.0, 30.01), ("max_drop", 0.5, 0.49), ("max_seconds_per_frame", 0.25, 0.24)],
)
def test_a_figure_at_its_limit_passes(name, passes, fails):
    assert failed(Gates(**{name: passes})) == []
    assert failed(Gates(**{name: fails})) == [name]


def test_the_size_is_that_of_the_file():
    assert failed(Gates(), "5MB") == []
    assert failed(Gates(), "4.99MB") == ["max_size"]


def test_only_what_was_asked_is_judged():
    assert gates(Gates(), None, {}) == []
    (gate,) = gates(Gates(max_drop=1), None, FOUND)
    assert gate == {"gate": "max_drop", "limit": 1, "found": 0.5, "passed": True}


def test_equal_images_pass():
    """Their PSNR is infinite; a source that is the truth itself loses NaN where nothing is lost."""
    assert failed(Gates(min_psnr=99, max_drop=0), min_psnr=math.inf, max_drop=math.nan) == []
    assert failed(Gates(max_drop=9), max_drop=math.inf) == ["max_drop"]


def test_a_verdict_says_what_was_found():
    asked = Gates(min_psnr=99, max_drop=0, max_seconds_per_frame=0.125)
    endless = FOUND | {"min_psnr": math.inf, "max_drop": math.nan}
    judged = strict(gates(asked, "1MB", endless))
    assert [(option_of(gate), verdict(gate)) for gate in judged] == [
        ("--min-psnr 99.00 dB", "passed: PSNR is infinite"),
        ("--max-drop 0.00 dB", "passed: PSNR lost against the truth is nothing"),
        ("--max-size 1.00 MB", "failed: the file has 5.00 MB"),
        ("--max-seconds-per-frame 0.125 s", "failed: a frame takes 0.25 s"),
    ]


def test_the_message_names_every_gate_that_failed():
    asked = Gates(min_psnr=31, max_drop=0.25, max_seconds_per_frame=1)
    document = {"gates": [{"path": "a.th", **gate} for gate in gates(asked, "1MB", FOUND)]}
    with pytest.raises(QualityError) as caught:
        pass_gates(strict(document))
    assert caught.value.message == (
        "a.th: PSNR is 30.00 dB, --min-psnr asks 31.00 dB; "
        "a.th: PSNR lost against the truth is 0.50 dB, --max-drop allows 0.25 dB; "
        "a.th: the file has 5.00 MB, --max-size allows 1.00 MB"
    )
    assert caught.value.exit_code == 5
    assert caught.value.document["gates"][3]["passed"]
