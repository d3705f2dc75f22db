"""The published table of a dataset: SQL types, comments, system columns."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from sluice.contract.columns import Column
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING

INTEGER_DIGITS = 19  # of the largest bigint


def comment(column: Column) -> str:
    """A column's description, with its unit."""
    return column.description + (f" Unit: {column.unit}." if column.unit else "")


@lru_cache(16)  # asked for by each load; SQLAlchemy keeps the SQL of what is asked of the same object
def parent_table(contract: Contract) -> sa.Table:
    """What readers of `staging` read: every published batch, in a separate partition or in one that batches share."""
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


def holds(new: TypeEngine, old: TypeEngine) -> bool:
    """Whether a type holds every value of another exactly."""
    if not isinstance(new, sa.Numeric) or isinstance(new, sa.Float) or new.precision is None:
        return False
    whole = new.precision - (new.scale or 0)
    if isinstance(old, sa.BigInteger):
        return whole >= INTEGER_DIGITS
    if not isinstance(old, sa.Numeric) or isinstance(old, sa.Float) or old.precision is None:
        return False
    return whole >= old.precision - (old.scale or 0) and (new.scale or 0) >= (old.scale or 0)
