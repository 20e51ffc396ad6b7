from nerfconvert.report.remarks import size_and_speed


def receipt(source: int, target: int, before: float, after: float) -> dict:
    render = {"source_s_per_frame": before, "target_s_per_frame": after}
    return {"source": {"bytes": source}, "target": {"bytes": target}, "render": render}


def test_what_became_worse_is_named():
    assert size_and_speed(receipt(100, 90, 1.0, 1.05)) is None
    larger = size_and_speed(receipt(100, 250, 1.0, 0.5))
    assert "2.5 times as large as its source" in larger
    assert "slow" not in larger
    slower = size_and_speed(receipt(100, 90, 1.0, 3.0))
    assert "3.0 times as slow to render" in slower
    assert "large" not in slower.replace("larger", "")
    assert " and " in size_and_speed(receipt(1, 2, 1.0, 2.0))
