"""contract -> the SQL of its table in `staging`, with comments, to be read or diffed. Pure: Sluice runs it itself."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, SetColumnComment, SetTableComment

from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.derive.tables import parent_table

HEADER = "-- Generated from contracts/ by `sluice derive`; do not edit.\n"


def ddl_sql(contract: Contract, schemas: Schemas = DEFAULT) -> str:
    """CREATE TABLE and a COMMENT for the table and each column."""
    table = parent_table(contract).to_metadata(sa.MetaData(), schema=schemas.staging)
    steps: list[ExecutableDDLElement] = [
        CreateTable(table),
        *([SetTableComment(table)] if table.comment else []),
        *(SetColumnComment(column) for column in table.columns if column.comment),
    ]
    texts = (str(step.compile(dialect=postgresql.dialect())).strip().replace("\t", "    ") for step in steps)
    lines = (line.rstrip() for text in texts for line in f"{text};".splitlines())
    return HEADER + "\n".join(lines) + "\n"
