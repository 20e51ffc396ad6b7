"""What a user should notice about a conversion."""

from __future__ import annotations

from typing import Any

CUT = 1e-3  # of what cameras see: less than that outside of the target's box is not worth a line
SLOWER = 1.1  # times: less than that is noise of the measurement


def size_and_speed(receipt: dict[str, Any], size: str, max_size: str | None) -> str | None:
    """One line where the target of a receipt, made as `size` or `max_size` asked, is larger, or
    slower to render, than its source; None for a procedural scene, which is text and formulas."""
    if receipt["source"]["format"] == "scene":
        return None
    larger = receipt["target"]["bytes"] / receipt["source"]["bytes"]
    render = receipt["render"]
    slower = render["target_s_per_frame"] / render["source_s_per_frame"]
    found = [f"{larger:.1f} times as large as its source"] if larger > 1 else []
    found += [f"{slower:.1f} times as slow to render"] if slower > SLOWER else []
    if not found:
        return None
    smaller = "a smaller --max-size" if max_size else "--size small or --max-size"
    smaller = "--set" if size == "small" else smaller
    return f"note: the target is {' and '.join(found)}; {smaller} can make it smaller"


def cut_away(receipt: dict[str, Any]) -> str | None:
    """One line where the box of the target leaves out some of what cameras see of the source."""
    share = receipt["target"]["outside_box"]
    if share < CUT:
        return None
    return f"note: {share:.1%} of what cameras see lies outside of the target's box"
