"""Spark with Iceberg as the engine that holds the rows of datasets: what is asked of it, and where it is done.

What it commits is not part of the ledger's transaction. So all that a load leaves before its verdict is under its
number, and is written again by a second try; `publish` is one commit, of which `is_published` finds out.
"""

# ruff: noqa: ARG002 - the arguments are the seam's
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import dangling_by_batch
from sluice.contract.columns import Reference
from sluice.contract.contract import Contract
from sluice.contract.gate import CheckResult
from sluice.warehouse.batch import Batch, schemas_of
from sluice.warehouse.engine import Audited, Progress, RejectedRow, TypedRows
from sluice.warehouse.spark import landing
from sluice.warehouse.spark.audit import audit
from sluice.warehouse.spark.dialect import spark_sql
from sluice.warehouse.spark.lake import Lake
from sluice.warehouse.spark.rows import branches, past_loads, quarantine, tables
from sluice.warehouse.spark.rows.tables import Tables
from sluice.warehouse.spark.session import asked, removed, session_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The ledger's transaction is idle while Spark works. A process that stops meanwhile is found by its successor.
PATIENT = sa.text("SET LOCAL idle_in_transaction_session_timeout = '12h'")


class Spark:
    """Rows in Iceberg tables of a lake."""

    commits_with_ledger = False

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    @cached_property
    def session(self) -> SparkSession:
        """The session, made at the first need.

        Raises:
            ToolError: Spark does not start, or its catalogue does not answer.
        """
        with asked(f"the lake {self.lake.warehouse} cannot be opened with Spark at {self.lake.master}"):
            return session_of(self.lake)

    def _tables(self, control: Any, contract: Contract) -> Tables:
        return Tables(self.session, self.lake, contract, schemas_of(control))

    # The tables of a dataset

    def make_tables(self, control: sa.Engine, contract: Contract) -> None:
        """Make them where they are missing, and change them as far as that loses no value."""
        with asked(f"{contract}: its tables could not be made"):
            tables.make(self._tables(control, contract))

    def verify_tables(self, control: sa.Engine, contract: Contract) -> None:
        """Nothing, if they are as the contract says."""
        with asked(f"{contract}: its tables cannot be looked at"):
            tables.verify(self._tables(control, contract))

    def analyze(self, control: sa.Engine) -> None:
        """Nothing: Iceberg counts while it writes."""

    # The rows of a batch, before there is a verdict

    def start(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Remove what a former try of the load left."""
        self.drop(control, contract, batch)

    def bring_in(
        self,
        control: sa.Connection,
        contract: Contract,
        batch: Batch,
        rows: TypedRows,
        progress: Progress | None = None,
    ) -> None:
        """Land the rows as a file of Parquet."""
        control.execute(PATIENT)
        load = self._tables(control, contract).load(batch.batch, batch.load_id)
        with asked(f"{batch}: its rows could not be landed"):
            landing.land(rows, f"{load.landed}/{past_loads.FILE}", progress)

    def add_accepted(
        self, control: sa.Connection, contract: Contract, batch: Batch, of: Batch, *, published: bool
    ) -> int:
        """Land the accepted rows of another load of the batch beside those that are landed. Returns how many."""
        control.execute(PATIENT)
        there = self._tables(control, contract)
        with asked(f"{batch}: the rows of load {of.load_id} could not be landed again"):
            rows = past_loads.accepted(there, of, published)
            return past_loads.add(there.load(batch.batch, batch.load_id), rows, rows.columns)

    def drop(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Drop the landed rows, what an audit found in them, and the load's branch."""
        there = self._tables(control, contract)
        load = there.load(batch.batch, batch.load_id)
        with asked(f"{batch}: what is left of load {batch.load_id} could not be dropped"):
            removed(load.landed)
            removed(load.findings)
            branches.unstage(there, batch)

    # The rows of a held batch: each load has its own branch, so that none has to make way for another

    def fit_held(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Nothing, if they are there: a branch has the columns of its table."""
        with asked(f"{batch}: the rows of the held load cannot be looked at"):
            branches.held_rows(self._tables(control, contract), batch)

    def held_batch(self, control: sa.Connection, contract: Contract, batch: Batch) -> str | None:
        """The batch itself: nothing of a load has the name of its batch."""
        return batch.batch

    def set_aside(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Nothing."""

    def put_back(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Nothing."""

    def drop_set_aside(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Nothing: `clean` drops a load that was replaced, once the ledger says so."""

    # The audit and the verdict

    def audit(self, control: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]) -> Audited:
        """Run every check over the landed rows, and keep which rows fail until the verdict."""
        control.execute(PATIENT)
        there = self._tables(control, contract)
        with asked(f"{batch}: the audit could not be run"):
            branches.unstage(there, batch)  # of an audit before, which this one replaces
            return audit(there.load(batch.batch, batch.load_id), checks)

    def try_canary(
        self, control: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]
    ) -> tuple[CheckResult, Mapping[str, str]]:
        """Audit rows that must be rejected, in a folder that is removed in the end."""
        load = self._tables(control, contract).load(batch.batch, f"canary_{uuid4().hex}")
        with asked(f"{contract}: the canary rows could not be audited"):
            try:
                past_loads.land(load, past_loads.NoRows(contract))
                found = audit(load, checks)
            finally:
                removed(load.landed)
                removed(load.findings)
        return found.canary, found.errors

    def types_of_accepted(
        self, control: sa.Connection, contract: Contract, batch: Batch, *, published: bool
    ) -> Mapping[str, TypeEngine]:
        """The columns of the accepted rows of a load, with their types. Empty if they are gone."""
        there = self._tables(control, contract)
        with asked(f"{batch}: the rows of load {batch.load_id} cannot be looked at"):
            if not published and not branches.is_staged(there, batch):
                return {}
            return tables.sql_types(contract, tables.columns_of(there, there.published))

    def audit_again(
        self,
        control: sa.Connection,
        contract: Contract,
        batch: Batch,
        checks: Sequence[Check],
        rejected: TypedRows,
        columns: Sequence[str],
        *,
        published: bool,
    ) -> Audited:
        """Run these checks over all rows of a load, accepted and rejected."""
        with asked(f"{batch}: its rows could not be judged again"):
            return past_loads.audit_again(self._tables(control, contract), batch, checks, rejected, columns, published)

    def reject(self, control: sa.Connection, contract: Contract, batch: Batch) -> int:
        """Write the rejected rows to quarantine and the accepted ones to the load's branch, unless that is done."""
        control.execute(PATIENT)
        there = self._tables(control, contract)
        with asked(f"{batch}: its rows could not be written to the lake"):
            if branches.is_staged(there, batch):  # it is written last
                return quarantine.count(there, batch)
            rejected = quarantine.write(there, batch)
            branches.stage(there, batch)
            return rejected

    def rejected_rows(
        self, control: sa.Connection, contract: Contract, load_id: int, size: int
    ) -> Iterator[Sequence[RejectedRow]]:
        """The rejected rows of a load, in order, `size` at a time."""
        with asked(f"{contract}: the rejected rows of load {load_id} cannot be read"):
            yield from quarantine.rows(self._tables(control, contract), load_id, size)

    def drop_quarantined(self, control: sa.Connection, contract: Contract, loads: sa.Select) -> None:
        """Drop the rejected rows of these loads."""
        numbers = control.scalars(loads).all()
        with asked(f"{contract}: rejected rows could not be dropped"):
            quarantine.drop(self._tables(control, contract), numbers)

    def expire_quarantined(self, control: sa.Connection, contract: Contract, age: timedelta) -> dict[int, int]:
        """Drop rejected rows that are older. Returns how many of each load."""
        with asked(f"{contract}: rows past their retention could not be dropped"):
            return quarantine.expire(self._tables(control, contract), age)

    def dangling_keys(self, control: sa.Connection, contract: Contract, reference: Reference) -> dict[str, int]:
        """Published rows of each batch whose key is not published."""
        query = dangling_by_batch(contract.dataset_id, reference, schemas_of(control).staging)
        with asked(f"{contract}: rows whose {reference.label} is no longer published could not be counted"):
            return {row[0]: row[1] for row in self.session.sql(spark_sql(query)).collect()}

    def publish(self, control: sa.Connection, contract: Contract, batch: Batch) -> None:
        """Make the rows of the load's branch what readers have of the batch, in one commit."""
        control.execute(PATIENT)
        with asked(f"{batch}: publishing in the lake failed"):
            branches.publish(self._tables(control, contract), batch)

    def is_published(self, control: sa.Connection, contract: Contract, batch: Batch) -> bool:
        """Whether readers have the load's rows."""
        control.execute(PATIENT)
        with asked(f"{batch}: whether load {batch.load_id} was published cannot be found out"):
            return branches.is_published(self._tables(control, contract), batch)

    def clean(self, control: sa.Engine, contract: Contract, kept: Mapping[int, str]) -> None:
        """Drop what other loads have left: branches, landed files, rejected rows."""
        there = self._tables(control, contract)
        with asked(f"{contract}: what earlier loads left could not be dropped"):
            branches.drop_decided(there, kept)
            quarantine.drop_decided(there, kept)
            landing.drop_decided(self.lake.landing(contract.dataset_id), kept)
