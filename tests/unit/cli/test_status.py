"""Which batches `sluice status` shows of a dataset that has many."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sluice.cli.output.status import NEWEST, _of_interest
from sluice.contract.batches import Daily, Hourly
from sluice.contract.contract import Files, Freshness
from sluice.contract.freshness import age_of
from tests.support import shops


def row(dataset: str, batch: str, verdict: str = "published", why: str = "") -> dict[str, Any]:
    return {"dataset": dataset, "batch": batch, "verdict": verdict, "why": why}


def test_the_newest_batches_are_shown_and_the_older_ones_that_are_not_as_they_should_be() -> None:
    days = [row("a", f"{number:03}") for number in range(100)]
    days[3] = row("a", "003", "held", "5% of rows fail")
    days[7] = row("a", "007", "published", "readers have the rows of before")
    others = [row("b", "2024-01"), row("c", "", "never_loaded")]
    assert _of_interest([*days, *others]) == [days[3], days[7], *days[-NEWEST:], *others]


def test_a_batch_of_a_cadence_that_the_dataset_had_before_has_no_age() -> None:
    files, bounds = Files("o_{batch}.csv", Daily(start="2021-01-01")), Freshness(timedelta(days=1), timedelta(days=2))
    days = replace(shops.contract(), files=files, freshness=bounds)
    assert [age_of(days, batch) for batch in ("all", "2021-01", "2021")] == [None] * 3
    assert str(age_of(days, "2021-01-02", datetime(2021, 1, 3, 12))) == "fresh (0 days)"


def test_the_age_of_hours_is_in_hours_until_it_is_days() -> None:
    files, bounds = (
        Files("o_{batch}.csv", Hourly(start="2021-01-01T00")),
        Freshness(timedelta(hours=2), timedelta(days=9)),
    )
    hours = replace(shops.contract(), files=files, freshness=bounds)
    ages = {
        datetime(2021, 1, 1, 0, 30): "fresh (0 hours)",
        datetime(2021, 1, 1, 6, 59): "late (5 hours)",
        datetime(2021, 1, 5, 1): "late (4 days)",
    }
    assert [str(age_of(hours, "2021-01-01T00", now)) for now in ages] == list(ages.values())
