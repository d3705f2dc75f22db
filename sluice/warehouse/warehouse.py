"""Warehouse (where the data is, its locks, its clock), Batch (one load), schema names. What every stage is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.errors import BusyError
from sluice.warehouse.postgres import locks


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


def schemas_of(connection: sa.Connection) -> Schemas:
    """The names that schemas have where this connection goes."""
    return Schemas(**connection.get_execution_options().get("schema_translate_map", DEFAULT.translation))


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
        schemas: what its schemas are called.
    """

    engine: sa.Engine
    block: str
    target: str
    now: Callable[[], datetime] = utc_now
    schemas: Schemas = DEFAULT

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
        with locks.held(self.engine, what) as held:
            if not held:
                raise BusyError(
                    f"{what}: another run is in progress. Wait for it to finish, or see it with: sluice status"
                )
            yield
