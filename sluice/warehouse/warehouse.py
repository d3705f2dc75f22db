"""Warehouse (where the data is, its locks, its clock), Batch (one load), schema names. What every stage is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sluice.contract.errors import BusyError, ToolError
from sluice.warehouse.postgres.session import first_line


@dataclass(frozen=True, slots=True)
class Batch:
    """One load of one batch: what tasks hand to each other."""

    dataset_id: str
    batch: str
    load_id: int
    rows: int = 0
    blank_lines: int = 0  # of its file, which are not rows

    def __str__(self) -> str:
        return f"{self.dataset_id} {self.batch}"


OPS, MARTS = "ops", "marts"
LIVE = "marts__live"  # what is behind the views of `marts`: nobody names it
SIDES = ("marts__a", "marts__b")


def utc_now() -> datetime:
    """The clock on the wall."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Warehouse:
    """A PostgreSQL that batches are loaded into.

    Attributes:
        block: name of the connector block it came from.
        target: dbt target that reaches it.
        now: the clock that incidents are dated by.
    """

    engine: sa.Engine
    block: str
    target: str
    now: Callable[[], datetime] = utc_now

    @property
    def url(self) -> sa.URL:
        """Where it is, as dbt needs it."""
        return self.engine.url

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Hold the one lock on `what` (a dataset, or `dbt`) while the block runs.

        Raises:
            BusyError: another run holds it.
            ToolError: the database does not answer.
        """
        key = sa.func.hashtextextended(f"sluice:{what}", 0)
        try:
            held = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            free = held.scalar(sa.select(sa.func.pg_try_advisory_lock(key)))
        except DBAPIError as error:
            raise ToolError(f"{what}: the lock on it cannot be asked for: {first_line(error)}. Run again.") from None
        with held as connection:
            if not free:
                raise BusyError(
                    f"{what}: another run is in progress. Wait for it to finish, or see it with: sluice status"
                )
            try:
                yield
            finally:
                with suppress(DBAPIError):  # the connection is gone, and the lock with it
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
