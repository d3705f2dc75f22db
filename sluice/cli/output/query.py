"""What `sluice sql` and `sluice connect` print: the rows of a query; the address of the warehouse."""

from __future__ import annotations

import csv
import itertools
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sluice.cli.output.tables import err, out, print_json, print_rows, text
from sluice.contract.errors import ConfigError, ToolError
from sluice.contract.formatting import counted
from sluice.warehouse import reach, reader
from sluice.warehouse.connection import BLOCK_VARIABLE, open_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.spark.connection import choice


def show(query: str, form: str, write: bool = False, as_owner: bool = False, full: bool = False) -> None:
    """The rows of a query. Read-only, unless a person writes on purpose: the statements that a message asks for."""
    columns, rows = _written(query) if write else reader.query(query, as_owner)
    names = _distinct(columns)
    if form == "json":
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")  # as psql does, so that shells can read it
        writer.writerows([names, *rows])
    elif write and not names:
        out.print("Done.")
    else:
        # A program that reads the output would take a value that was cut for the value
        print_rows(names, [[text(value) for value in row] for row in rows], full or not out.is_terminal)
        out.print(f"({counted(len(rows), 'row')})")


def _written(statements: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """As the user that runs use, committed; the rows of the last statement, if it gives any."""
    choice.need(Capability.SQL)
    try:
        with open_warehouse().engine.begin() as connection:
            result = connection.exec_driver_sql(statements.replace("%", "%%"))
            return (list(result.keys()), [list(row) for row in result]) if result.returns_rows else ([], [])
    except DATABASE_ERRORS as error:
        raise ToolError(f"the statement failed: {first_line(error)}. Nothing was changed") from None


def _distinct(names: Sequence[str]) -> list[str]:
    """Each column its own name: the second `count` is `count_2`."""
    known: list[str] = []
    for name in names:
        again = (f"{name}_{number}" for number in itertools.count(2))
        known.append(name if name not in known else next(new for new in again if new not in (*known, *names)))
    return known


def connect(form: str, port: int | None, show_password: bool, serve: bool) -> int:
    """Print the address that other programs take; what else there is to know of it goes to standard error."""
    if serve and os.environ.get(BLOCK_VARIABLE):
        raise ConfigError(f"--serve is for the embedded PostgreSQL; {BLOCK_VARIABLE} names another server")
    address = reach.find(port, show_password)
    if form == "json":
        print_json(address.as_fields())
    else:
        forms = {"url": address.as_url, "jdbc": address.as_jdbc, "env": address.as_environment}
        out.print(forms[form](), markup=False, highlight=False, soft_wrap=True)
    if address.restarted:
        _note(f"The embedded PostgreSQL was restarted, so that it listens on port {address.place['PGPORT']}.")
    if address.masked:
        _note("The password is not shown. To show it: sluice connect --show-password")
    if serve:
        _note("The embedded PostgreSQL runs until Ctrl-C.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    elif address.ours:
        _note("It answers while Sluice runs: sluice up, a run, or sluice connect --serve.")
    return 0


def _note(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)
