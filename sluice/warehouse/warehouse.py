"""Warehouse: the ledger's database, the engine that holds the rows, locks, the clock. What every stage is handed."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.errors import BusyError, ConfigError
from sluice.warehouse.engine import RowEngine
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.engine import POSTGRES


def utc_now() -> datetime:
    """The clock on the wall."""
    return datetime.now(UTC)


def person(who: str | None = None) -> str:
    """Who decided, for the ledger: the name given, or the user of the operating system.

    Raises:
        ConfigError: none was given, and the user has no name, as in a container that runs under a number.
    """
    try:
        return (who or "").strip() or getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise ConfigError(
            "your user has no name on this machine, and the ledger keeps who decided. Name the person: --who NAME"
        ) from None


@dataclass(frozen=True)
class Warehouse:
    """A PostgreSQL that batches are loaded into.

    Attributes:
        block: name of the connector block it came from.
        target: dbt target that reaches it.
        now: the clock that incidents are dated by.
        schemas: what its schemas are called.
        data: what holds the rows.
        transformer: sessions of dbt's user, where that is another one than runs are.
    """

    engine: sa.Engine
    block: str
    target: str
    now: Callable[[], datetime] = utc_now
    schemas: Schemas = DEFAULT
    data: RowEngine = POSTGRES
    transformer: sa.Engine | None = None

    @property
    def url(self) -> sa.URL:
        """Where it is, as runs come in."""
        return self.engine.url

    @property
    def dbt(self) -> sa.Engine:
        """Sessions as dbt has them: also for what dbt compiled."""
        return self.transformer or self.engine

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
