"""The training clock: pauses do not count, earlier runs do, and whoever holds it sees both."""

import time

from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.progress import Clock


def test_a_pause_does_not_count():
    clock = Clock(DistillConfig(seconds=100))
    clock.pause()
    before = clock.seconds
    time.sleep(0.02)
    assert clock.seconds == before
    clock.resume()
    assert clock.seconds >= before


def test_an_earlier_run_counts_for_everyone_who_holds_the_clock():
    clock = Clock(DistillConfig(seconds=100))
    holder = {"clock": clock}
    clock.go_on_from(40.0)
    assert holder["clock"].seconds >= 40
    assert holder["clock"].fraction(0) >= 0.4
