"""What each session that dbt opens does first: it takes the right to write to its side, or may only read.

dbt's hooks come too late for that: it drops tables before the first hook and after the last, and tests run none. So
`install` puts itself before the one method by which dbt-postgres opens a session.

This file is also the program that runs dbt in a child process (sluice/marts/dbt/child.py), by any interpreter that has
dbt-postgres: it needs no Sluice, for the rest comes by path and by the environment.

    python side_sessions.py SESSION_RIGHT_FILE dbt's arguments ...
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
from typing import Any

BUILD = "SLUICE_DBT_BUILD"  # number of the build whose sessions may write to the side; without one they only read
RIGHT = "SLUICE_DBT_RIGHT"  # the statements by which they do, as JSON
# Exit codes beside dbt's own: this interpreter has no dbt whose sessions can be held; dbt refused the arguments
NO_DBT, USAGE = 78, 64

# Written against dbt-postgres 1.10 and 1.11: `open(cls, connection)` gives the connection with a `handle` of psycopg2.


def install(session_right: Any) -> None:
    """Let every session that dbt-postgres opens in this process ask first. Again and again changes nothing more.

    Args:
        session_right: the module sluice/ledger/session_right.py, loaded in any way.
    """
    import psycopg2
    from dbt.adapters.contracts.connection import ConnectionState
    from dbt.adapters.postgres import PostgresConnectionManager
    from dbt_common.exceptions import DbtDatabaseError

    original = PostgresConnectionManager.open
    if hasattr(original, "asks_first"):
        return

    def opened(_cls: type, connection: Any) -> Any:
        if connection.state == ConnectionState.OPEN:
            return connection
        connection = original(connection)
        try:
            _ask(session_right, connection)
        except (psycopg2.Error, session_right.Lost) as error:
            connection.handle.close()
            connection.handle, connection.state = None, ConnectionState.FAIL
            raise DbtDatabaseError(str(error).strip()) from error
        return connection

    opened.asks_first = True  # type: ignore[attr-defined]
    PostgresConnectionManager.open = classmethod(opened)  # type: ignore[method-assign,assignment]


def _ask(session_right: Any, connection: Any) -> None:
    right, build = json.loads(os.environ[RIGHT]), os.environ.get(BUILD)
    side = right["side"]
    if side not in right["locks"]:
        return
    if build:
        session_right.take(connection.handle, side, int(build), right)
    else:
        session_right.read_only(connection.handle, right)


def _end_with_parent() -> None:
    """Standard input is a pipe from the parent: when that ends, also by a kill -9, this process group ends too."""
    while os.read(0, 1):  # not by sys.stdin, whose lock the interpreter wants when it ends
        pass
    os.killpg(0, signal.SIGKILL)


def main(path: str, *arguments: str) -> None:
    """Run dbt with these arguments, its sessions held."""
    sys.path[0:1] = []  # this file's folder holds no module of dbt's
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        spec = importlib.util.spec_from_file_location("session_right", path)
        session_right = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(session_right)  # type: ignore[union-attr]
        install(session_right)
        import click
        from dbt.cli.main import cli
    except (ImportError, AttributeError) as error:
        sys.stderr.write(f"{sys.executable}: {error}\n")
        sys.exit(NO_DBT)
    try:
        cli.main(list(arguments), "dbt", standalone_mode=False)
    except click.UsageError as error:
        sys.stderr.write(error.format_message())
        sys.exit(USAGE)
    except click.ClickException as error:  # dbt's own, which bring their exit code
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
