"""How old a dataset's newest published batch is, against what its contract allows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sluice.contract.batches import Calendar
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Age:
    """Of the newest batch, counted from the end of its period; 0 days if that has not come yet."""

    verdict: Literal["fresh", "late", "stale"]
    days: int

    def __str__(self) -> str:
        return f"{self.verdict} ({self.days} days)"


def age_of(contract: Contract, batch: str, now: datetime | None = None) -> Age | None:
    """The age of a batch at a moment (naive UTC; now, if none is given).

    None if the contract sets no bounds, or the batch is of a cadence that the dataset had before.
    """
    if contract.freshness is None or not isinstance(contract.files.batches, Calendar):
        return None
    try:
        ended = contract.files.batches.instants(batch)[1].replace(tzinfo=None)
    except ConfigError:
        return None
    age = (now or datetime.now(UTC).replace(tzinfo=None)) - ended
    if age > contract.freshness.error_after:
        return Age("stale", age.days)
    return Age("late" if age > contract.freshness.warn_after else "fresh", max(age.days, 0))
