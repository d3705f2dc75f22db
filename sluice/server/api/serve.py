"""Serve Prefect's API: the program of a temporary server, which is started by its path. Imports nothing of Sluice.

A new database is made by a process that ends afterwards, which keeps 30 MB out of the server (Prefect 3.9, measured).
"""

from __future__ import annotations

import asyncio
import os
import sys


def main(app: str, port: str) -> None:
    """Serve what makes the API (module:function) at a port of 127.0.0.1 until a signal comes."""
    import prefect.server.api.server  # noqa: F401 - before the fork, so that it is imported once
    import uvicorn
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL as DATABASE
    from prefect.settings import PREFECT_API_DATABASE_MIGRATE_ON_START as MIGRATE
    from prefect.settings import temporary_settings

    here = MIGRATE.value()
    if here and ":memory:" not in str(DATABASE.value()):
        here = not _made()  # if that fails, the server tries again, and says why
    with temporary_settings({MIGRATE: here}):
        uvicorn.run(app, factory=True, host="127.0.0.1", port=int(port), log_level="error", lifespan="on")


def _made() -> bool:
    """Make or update Prefect's database in a copy of this process; whether it succeeded."""
    if (child := os.fork()) != 0:
        return os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        from prefect.server.database import provide_database_interface

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        asyncio.run(provide_database_interface().create_db())
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
