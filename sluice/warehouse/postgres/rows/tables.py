"""The working tables of a dataset: incoming, findings, quarantine, their names."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import UserDefinedType

from sluice.contract.contract import LONGEST_BATCH, LONGEST_ID, Contract
from sluice.contract.derive.schemas import QUARANTINE, STAGING
from sluice.contract.derive.tables import _data_columns

Kind = Literal["", "incoming", "findings", "marked", "replayed"]  # what a table of a batch is for; "": its partition


class RowPlace(UserDefinedType):
    """PostgreSQL's `tid`: where a row lies in its table."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tid"


def table_name(dataset_id: str, batch: str, kind: Kind = "") -> str:
    """Name of a batch's partition, or of one of its tables while a load runs.

    A batch with a long name is named by a digest there: PostgreSQL would cut the name, and confuse it with others.
    """
    if len(dataset_id) + len(batch) > LONGEST_ID + LONGEST_BATCH:
        batch = f"h{sha256(batch.encode()).hexdigest()[: LONGEST_BATCH - 1]}"
    return f"{dataset_id}__{kind}{'_' if kind else ''}{batch.replace('-', '_')}"


# Partitions that the batches of a dataset share where there may be thousands of them: few enough for a scan of all, and
# for a server that holds a lock on each; many enough for parallel workers and for vacuum
BUCKETS = 16


def bucket_names(dataset_id: str) -> tuple[str, list[str]]:
    """Names of the partition that takes every batch without one to itself, and of the partitions below it."""
    return f"{dataset_id}__buckets", [f"{dataset_id}__bucket_{number:02}" for number in range(BUCKETS)]


# Tables in memory, of each kind: the steps of a load name theirs a dozen times, and SQLAlchemy keeps the SQL of what is
# asked of the same object
TABLES = 16


@lru_cache(TABLES)
def incoming_table(contract: Contract, batch: str) -> sa.Table:
    """The typed table that a load fills: the contract's columns, the row's number, the text of unparsed cells."""
    columns = _data_columns(contract)
    for column in columns:
        column.comment = None  # readers see the parent's; here each would be one more statement
    return sa.Table(
        table_name(contract.dataset_id, batch, "incoming"),
        sa.MetaData(),
        *columns,
        sa.Column("_row_number", sa.BigInteger(), nullable=False),
        # Known of every row while it is written, so that becoming a partition needs no scan to prove it.
        sa.Column("_batch", sa.Text(), nullable=False, server_default=batch),
        sa.Column("_unparsed", sa.Text()),
        sa.CheckConstraint(sa.column("_batch") == batch),
        sa.Column("ctid", RowPlace(), system=True),  # PostgreSQL's own
        schema=STAGING,
    )


@lru_cache(TABLES)
def findings_table(contract: Contract, batch: str) -> sa.Table:
    """What an audit found in the incoming table: each row that fails a check, once. Lives until the batch's end."""
    return sa.Table(
        table_name(contract.dataset_id, batch, "findings"),
        sa.MetaData(),
        sa.Column("_place", RowPlace(), nullable=False),
        sa.Column("_row_number", sa.BigInteger(), nullable=False),
        sa.Column("_rejected", sa.Boolean(), nullable=False),  # False: it only fails checks of severity warn
        sa.Column("_reasons", ARRAY(sa.Text()), nullable=False),
        schema=STAGING,
    )


@lru_cache(TABLES)
def marked_table(contract: Contract, batch: str, temporary: bool = False) -> sa.Table:
    """Rows that fail a check which is not a condition on one row; written and read by one audit, in its transaction."""
    return sa.Table(
        table_name(contract.dataset_id, batch, "marked"),
        sa.MetaData(),
        sa.Column("_row_number", sa.BigInteger(), nullable=False),
        sa.Column("check_name", sa.Text(), nullable=False),
        prefixes=["TEMPORARY" if temporary else "UNLOGGED"],
        schema=STAGING,
    )


@lru_cache(TABLES)
def quarantine_table(contract: Contract) -> sa.Table:
    """Every rejected row, once, with every check it failed."""
    return sa.Table(
        contract.dataset_id,
        sa.MetaData(),
        sa.Column("_batch", sa.Text(), nullable=False),
        sa.Column("_row_number", sa.BigInteger(), nullable=False, comment="Row in the source, from 1."),
        sa.Column("_reasons", ARRAY(sa.Text()), nullable=False, comment="Every check the row failed."),
        sa.Column(
            "_row",
            JSONB(),
            nullable=False,
            comment="The row: typed values, and the source's text where a cell did not parse.",
        ),
        sa.Column("_contract_version", sa.Text(), nullable=False),
        sa.Column("_load_id", sa.BigInteger(), nullable=False),
        sa.Column("_status", sa.Text(), nullable=False, server_default="quarantined"),
        sa.Column("_quarantined_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("_load_id", "_row_number"),
        schema=QUARANTINE,
        comment=f"Rejected rows of {contract.dataset_id}.",
    )
