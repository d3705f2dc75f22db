"""How long a publish of the marts waits for readers: short tries mostly, so that they never queue up for long."""

from __future__ import annotations

import pytest

from sluice.marts.publish import Patience, lock_ms_of, pause_after


@pytest.mark.parametrize(
    ("tried", "milliseconds"), [(1, 5), (15, 5), (16, 200), (17, 5), (31, 5), (32, 200), (160, 200)]
)
def test_each_sixteenth_try_waits_as_long_as_it_may(tried: int, milliseconds: int) -> None:
    assert lock_ms_of(tried, Patience()) == milliseconds


def test_no_try_waits_longer_than_it_may() -> None:
    assert {lock_ms_of(tried, Patience(lock_ms=3)) for tried in range(1, 40)} == {3}


@pytest.mark.parametrize(
    ("tried", "seconds"),
    [
        *((1, 0.01), (15, 0.01), (16, 0.2), (17, 0.01), (127, 0.01), (128, 0.2)),
        *((129, 0.02), (130, 0.04), (135, 1.28), (136, 2.0), (137, 2.0), (144, 2.0), (10_000, 2.0)),
    ],
)
def test_pauses_stay_short_for_128_tries_and_double_then_up_to_two_seconds(tried: int, seconds: float) -> None:
    assert pause_after(tried) == pytest.approx(seconds)
