"""A reader of two marts in a process of its own: reads without pause until SIGTERM, then tells what it saw, as JSON.

Called with a DSN, an isolation level, and the statements of one transaction, each giving a row of a count and versions.
"""

from __future__ import annotations

import json
import signal
import sys

import psycopg2


def main(dsn: str, level: str, prepare: str, *statements: str) -> None:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    seen, errors = {}, []
    # A publish that kept its locks would be an error of the reader's, and not a test that hangs
    connection = psycopg2.connect(dsn, options="-c lock_timeout=60s")
    connection.set_session(isolation_level=level)
    cursor = connection.cursor()
    if prepare:
        cursor.execute(prepare)
        connection.commit()
    print("ready", flush=True)  # noqa: T201
    while not stopped:
        rows = []
        try:
            for statement in statements:
                cursor.execute(statement)
                rows.append(cursor.fetchone())
            connection.commit()
        except psycopg2.Error as error:
            errors.append(str(error))
            connection.rollback()
        counts, versions = {row[0] for row in rows}, {version for row in rows for version in row[1:]}
        state = f"{sorted(counts)} rows, {len(versions)} versions"
        seen[state] = seen.get(state, 0) + 1
    json.dump({"states": seen, "errors": errors}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
