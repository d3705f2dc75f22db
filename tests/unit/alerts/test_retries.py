"""When a message is tried again, and what it says then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.alerts.outbox import marks_of, pause_after, text_of

NOW = datetime(2024, 3, 5, 6, 7, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 15), (1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 600), (7, 600), (50, 600), (10_000, 600)],
)
def test_pauses_double_up_to_ten_minutes(attempts: int, seconds: int) -> None:
    assert pause_after(attempts) == timedelta(seconds=seconds)


def test_a_message_that_is_a_day_late_says_when_it_was_written() -> None:
    assert text_of("The gate is closed.", NOW - timedelta(days=1), NOW) == "The gate is closed."
    assert text_of("The gate is closed.", NOW - timedelta(days=1, seconds=1), NOW) == (
        "Written 2024-03-04 06:07 UTC; it could not be sent before.\n\nThe gate is closed."
    )


def test_a_message_that_was_sent_has_no_error_any_more() -> None:
    assert marks_of("", NOW) == {"sent_at": NOW, "last_error": None}
    assert marks_of("429 Too Many Requests", NOW) == {"last_error": "429 Too Many Requests"}
