"""Fetching ahead: how much at a time, in which order, and whose error is whose. And which months a range is."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from sluice.contract.errors import ConfigError, ToolError
from sluice.project.datasets import contract_for
from sluice.runs.new_files import ahead
from sluice.runs.plan import Delivery
from sluice.steps.deliver import batches_of_range

YELLOW = contract_for("tlc__yellow_trips")


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_at_most_so_many_files_are_here_or_on_their_way_and_each_error_is_its_own(parallel: int) -> None:
    deliveries = [Delivery(YELLOW, f"2019-{month:02d}", "", asked=True) for month in range(1, 9)]
    asked: list[str] = []
    taken: list[str] = []
    most = 0
    lock = threading.Lock()

    def bring(delivery: Delivery) -> None:
        nonlocal most
        with lock:
            asked.append(delivery.batch)
            most = max(most, len(asked) - len(taken))
        time.sleep(0.005)
        if delivery.batch == "2019-03":
            raise ToolError("the third is away")

    errors = []
    with ahead(deliveries, bring, parallel) as brought:
        assert asked == []
        for delivery in deliveries:
            try:
                brought(delivery)
            except ToolError:
                errors.append(delivery.batch)
            with lock:
                taken.append(delivery.batch)
    assert errors == ["2019-03"]
    assert sorted(asked) == [delivery.batch for delivery in deliveries]
    assert most <= parallel + 1  # and the one that is being loaded


MARCH = datetime(2020, 3, 1, tzinfo=UTC)


def test_a_range_holds_both_its_ends_and_goes_over_the_year() -> None:
    assert batches_of_range(YELLOW, "2019-11", "2020-02", MARCH) == ("2019-11", "2019-12", "2020-01", "2020-02")
    assert batches_of_range(YELLOW, "2019-11", "2019-11", MARCH) == ("2019-11",)


@pytest.mark.parametrize(
    ("dataset", "first", "last", "words"),
    [
        ("tlc__zones", "2019-01", "2019-02", "no batches of a calendar"),
        ("tlc__yellow_trips", "2019-02", "2019-01", "older month first"),
        ("tlc__yellow_trips", "2019-01", "2020-04", "has not begun"),
        ("tlc__yellow_trips", "January", "2019-01", "write it as 2021-01"),
        ("tlc__yellow_trips", "1999-01", "2019-01", "first month"),
    ],
)
def test_a_range_that_is_none_is_refused_in_words(dataset: str, first: str, last: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        batches_of_range(contract_for(dataset), first, last, MARCH)
