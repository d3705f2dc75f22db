"""The accepted rows of a held load while a replay of it is at work: kept aside until that has its verdict.

A replay that is cut off thus takes nothing away: the load is still held, and its rows are put back.
"""

from __future__ import annotations

import sqlalchemy as sa
from psycopg2 import sql

from contracts.contract import Contract
from contracts.derive.ddl import STAGING, findings_table, incoming_table, table_name
from flows.warehouse import execute


def put(connection: sa.Connection, contract: Contract, batch: str) -> str:
    """Set the held rows aside. Gives the name of their table."""
    name = _name(contract, batch)
    _rename(connection, incoming_table(contract, batch).name, name)
    return name


def put_back(connection: sa.Connection, contract: Contract, batch: str) -> None:
    """Give the held rows their place again, if a replay that never came to a verdict has taken it."""
    if sa.inspect(connection).has_table(_name(contract, batch), schema=STAGING):
        incoming_table(contract, batch).drop(connection, checkfirst=True)
        findings_table(contract, batch).drop(connection, checkfirst=True)
        _rename(connection, _name(contract, batch), incoming_table(contract, batch).name)


def drop(connection: sa.Connection, contract: Contract, batch: str) -> None:
    """Drop them: other rows of the batch have come in their place."""
    name = sql.Identifier(STAGING, _name(contract, batch))
    execute(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(name))


def _name(contract: Contract, batch: str) -> str:
    return table_name(contract.dataset_id, batch, "replayed")


def _rename(connection: sa.Connection, old: str, new: str) -> None:
    statement = sql.SQL("ALTER TABLE {} RENAME TO {}")
    execute(connection, statement.format(sql.Identifier(STAGING, old), sql.Identifier(new)))
