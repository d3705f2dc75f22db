"""The accepted rows of a load: on a branch of the table until there is a verdict, or while it is held; then published.

A branch has one commit, which replaces the batch. To publish is to pick that commit into `main`, in one commit there:
readers see the batch as it was or as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluice.contract.errors import DataError
from sluice.warehouse.batch import Batch
from sluice.warehouse.spark.rows.tables import LOAD, Tables, spark_text, wanted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PREFIX = "load_"
KEEP = ("started", "held")  # statuses of loads whose branch may still be asked for


def stage(tables: Tables, batch: Batch) -> None:
    """Write the accepted rows of an audited load to its branch, in the place of what a former try left there."""
    load = tables.load(batch.batch, batch.load_id)
    rejected = load.session.read.parquet(load.findings).where("_rejected").select("_row_number")
    accepted = load.session.read.parquet(load.landed).join(rejected, "_row_number", "left_anti")
    constants = {
        "_dataset": spark_text(batch.dataset_id),
        "_batch": spark_text(batch.batch),
        "_load_id": f"{batch.load_id}L",
        "_loaded_at": "current_timestamp()",
    }
    columns = [f"{constants.get(name, f'`{name}`')} AS `{name}`" for name in wanted(tables.contract)]
    tables.session.sql(f"ALTER TABLE {tables.published} CREATE OR REPLACE BRANCH `{_name(batch)}`")
    rows = accepted.selectExpr(*columns).writeTo(_branch(tables, batch))
    rows.option(f"snapshot-property.{LOAD}", str(batch.load_id)).overwritePartitions()
    if not is_staged(tables, batch):  # Iceberg writes no commit where there is no row
        table = tables.iceberg(tables.published)
        table.newFastAppend().set(LOAD, str(batch.load_id)).toBranch(_name(batch)).commit()


def is_staged(tables: Tables, batch: Batch) -> bool:
    """Whether the branch has all accepted rows of the load."""
    return _is_of(_head(tables, batch), batch)


def unstage(tables: Tables, batch: Batch) -> None:
    """Drop the branch, if it is there."""
    tables.session.sql(f"ALTER TABLE {tables.published} DROP BRANCH IF EXISTS `{_name(batch)}`")


def publish(tables: Tables, batch: Batch) -> None:
    """Make the rows of the branch what readers have of the batch, unless they are already.

    Raises:
        DataError: the branch is gone.
    """
    if is_published(tables, batch):
        return
    table, head = tables.iceberg(tables.published), _held(tables, batch)
    if head.operation() == "overwrite":
        table.manageSnapshots().cherrypick(head.snapshotId()).commit()
        return
    # Of a load without accepted rows, there is no commit that replaces the batch's former rows.
    same = tables.session._jvm.org.apache.iceberg.expressions.Expressions.equal("_batch", batch.batch)
    table.newDelete().deleteFromRowFilter(same).set(LOAD, str(batch.load_id)).commit()


def is_published(tables: Tables, batch: Batch) -> bool:
    """Whether the load was published: readers have its rows, or its commit is among those that led to what they have.

    A picked commit is a new one, which names the one that it was picked from, unless it is the very same.
    """
    if published_rows(tables, batch.batch).where(f"_load_id = {batch.load_id}").take(1):
        return True
    snapshots, history = f"{tables.published}.snapshots", f"{tables.published}.history"
    found = tables.session.sql(
        f"SELECT 1 FROM {snapshots} s LEFT JOIN {snapshots} picked "  # noqa: S608 - names of our own
        "ON picked.snapshot_id = CAST(s.summary['source-snapshot-id'] AS BIGINT) "
        f"WHERE s.snapshot_id IN (SELECT snapshot_id FROM {history} WHERE is_current_ancestor) "
        f"AND coalesce(s.summary['{LOAD}'], picked.summary['{LOAD}']) = '{batch.load_id}'"
    )
    return bool(found.take(1))


def held_rows(tables: Tables, batch: Batch) -> DataFrame:
    """The accepted rows of a held load, with the table's columns of today.

    Raises:
        DataError: they are gone.
    """
    _held(tables, batch)
    return tables.session.table(_branch(tables, batch)).where(f"_load_id = {batch.load_id}")


def published_rows(tables: Tables, batch: str) -> DataFrame:
    """The rows that readers have of a batch."""
    return tables.session.table(tables.published).where(f"_batch = {spark_text(batch)}")


def drop_decided(tables: Tables, kept: Mapping[int, str]) -> None:
    """Drop the branches of loads that are neither in progress nor held.

    Args:
        kept: status of each load by its number.
    """
    for name in list(tables.iceberg(tables.published).refs()):
        number = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and number.isdigit() and kept.get(int(number)) not in KEEP:
            tables.session.sql(f"ALTER TABLE {tables.published} DROP BRANCH IF EXISTS `{name}`")


def _held(tables: Tables, batch: Batch) -> Any:
    head = _head(tables, batch)
    if not _is_of(head, batch):
        raise DataError(f"{batch}: the rows of load {batch.load_id} are gone from the lake; load its file again")
    return head


def _head(tables: Tables, batch: Batch) -> Any:
    return tables.iceberg(tables.published).snapshot(_name(batch))


def _is_of(head: Any, batch: Batch) -> bool:
    return head is not None and head.summary().get(LOAD) == str(batch.load_id)


def _name(batch: Batch) -> str:
    return f"{PREFIX}{batch.load_id}"


def _branch(tables: Tables, batch: Batch) -> str:
    return f"{tables.published}.`branch_{_name(batch)}`"
