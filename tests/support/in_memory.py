"""The files of the tests' databases in memory, where there is room: to make 900 files is most of a new one's time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from sluice.warehouse.embedded import root_user

MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30  # bytes; a container has 64 MB of it unless it asks for more


@contextmanager
def folder_in_memory() -> Iterator[Path | None]:
    """A folder that a server may write to, and that is to outlive it; None where there is no room."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="sluice-tests-", dir=MEMORY))
    try:
        if os.geteuid() == 0:  # as whom a server of root's runs
            user = root_user.system_user()
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def keep_databases(server: URL, folder: Path | None) -> None:
    """Let each database that is made on a server from now on lie in a folder.

    Args:
        server: where a superuser of it connects.
    """
    if folder is None:
        return
    connection = psycopg2.connect(server.set(drivername="postgresql").render_as_string(hide_password=False))
    connection.autocommit = True  # neither can be done in a transaction
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLESPACE memory LOCATION '{folder}'")
        cursor.execute("ALTER DATABASE template1 SET TABLESPACE memory")  # which new databases are copied from
    connection.close()
