"""A uniqueness check as a query: one scan of the batch, grouped by the key. Pure: builds SQL, runs nothing."""

from __future__ import annotations

import sqlalchemy as sa

from sluice.contract.checks.compile import ROW_NUMBER, Check, is_unparsed


def duplicates(check: Check, table: sa.FromClause) -> sa.Select:
    """Row numbers of the rows that fail. Nulls are equal to each other, as pandas has it; cells that did not parse
    are equal to none.

    Args:
        table: has `_row_number`, `_unparsed`, and the columns of the check.
    """
    columns = [table.c[name] for name in check.columns]
    number = table.c[ROW_NUMBER.name]
    if check.keep:
        order = number.desc() if check.keep == "last" else number
        place = sa.func.row_number().over(partition_by=columns, order_by=order)
    else:
        place = sa.func.count().over(partition_by=columns)
    read = sa.and_(*(sa.not_(is_unparsed(name)) for name in check.columns))
    placed = sa.select(number, place.label("place")).select_from(table).where(read).subquery("placed")
    return sa.select(placed.c[ROW_NUMBER.name]).where(placed.c.place > 1)
