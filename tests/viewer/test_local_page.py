"""`nerfconvert view` in a real browser, and what stands in its way."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from nerfconvert.cli import main
from nerfconvert.runtime.crop_file import read_crop
from tests.conftest import ROOT

STILL = ROOT / "scenes" / "checkpoints" / "still-life.safetensors"
WINDOW = (760, 420)
SMALL = (520, 400)  # pixels, of which each takes time without a GPU; the panel needs these
# Of WebGL without a GPU and of a library of viser's page: nothing that we could mend.
THEIRS = re.compile(r"THREE\.Clock|GL Driver Message|software WebGL|WebGL-")
PATIENCE = 120_000  # ms, on a machine that does other things


@contextlib.contextmanager
def viewer(*words: str):
    """A running `view` and its document; it is interrupted at the end."""
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    command = "import sys; from nerfconvert.__main__ import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", listening + command, "view", *words, "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        yield process, json.loads(text)
    finally:
        process.kill()
        process.communicate()


def shown(page) -> np.ndarray:
    """The left part of the window, that the panel leaves free."""
    data = np.frombuffer(page.screenshot(), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[100:, : WINDOW[0] // 2].astype(int)


def wait_for(page, text: str) -> None:
    page.get_by_text(re.compile(text)).first.wait_for(timeout=PATIENCE)


def wait_for_change(page, before: np.ndarray, least: float = 1.0) -> None:
    """Until the picture is another one, by a gray level on average."""
    until = time.monotonic() + PATIENCE / 1000
    while np.abs(shown(page) - before).mean() <= least:
        assert time.monotonic() < until


def wait_for_picture(page, wanted: np.ndarray) -> None:
    """Until this picture is there, but for three gray levels: a browser draws after it is told."""
    until = time.monotonic() + PATIENCE / 1000
    while np.abs(shown(page) - wanted).mean() >= 3:
        assert time.monotonic() < until


def test_the_page_shows_a_field_and_follows_the_camera(open_page, tmp_path):
    """One browser after the other: each needs seconds to start its page without a GPU."""
    pytest.importorskip("viser")
    crop = tmp_path / "box.json"
    with viewer(str(STILL), str(ROOT / "scenes" / "glass.toml"), "--crop", str(crop)) as (
        process,
        document,
    ):
        assert document["schema"] == "nerfconvert.view/1"
        assert [entry["architecture"] for entry in document["fields"]] == ["hashgrid", "analytic"]
        tab = open_page(document["address"], WINDOW)
        page = tab.page
        wait_for(page, "^full resolution")
        before = shown(page)
        assert before.min() < 60  # the still life is there, on white
        assert before.max() == 255

        page.mouse.move(200, 250)
        page.mouse.down()
        page.mouse.move(320, 250, steps=8)
        page.mouse.up()
        wait_for_change(page, before, 5)
        wait_for(page, "^full resolution")

        page.get_by_text("Export", exact=True).click()
        wait_for(page, "wrote ")
        low, high = read_crop(crop)
        assert all(a < b for a, b in zip(low, high))

        page.mouse.move(200, 250)
        page.mouse.down()
        page.mouse.move(300, 250, steps=3)
        page.close()  # in the middle of a picture
        assert all(url.startswith(document["address"]) for url in tab.requests)
        tab.complaints[:] = [said for said in tab.complaints if not THEIRS.search(said)]

        second = open_page(document["address"], WINDOW)
        wait_for(second.page, "^full resolution")
        wait_for_picture(second.page, before)  # by a camera of its own
        second.complaints[:] = [said for said in second.complaints if not THEIRS.search(said)]
        second.page.close()

        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "Traceback" not in said
        assert out == ""


def test_wipe_and_crop_are_set_with_the_mouse(open_page, tmp_path):
    pytest.importorskip("viser")
    crop = tmp_path / "box.json"
    with viewer(str(STILL), str(ROOT / "scenes" / "glass.toml"), "--crop", str(crop)) as (
        _,
        document,
    ):
        tab = open_page(document["address"], SMALL)
        page = tab.page
        wait_for(page, "^full resolution")
        alone = shown(page)
        page.get_by_role("combobox").and_(page.locator(":visible")).nth(1).click()
        page.get_by_role("option", name="glass").and_(page.locator(":visible")).click()
        knob = page.get_by_role("slider").bounding_box()
        drag(page, knob, -200)
        wait_for_change(page, alone)
        wait_for(page, "^full resolution")

        wiped = shown(page)
        page.get_by_text("Crop to this box").click()
        upper = page.locator(".multi-slider-thumb").nth(1).bounding_box()  # of X
        drag(page, upper, -100)
        wait_for_change(page, wiped)
        page.get_by_text("Export", exact=True).click()
        wait_for(page, "wrote ")
        low, high = read_crop(crop)
        assert low == (-1.0, -1.0, -1.0)
        assert -0.9 < high[0] < 0.9
        assert high[1:] == (1.0, 1.0)
        tab.complaints[:] = [said for said in tab.complaints if not THEIRS.search(said)]


def drag(page, knob: dict[str, float], pixels: float) -> None:
    """The middle of `knob`, sideways."""
    x, y = knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels, y, steps=8)
    page.mouse.up()


def test_a_port_that_is_taken_is_named(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["view", str(STILL), "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"--port {port}" in said
    assert "Address already in use" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_a_host_that_is_not_ours_is_named(capsys, host):
    assert main(["view", str(STILL), "--host", host]) == 2
    assert f"--host {host}" in capsys.readouterr().err


def test_without_viser_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["view", str(STILL)]) == 6
    said = capsys.readouterr().err
    assert "pip install viser" in said
    assert "'view'" in said
