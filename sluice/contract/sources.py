"""Where rows come from if not from files: a function of the project, a table that another tool fills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sluice.contract.batches import Batches, Single
from sluice.contract.contract import Files
from sluice.contract.errors import ContractError

MOST_ROWS = 50_000_000  # of one batch: far above what a function is asked for, and an end of one that has none
TABLE = "table"  # what stands before :// in the address of a batch of a table
ROWS = "rows"  # what stands before :// in the address of such a delivery


def _none(batch: str) -> None: ...


@dataclass(frozen=True, slots=True, init=False)
class Rows(Files):
    """Deliveries that a function of the project gives: an API, a database cursor, a resource of dlt.

    Attributes:
        read: is called with a batch's name, and returns or yields its rows: Arrow tables or record batches, frames of
            pandas, or dicts. None means that the batch is not there yet.
        version: is called with a batch's name and names the version of its rows; while it is the same, `read` is not
            called. Without it, or if it returns None, `read` is called for each batch that a run looks at, and its rows
            are compared.
        max_rows: of one batch; a function that gives more has no end, and the load fails.
    """

    read: Callable[[str], Any] = _none
    version: Callable[[str], str | None] | None = None
    max_rows: int = MOST_ROWS

    def __init__(
        self,
        read: Callable[[str], Any],
        batches: Batches,
        *,
        version: Callable[[str], str | None] | None = None,
        max_rows: int = MOST_ROWS,
        url: str = f"{ROWS}://{{dataset}}/{{batch}}",  # as `dataclasses.replace` calls it
        **options: Any,
    ) -> None:
        """`options` are those of `Files` that say how a cell is read, such as `null_values`.

        Raises:
            ContractError: `read` or `version` is not a function, or an option is wrong.
        """
        for name, value in {"read": read, "version": version}.items():
            if not (callable(value) or (name == "version" and value is None)):
                raise ContractError(f"{name} is a function that takes the name of a batch, not {value!r}")
        if not isinstance(max_rows, int) or max_rows < 1:
            raise ContractError(f"max_rows is a number of rows from 1, not {max_rows!r}")
        Files.__init__(self, url, batches, **options)
        given: dict[str, Any] = {"read": read, "version": version, "max_rows": max_rows}
        for name, value in given.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, init=False)
class Table(Files):
    """A table, or a view, of the same database that another tool fills. It is read only, and SELECT is right enough.

    Attributes:
        table: as `schema.name`.
        batch: SQL over a row that gives the name of its batch, such as `to_char(ordered_at, 'YYYY-MM')`; none where the
            whole table is one batch.
        key: the columns that number the rows of a batch, in order.
        complete: SQL over a row that is true once its loader has finished; a batch with a row for which it is not is
            not read yet.
        load_id: the column in which the loader numbers its loads: a batch is new when other numbers, or another
            number of rows, are in it. Without it, all values of all rows are compared.
    """

    table: str = ""
    batch: str | None = None
    key: tuple[str, ...] = ()
    complete: str | None = None
    load_id: str | None = None

    def __init__(
        self,
        table: str,
        batches: Batches | None = None,
        *,
        key: str | tuple[str, ...],
        batch: str | None = None,
        complete: str | None = None,
        load_id: str | None = None,
        url: str = f"{TABLE}://{{dataset}}/{{batch}}",  # as `dataclasses.replace` calls it
        **options: Any,
    ) -> None:
        """`options` are `ignore`, the columns that are not loaded, and `max_field_bytes`.

        Raises:
            ContractError: the table is not named with its schema, there is no key, or several batches have no `batch`.
        """
        keys = (key,) if isinstance(key, str) else tuple(key)
        if len([part for part in str(table).split(".") if part]) != 2 or str(table).count(".") != 1:
            raise ContractError(f"{table!r}: name the table with its schema, as in raw.orders")
        if not keys or not all(isinstance(each, str) and each for each in keys):
            raise ContractError(f"{table}: key names the columns that number its rows, as in key='order_id'")
        batches = Single() if batches is None else batches
        if isinstance(batches, Single) != (batch is None):
            raise ContractError(f"{table}: batch=, SQL that gives each row's batch, goes with batches=Monthly(...)")
        Files.__init__(self, url, batches, **options)
        given = {"table": table, "batch": batch, "key": keys, "complete": complete, "load_id": load_id}
        for name, value in given.items():
            object.__setattr__(self, name, value)
