"""Judge the rows of batches that were loaded before by a contract as it was and as it is. Keeps nothing.

Staging has the accepted rows of a load, quarantine the rejected ones: together, every row of its file. Both are copied
into temporary tables of one transaction, audited there as a load is, and rolled back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from sluice.contract.checks.compile import Check, checks_of, columns_read
from sluice.contract.checks.report import report_of
from sluice.contract.contract import Contract
from sluice.contract.derive.tables import holds
from sluice.contract.errors import ToolError
from sluice.contract.gate import decide
from sluice.ledger import loads
from sluice.review.verdicts import BatchVerdict, Judged, counts, judged
from sluice.staging.reload import Quarantined
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.warehouse import Warehouse


class NotJudged(Exception):
    """The rows of a load are not all there; says why."""


def last_loads(connection: sa.Connection, dataset_id: str, count: int) -> list[sa.Row]:
    """The newest load that has rows of each of the last batches, the last batch first."""
    each = loads.newest(dataset_id, ("published", "held")).subquery()
    return list(connection.execute(sa.select(each).order_by(each.c.batch.collate("C").desc()).limit(count)))


def judge(warehouse: Warehouse, old: Contract, new: Contract, load: sa.Row) -> BatchVerdict:
    """One batch by both contracts.

    Raises:
        ToolError: the database failed.
    """
    personal = {column.name for each in (old, new) for column in each.columns if column.pii}
    try:
        was, now = (_by(warehouse, each, load, personal) for each in (old, new))
    except NotJudged as why:
        return BatchVerdict(load.batch, load.load_id, load.status, load.rows_read or 0, not_judged=(str(why),))
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"{new} {load.batch}: its rows could not be judged again: {first_line(error)}. Nothing was changed."
        ) from None
    return BatchVerdict(load.batch, load.load_id, load.status, load.rows_read, was, now, counts(was, now), now.unknown)


def _by(warehouse: Warehouse, contract: Contract, load: sa.Row, personal: Collection[str]) -> Judged:
    batch, published = Batch(load.dataset, load.batch, load.load_id, load.rows_read), load.status == "published"
    if load.rows_dropped_at is not None:
        raise NotJudged(f"its rejected rows were dropped on {load.rows_dropped_at:%Y-%m-%d}, as the contract says")
    with warehouse.engine.connect() as reading, warehouse.engine.connect() as opened:
        connection = opened.execution_options(postgresql_readonly=False)
        known = loads.known(connection, contract, batch)
        types = warehouse.data.types_of_accepted(connection, contract, batch, published=published)
        missing = dict(_missing(contract, types))
        checks, left_out = _able(checks_of(contract, load.batch), missing)
        columns = [column.name for column in contract.columns if column.name not in missing]
        rejected = Quarantined(warehouse, reading, contract, load.load_id)
        found = warehouse.data.audit_again(connection, contract, batch, checks, rejected, columns, published=published)
        connection.rollback()
    if found.rows != load.rows_read:
        raise NotJudged(f"load {load.load_id} read {load.rows_read:,} rows, of which {found.rows:,} are left")
    report = report_of(
        contract, checks, found.canary, found.rows, found.rejected, found.failing, found.errors, found.samples
    )
    unknown = (*missing.values(), *(f"check {name!r} looks at such a column" for name in left_out))
    return judged(report, decide(contract.gate, report, known), personal, left_out, unknown)


def _missing(contract: Contract, types: Mapping[str, TypeEngine]) -> Iterator[tuple[str, str]]:
    """The columns whose values the loaded rows do not have, and why."""
    for column in contract.columns:
        there = types.get(column.name)
        if there is None:
            yield column.name, f"column {column.name} is not in the rows that were loaded"
        elif _spelt(there) != _spelt(column.type.sql) and not holds(column.type.sql, there):
            yield column.name, f"column {column.name} was loaded as {_spelt(there)}; only a file shows its values"


def _spelt(kind: TypeEngine) -> str:
    return str(kind.compile(postgresql.dialect())).lower()


def _able(checks: Collection[Check], missing: Collection[str]) -> tuple[list[Check], list[str]]:
    """The checks that can be run without those columns, and the names of the others."""

    def is_able(check: Check) -> bool:
        unknown = check.kind == "pandas" and not check.columns  # what a function looks at is not known
        return not missing or not (unknown or columns_read(check) & {*missing})

    return [check for check in checks if is_able(check)], [check.name for check in checks if not is_able(check)]
