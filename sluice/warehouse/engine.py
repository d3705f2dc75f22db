"""The seam: what Sluice asks of the engine that holds the rows of datasets and marts (docs/decisions/0039).

PostgreSQL is the default, Spark with Iceberg the other. The ledger, the locks, incidents and alerts are PostgreSQL's
with any engine: each method is handed a connection to them, `control`. There the rows lie in the same database, so that
what a method does is part of the ledger's transaction; a lake commits before the ledger does, and can be asked after a
stop (`SeparateEngine`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from sluice.contract.checks.compile import Check
from sluice.contract.checks.report import Sample
from sluice.contract.columns import Reference
from sluice.contract.contract import Contract
from sluice.contract.gate import CheckResult
from sluice.warehouse.batch import Batch

Progress = Callable[[int, int], None]  # rows so far, bytes of the file so far
Grants = Mapping[str, Sequence[Sequence[str | None]]]  # by mart: pairs of privilege and role, which is None for PUBLIC


class Capability(StrEnum):
    """What is asked of an engine by name, since not every one can: as it ends the sentence `the engine cannot`."""

    RUN = "load batches and publish marts"
    QUARANTINE = "show, export, replay or release rejected rows"
    TABLES = "read tables that other programs load"
    DIFF = "compare a change with what is published (sluice diff)"
    SQL = "answer sluice sql"
    CONNECT = "give other programs an address (sluice connect)"
    FORGET = "forget a dataset"
    BACKUP = "back up or restore its rows"


class TypedRows(Protocol):
    """Typed rows to be loaded, with what has been read of them so far."""

    schema: pa.Schema

    @property
    def rows_read(self) -> int: ...
    @property
    def bytes_read(self) -> int: ...
    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True, slots=True)
class Audited:
    """What the checks of a contract found in a batch.

    Attributes:
        rows, rejected: rows of the batch, and those that fail a check of severity error.
        canary: whether rows that had to be rejected were.
        failing: rows that fail each check that any row fails, by its name.
        errors: why, by its name, for each check that could not be run.
        samples: a few failing rows of each check, by its name.
    """

    rows: int
    rejected: int
    canary: CheckResult
    failing: Mapping[str, int]
    errors: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)


class RejectedRow(NamedTuple):
    """A row in quarantine.

    Attributes:
        reasons: every check that it failed.
        whole: its line, where it could not be divided into cells.
        texts: its cells in the order of the contract's columns, each as text that the column's type reads.
    """

    number: int
    reasons: Sequence[str]
    whole: str | None
    texts: Sequence[str | None]


class RowEngine(Protocol):
    """What holds the rows. A batch's rows lie in its incoming table from `start` to `publish`, or while it is held.

    Every method raises the driver's errors, and ToolError or DataError where it says so.
    """

    # Whether what it writes is part of the ledger's transaction; if not, it is a SeparateEngine
    @property
    def commits_with_ledger(self) -> bool: ...
    # The tables of a dataset
    def make_tables(self, control: sa.Engine, contract: Contract, /) -> None:
        """Make them where they are missing, and change them as far as that loses no value. Raises ToolError."""

    def verify_tables(self, control: sa.Engine, contract: Contract, /) -> None:
        """Nothing, if they are as the contract says. Raises ConfigError, which says what the change takes."""

    def analyze(self, control: sa.Engine, /) -> None:
        """Take statistics of what is new in `staging`, before models read it."""

    # The rows of a batch, before there is a verdict
    def start(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Make an empty incoming table, in the place of what a former load left there."""

    def bring_in(
        self,
        control: sa.Connection,
        contract: Contract,
        batch: Batch,
        rows: TypedRows,
        progress: Progress | None = None,
        /,
    ) -> None:
        """Add rows to the incoming table that this transaction started."""

    def add_accepted(
        self, control: sa.Connection, contract: Contract, batch: Batch, of: Batch, /, *, published: bool
    ) -> int:
        """Add the accepted rows of another load of the batch, published or held, to the incoming table.

        Those of a held load were kept back before (`set_aside`). Returns how many.
        """

    def drop(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Drop the incoming table, and what an audit found in it."""

    # The rows of a held batch
    def fit_held(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Give them the columns that the contract has gained since. Raises DataError where they do not fit it."""

    def held_batch(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> str | None:
        """The batch that they are of: names that differ in - and _ alone have one incoming table."""

    def set_aside(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Keep them elsewhere while the batch is loaded again."""

    def put_back(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Give them their place again, if a load that came to no verdict has taken it."""

    def drop_set_aside(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Drop what was kept back: other rows of the batch have come in its place."""

    # The audit and the verdict
    def audit(self, control: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check], /) -> Audited:
        """Run every check over the incoming table, and keep which rows fail until the verdict. Changes no row."""

    def try_canary(
        self, control: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check], /
    ) -> tuple[CheckResult, Mapping[str, str]]:
        """Audit rows that must be rejected, in a temporary table that the caller rolls back.

        Returns:
            Whether they were; why, by its name, for each check that could not be run.
        """

    def types_of_accepted(
        self, control: sa.Connection, contract: Contract, batch: Batch, /, *, published: bool
    ) -> Mapping[str, TypeEngine]:
        """The columns of the accepted rows of a load, published or held, with their types. Empty if they are gone."""

    def audit_again(
        self,
        control: sa.Connection,
        contract: Contract,
        batch: Batch,
        checks: Sequence[Check],
        rejected: TypedRows,
        columns: Sequence[str],
        /,
        *,
        published: bool,
    ) -> Audited:
        """Run these checks over all rows of a load, accepted and rejected, in temporary tables.

        The caller rolls back, and uses the connection for nothing else.

        Args:
            rejected: as the contract reads them.
            columns: those that the accepted rows have; all others are null.
        """

    def reject(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> int:
        """Move the rejected rows into quarantine, each once, with every check it failed. Returns how many."""

    def rejected_rows(
        self, control: sa.Connection, contract: Contract, load_id: int, size: int, /
    ) -> Iterator[Sequence[RejectedRow]]:
        """The rejected rows of a load in their order, at most `size` at a time."""

    def expire_quarantined(self, control: sa.Connection, contract: Contract, age: timedelta, /) -> dict[int, int]:
        """Drop rejected rows that are older than this. Returns how many of each load."""

    def drop_quarantined(self, control: sa.Connection, contract: Contract, loads: sa.Select, /) -> None:
        """Drop the rejected rows of these loads: a query of their numbers in the ledger."""

    def dangling_keys(self, control: sa.Connection, contract: Contract, reference: Reference, /) -> dict[str, int]:
        """How many published rows of each batch have a key that is not published; batches without such are left out."""

    def publish(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> None:
        """Make the incoming rows what readers have of the batch, in the place of what they had."""

    # The marts
    def wait_for_readers(self, control: sa.Engine, seconds: float, /) -> None:
        """Return when no transaction is left that would find a new side empty. Raises ToolError after `seconds`."""

    def mart_grants(self, control: sa.Connection, before: Grants, /) -> Grants:
        """What others may do with each mart that readers have; with one that is missing, what they might `before`."""

    def hand_on(self, control: sa.Connection, side: str, models: Sequence[str], /) -> Grants:
        """Take from others the right to read the side. Returns what they are to have on its marts instead."""

    def point_marts(
        self, control: sa.Connection, side: str, models: Sequence[str], milliseconds: int, grants: Grants, /
    ) -> None:
        """Make the side what readers of the marts have, all models at once, waiting at most so long for readers.

        What readers have gets these grants, if it lacks them.
        """

    def misplaced_marts(self, control: sa.Connection, side: str, models: Collection[str], /) -> list[str]:
        """What is wrong with what readers have, one sentence each, where this side is live."""

    def missing_marts(self, control: sa.Connection, side: str, models: Collection[str], /) -> list[str]:
        """Which of the models the side does not have."""


class SeparateEngine(RowEngine, Protocol):
    """An engine whose commits are not the ledger's. All that a load leaves before its verdict is under its number, so
    that it can be written twice and dropped later; only `publish` shows readers anything, in one commit.
    """

    def is_published(self, control: sa.Connection, contract: Contract, batch: Batch, /) -> bool:
        """Whether readers have the load: asked where a run stopped in the middle of a publish. Raises ToolError."""

    def clean(self, control: sa.Engine, contract: Contract, kept: Mapping[int, str], /) -> None:
        """Drop what other loads of the dataset have left. Raises ToolError.

        Args:
            kept: by number, the status of each load that is started, held or published.
        """
