"""The published table of a dataset: SQL types, comments, system columns."""

from __future__ import annotations

import sqlalchemy as sa

from sluice.contract.columns import Column
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING


def comment(column: Column) -> str:
    """A column's description, with its unit."""
    return column.description + (f" Unit: {column.unit}." if column.unit else "")


def parent_table(contract: Contract) -> sa.Table:
    """What readers of `staging` read: every published batch, in a partition of its own or in one that batches share."""
    return sa.Table(
        contract.dataset_id,
        sa.MetaData(),
        *_data_columns(contract),
        sa.Column("_row_number", sa.BigInteger(), nullable=False, comment="Row in the source, from 1."),
        *system_columns(),
        schema=STAGING,
        comment=contract.description or None,
        postgresql_partition_by="LIST (_batch)",
    )


def system_columns() -> tuple[sa.Column, ...]:
    """Columns that are constant for a load; they cost nothing to store (fast defaults)."""
    return (
        sa.Column("_dataset", sa.Text(), nullable=False, comment="Dataset the row belongs to."),
        sa.Column("_batch", sa.Text(), nullable=False, comment="Batch that delivered the row."),
        sa.Column("_load_id", sa.BigInteger(), nullable=False, comment="Load of the batch, see ops.batches."),
        sa.Column("_loaded_at", sa.DateTime(timezone=True), nullable=False, comment="When it was loaded (UTC)."),
    )


def _data_columns(contract: Contract) -> list[sa.Column]:
    return [sa.Column(c.name, c.type.sql, comment=comment(c)) for c in contract.columns]
