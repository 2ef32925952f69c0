"""Time of day."""

import numpy as np
import pytest

from csdn.synthetic.hours import NOON, Hour, sample_hour


def test_a_lamp_is_brightest_above_and_darkest_in_the_lower_corners():
    cone = Hour(np.ones(3), falloff=0.4).cone(64, 32)[..., 0]
    assert cone.max() == pytest.approx(1, abs=0.01) and cone.argmax() in (15, 16)
    assert cone.min() == pytest.approx(0.6, abs=0.03) and cone.argmin() in (63 * 32, 64 * 32 - 1)


def test_it_is_dark_never_or_always_where_that_is_asked_for():
    for night in (0.0, 1.0):
        hours = [sample_hour(np.random.default_rng(n), night) for n in range(50)]
        assert {hour.falloff > 0 for hour in hours} == {bool(night)}
        assert all((hour.noise > 1 and hour.saturation < 1) == bool(night) for hour in hours)


def test_a_low_sun_is_redder_and_weaker_and_noon_changes_nothing():
    days = sorted((sample_hour(np.random.default_rng(n), 0.0) for n in range(50)), key=lambda day: day.brightness)
    reddest = [day.color[0] / day.color[2] for day in days]
    assert reddest == sorted(reddest, reverse=True)
    assert 0.8 <= days[0].brightness < 0.85 < 0.99 < days[-1].brightness < 1
    assert (NOON.cone(8, 4) == 1).all() and NOON.color.tolist() == [1, 1, 1]
