from nerfconvert.report.equal_table import equal_quality_tables


def times(*found: tuple[float, str]) -> list[dict]:
    return [{"seed": i, "seconds": s, "bound": b} for i, (s, b) in enumerate(found)]


def points(*levels: tuple[float, float | None]) -> list[dict]:
    return [{"budget": b, "seed": i, "psnr_vs_truth": p} for i, (b, p) in enumerate(levels)]


def test_medians_ranges_and_bounds_are_told():
    level = {
        "below_source": 0.5,
        "psnr_vs_truth": 29.5,
        "conversion": times((40.0, "exact"), (38.2, "exact"), (60.0, "more than")),
        "training": times((300.0, "more than")),
        "speedup": 7.5,
        "speedup_bound": "more than",
    }
    entry = {
        "teacher": "lego",
        "student": "vm",
        "recipe": "fast",
        "levels": [level],
        "conversions": points((30.0, 25.0), (30.0, 26.0), (30.0, 25.5), (60.0, None)),
        "trainings": points((30.0, 21.0)),
    }
    levels, curves = equal_quality_tables({"equal_quality": [entry]})
    assert levels[1] == [
        ["lego -> vm", "0.5 dB", "29.50 dB", "40 s (38 to > 60)", "> 300 s", "≥ 7.5×"]
    ]
    assert curves[1] == [
        ["lego -> vm", "30 s", "25.50 dB (25.00 to 26.00)", "21.00 dB"],
        ["lego -> vm", "60 s", "–", "–"],
    ]


def test_a_benchmark_without_budgets_has_no_such_tables():
    assert equal_quality_tables({"equal_quality": None}) == equal_quality_tables({}) == []
