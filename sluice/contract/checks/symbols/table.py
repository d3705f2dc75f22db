"""The symbolic table that a dataframe check is called with. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import sqlalchemy as sa

from sluice.contract.checks.symbols.literals import SQL_TYPES, Untraceable
from sluice.contract.checks.symbols.symbol import Symbol
from sluice.contract.columns import Column


def symbol_of(column: Column) -> Symbol:
    """The symbol of a contract's column."""
    kind = "decimal" if column.type.name.startswith("decimal") else column.type.name
    return Symbol(sa.column(column.name, SQL_TYPES[kind]), kind)


class SymbolicTable:
    """Stands for the frame that a dataframe check is given: `table["fare"]` or `table.fare`."""

    __class__ = property(lambda _: pd.DataFrame)  # the answer to isinstance()

    def __init__(self, columns: Iterable[Column]) -> None:
        self._symbols = {column.name: symbol_of(column) for column in columns}

    def __getitem__(self, name: object) -> Symbol:
        if isinstance(name, Symbol):
            raise Untraceable("selects rows")
        if not isinstance(name, str) or name not in self._symbols:
            raise Untraceable(f"selects {name!r}")
        return self._symbols[name]

    def __getattr__(self, name: str) -> Symbol:
        if hasattr(pd.DataFrame, name):  # then it is not a column there: `table.size`
            raise Untraceable(f".{name} of the table")
        return self[name]
