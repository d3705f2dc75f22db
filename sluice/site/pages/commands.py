"""The commands the site shows, ready to be pasted into a shell. Pure."""

from __future__ import annotations

import shlex

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import DEFAULT, Schemas

ROWS = 20  # rows a pasted query shows: a screen


def quarantined_rows(contract: Contract, load_id: int, reason: str, schemas: Schemas = DEFAULT) -> str:
    """`sluice sql` for the rows that one load left in quarantine for one reason."""
    # Columns without the table's name, which would fill the line.
    number: sa.ColumnElement[int] = sa.column("_row_number")
    row: sa.ColumnElement[object] = sa.column("_row")
    reasons = sa.column("_reasons", postgresql.ARRAY(sa.Text()))
    personal = sorted(column.name for column in contract.columns if column.pii)
    shown = row.op("-")(postgresql.array(personal)).label("_row") if personal else row
    query = (
        sa.select(number, shown)
        .select_from(sa.table(contract.dataset_id, schema=schemas.quarantine))
        .where(sa.column("_load_id") == load_id, sa.literal(reason) == sa.any_(reasons))
        .order_by(number)
        .limit(ROWS)
    )
    text = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    return (
        f"sluice sql {in_shell(' '.join(text.split()).replace('%%', '%'))} --as-owner"  # a reader sees the marts only
    )


def quarantine_show(dataset: str, batch: str) -> str:
    """Every reason of one batch, with sample rows."""
    return f"sluice quarantine show {shlex.quote(dataset)} {shlex.quote(batch)}"


def in_shell(text: str) -> str:
    """One argument of a shell: in double quotes, which SQL's own quotes do not disturb, where that is possible."""
    if "!" in text or "\n" in text:  # an interactive shell replaces ! within double quotes, too
        return shlex.quote(text)
    for special in '\\"$`':
        text = text.replace(special, "\\" + special)
    return f'"{text}"'
