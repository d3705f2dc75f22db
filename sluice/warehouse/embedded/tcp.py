"""TCP on 127.0.0.1 for the reader of the embedded server, once somebody asked for it: port, password, who may come in.

Until then the server opens no port. From then on every start listens on the port that is kept, unless another program
has taken it: the server then starts without, for a night must not fail because of a reader.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from pathlib import Path

from sluice.contract.errors import ConfigError
from sluice.project import atomic
from sluice.warehouse.embedded.location import Place
from sluice.warehouse.embedded.roles import DATABASE, READER

HOST = "127.0.0.1"
PORTS = range(20_000, 32_768)  # below those that systems give to outgoing connections, above those of known services
TRIES = 100  # to find a free one
ALLOWED = range(1024, 65_536)  # that any user may listen on


def port(place: Place) -> int | None:
    """The port that is kept; None where nobody asked for one yet, or what is kept is not one."""
    return port_in(place.folder)


def port_in(folder: Path) -> int | None:
    """The same by the server's folder, which need not be there."""
    try:
        kept = int((folder / "port").read_text())
    except (OSError, ValueError):
        return None
    return kept if kept in ALLOWED else None


def keep_port(place: Place, wanted: int | None) -> int:
    """Choose the port for this start and all later ones.

    Args:
        wanted: a port, 0 for a free one, None for the one that is kept (a free one if there is none).

    Raises:
        ConfigError: the port is in use or cannot be one, or there is no free one.
    """
    if wanted and wanted not in ALLOWED:
        raise ConfigError(f"port {wanted} cannot be used: choose one from {ALLOWED[0]} to {ALLOWED[-1]} with --port")
    known = port(place)
    if known is not None and wanted in (None, known):
        return known
    if wanted and not is_free(wanted):
        raise ConfigError(f"port {wanted} of {HOST} is in use or not allowed for this user. Choose another with --port")
    chosen = wanted or next(filter(is_free, (secrets.choice(PORTS) for _ in range(TRIES))), None)
    if chosen is None:
        raise ConfigError(f"no free port was found on {HOST}. Choose one with --port")
    (place.folder / "port").write_text(f"{chosen}\n")
    return chosen


def password(place: Place) -> str:
    """The reader's password; created if missing. The caller holds the start lock.

    Raises:
        ConfigError: as `atomic.kept_password`.
    """
    return atomic.kept_password(place.folder / "reader-password", secrets.token_urlsafe(24), "sluice connect")


def is_free(number: int) -> bool:
    """Whether a server could listen there now."""
    with suppress(OSError), socket.create_server((HOST, number)):
        return True
    return False


def options(place: Place) -> str:
    """What the server is started with, to be reached over TCP; nothing where it is not, or its port is taken."""
    kept = port(place)
    if kept is None or not is_free(kept):
        _name_socket(place, None)
        return ""
    rules = place.folder / "pg_hba.conf"
    rules.write_text(
        "# Written at every start: over TCP only the reader comes in, with its password.\n"
        "local all all trust\n"
        f'host "{DATABASE}" "{READER}" {HOST}/32 scram-sha-256\n'
    )
    rules.chmod(0o644)
    _name_socket(place, kept)
    return f" -c listen_addresses={HOST} -c port={kept} -c hba_file='{rules}'"


def _name_socket(place: Place, kept: int | None) -> None:
    """PostgreSQL names its socket after the TCP port; addresses that processes hold keep the name they know."""
    with suppress(FileNotFoundError):
        place.socket.unlink()
    if kept is not None:
        place.socket.symlink_to(f".s.PGSQL.{kept}")
