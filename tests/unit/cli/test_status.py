"""Which batches `sluice status` shows of a dataset that has many."""

from __future__ import annotations

from typing import Any

from sluice.cli.output.status import NEWEST, _of_interest


def row(dataset: str, batch: str, verdict: str = "published", why: str = "") -> dict[str, Any]:
    return {"dataset": dataset, "batch": batch, "verdict": verdict, "why": why}


def test_the_newest_batches_are_shown_and_the_older_ones_that_are_not_as_they_should_be() -> None:
    days = [row("a", f"{number:03}") for number in range(100)]
    days[3] = row("a", "003", "held", "5% of rows fail")
    days[7] = row("a", "007", "published", "readers have the rows of before")
    others = [row("b", "2024-01"), row("c", "", "never_loaded")]
    assert _of_interest([*days, *others]) == [days[3], days[7], *days[-NEWEST:], *others]
