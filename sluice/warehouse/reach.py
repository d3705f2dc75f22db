"""Where other programs reach the warehouse, as a user that may only read, in the forms that they take."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from sqlalchemy import URL

from sluice.contract.errors import ConfigError
from sluice.contract.formatting import MASK
from sluice.project import paths
from sluice.warehouse import embedded, libpq
from sluice.warehouse.connection import BLOCK_VARIABLE, address_of, named
from sluice.warehouse.embedded.location import PORT, wheel_binaries
from sluice.warehouse.engine import Capability
from sluice.warehouse.reader import MAKE_READER, READER_VARIABLE
from sluice.warehouse.spark.connection import choice


@dataclass(frozen=True, slots=True)
class ReaderAddress:
    """Where a reader connects to. A password that is masked is None, though there is one.

    Attributes:
        ours: whether it is the embedded server, which runs only while a process of Sluice uses it.
        restarted: whether that was restarted just now, to listen on its port.
    """

    url: URL
    ours: bool
    restarted: bool = False
    masked: bool = False

    @property
    def place(self) -> dict[str, str]:
        """Host, port, user, password and database, as libpq's variables."""
        return libpq.place(self.url)

    def as_url(self) -> str:
        """`postgresql://...`, as libpq, psql and most tools take it."""
        shown = self.url.set(drivername="postgresql")
        return shown.render_as_string(hide_password=self.masked)

    def as_jdbc(self) -> str:
        """`jdbc:postgresql://...`, as DBeaver, Metabase and Java programs take it.

        Raises:
            ConfigError: the server listens on a Unix socket only.
        """
        place = self.place
        if place["PGHOST"].startswith("/"):
            raise ConfigError(f"the warehouse is reached by the socket in {place['PGHOST']}, which JDBC cannot use")
        rest = {key: libpq.first(value) for key, value in self.url.query.items() if key in libpq.OPTIONS}
        secret = {"password": MASK if self.masked else place["PGPASSWORD"]} if place["PGPASSWORD"] else {}
        facts = urlencode({"user": place["PGUSER"], **secret, **rest}, quote_via=quote, safe="*")
        host = f"[{place['PGHOST']}]" if ":" in place["PGHOST"] else place["PGHOST"]
        return f"jdbc:postgresql://{host}:{place['PGPORT']}/{quote(place['PGDATABASE'])}?{facts}"

    def as_environment(self) -> str:
        """Lines that a shell evaluates: libpq's own variables. A masked password is left out."""
        found = {**self.place, **libpq.options(self.url)}
        if self.masked or not found["PGPASSWORD"]:
            del found["PGPASSWORD"]
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items())

    def as_fields(self) -> dict[str, object]:
        """For programs."""
        place = self.place
        return {
            "url": self.as_url(),
            "jdbc": None if place["PGHOST"].startswith("/") else self.as_jdbc(),
            "host": place["PGHOST"],
            "port": int(place["PGPORT"]),
            "database": place["PGDATABASE"],
            "user": place["PGUSER"],
            "password": None if self.masked else place["PGPASSWORD"] or None,
            "schema": paths.project().settings.schemas.marts,
        }


def find(port: int | None = None, show_password: bool = False) -> ReaderAddress:
    """Where readers connect to: the embedded server over TCP, or what the reader's block names.

    Args:
        port: of the embedded server, as `embedded.reach` takes it.
        show_password: also that of a block, which is masked otherwise.

    Raises:
        ConfigError: there is no block of a reader, or as `embedded.reach`.
        BusyError, ToolError: as `embedded.reach`.
    """
    choice.need(Capability.CONNECT)
    if not os.environ.get(BLOCK_VARIABLE):
        url, restarted = embedded.reach(paths.home(), port)
        return ReaderAddress(url, ours=True, restarted=restarted)
    if port is not None:
        raise ConfigError(f"--port is for the embedded PostgreSQL; {BLOCK_VARIABLE} names another server")
    url = _of_block()
    return ReaderAddress(url, ours=False, masked=bool(url.password) and not show_password)


def named_server() -> dict[str, str | int]:
    """Host, port and database by which others reach the warehouse, as far as that is known: connects to none.

    Raises:
        ConfigError: there is no such block.
    """
    block = os.environ.get(READER_VARIABLE) or os.environ.get(BLOCK_VARIABLE)
    if os.environ.get(BLOCK_VARIABLE) and block:
        place = libpq.place(address_of(block))
        return {"host": place["PGHOST"], "port": int(place["PGPORT"]), "database": place["PGDATABASE"]}
    kept = embedded.tcp.port_in(paths.home() / "postgres")
    return {"host": embedded.tcp.HOST, "port": kept or int(PORT), "database": embedded.DATABASE}


def _of_block() -> URL:
    block = os.environ.get(READER_VARIABLE)
    if not block:
        raise ConfigError(f"{READER_VARIABLE} names no block of a user that may only read. {MAKE_READER}")
    return named(block).url


def psql() -> int:
    """Open psql as the reader, with the terminal of this process; returns its exit code.

    It comes with the embedded server's programs. The embedded server is reached by its socket, which needs no port.
    """
    choice.need(Capability.CONNECT)
    another = os.environ.get(BLOCK_VARIABLE)
    url = _of_block() if another else embedded.start(paths.home()).set(username=embedded.READER)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG") or name == "PGAPPNAME"}
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql, which ends its query
    try:
        environment = {**kept, **libpq.place(url), **libpq.options(url)}
        return subprocess.run([str(wheel_binaries() / "psql")], env=environment, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
