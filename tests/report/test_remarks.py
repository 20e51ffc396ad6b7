from nerfconvert.report.remarks import cut_away, size_and_speed


def receipt(source: int, target: int, before: float, after: float, format: str = "ppng") -> dict:
    render = {"source_s_per_frame": before, "target_s_per_frame": after}
    source = {"bytes": source, "format": format}
    return {"source": source, "target": {"bytes": target}, "render": render}


def remark(*figures: float, size: str = "base", max_size: str | None = None) -> str | None:
    return size_and_speed(receipt(*figures), size, max_size)


def test_what_became_worse_is_named():
    assert remark(100, 90, 1.0, 1.05) is None
    larger = remark(100, 250, 1.0, 0.5)
    assert "2.5 times as large as its source" in larger
    assert "slow" not in larger
    slower = remark(100, 90, 1.0, 3.0)
    assert "3.0 times as slow to render" in slower
    assert "large" not in slower.replace("larger", "")
    assert " and " in remark(1, 2, 1.0, 2.0)


def test_what_was_asked_is_not_suggested():
    assert remark(1, 2, 1.0, 1.0).endswith("; --size small or --max-size can make it smaller")
    assert remark(1, 2, 1.0, 1.0, size="small").endswith("; --set can make it smaller")
    assert "a smaller --max-size" in remark(1, 2, 1.0, 1.0, max_size="5MB")


def test_a_scene_in_text_is_no_measure():
    assert size_and_speed(receipt(1, 6098, 1.0, 9.0, "scene"), "small", None) is None


def test_what_lies_outside_of_the_box_is_told_where_it_is_much():
    assert cut_away({"target": {"outside_box": 0.0004}}) is None
    assert "2.5% of what cameras see" in cut_away({"target": {"outside_box": 0.025}})
