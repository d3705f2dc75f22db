"""Where the Prefect server of `sluice up` listens. Other machines reach it only with a password that was chosen."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_AUTH_STRING

from sluice.contract.errors import ConfigError

PORT = 4200  # Prefect's own
EVERYWHERE = {"0.0.0.0", "::"}  # not addresses to connect to


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """Where the API is, and whether `sluice up` has to start it."""

    host: str
    port: int
    ours: bool
    api: str
    instead: str = ""  # ", for port 4200 is taken", when it is at another

    @property
    def everywhere(self) -> bool:
        """Whether it listens on all addresses of this machine."""
        return self.ours and self.host in EVERYWHERE

    @property
    def reached_by(self) -> str:
        """From where, and how."""
        if not self.ours:
            return "named by PREFECT_API_URL"
        if _is_loopback(self.host):
            return f"from this machine only, with the password{self.instead}"
        named = socket.gethostname() if self.everywhere else self.host
        return f"from other machines at http://{named}:{self.port}, with the password{self.instead}"

    @property
    def ui(self) -> str:
        """The page to open in a browser."""
        return self.api.removesuffix("/api")


def find(host: str, given: int | None = None) -> ApiAddress:
    """The server that PREFECT_API_URL names; else one to start here.

    Args:
        given: the port; 0 means any free one, None 4200 or, if that is taken, any free one.

    Raises:
        ConfigError: an address that other machines reach, and no password; the port given is taken.
    """
    port = PORT if given is None else given
    if (elsewhere := _configured(host, port)) is not None:
        return elsewhere
    demand_password(host, given)
    free = port != 0 and _free(host, port)
    if given and not free:
        raise ConfigError(
            f"sluice up: port {port} of {host} is in use, or not allowed for this user. Choose another with --port; "
            f"without the option it is {PORT}, or a free one"
        )
    chosen, instead = (
        (port, "") if free else (_free_port(host), "" if port == 0 else f", because port {port} is in use")
    )
    reached = "127.0.0.1" if host in EVERYWHERE else host
    return ApiAddress(host, chosen, ours=True, api=f"http://{reached}:{chosen}/api", instead=instead)


def demand_password(host: str, given: int | None = None) -> None:
    """Refuse to start a server that other machines reach and that asks for no password.

    Raises:
        ConfigError: it would be one.
    """
    if _is_loopback(host) or password() or _configured(host, PORT if given is None else given) is not None:
        return
    raise ConfigError(
        f"sluice up: {host} can be reached from other machines, and anyone who reaches it could run code "
        "and read blocks. Set PREFECT_SERVER_API_AUTH_STRING='user:password' first, or leave --host at "
        "127.0.0.1"
    )


def _configured(host: str, port: int) -> ApiAddress | None:
    """The server that PREFECT_API_URL names, unless it is the one to start here."""
    configured = PREFECT_API_URL.value()
    if not configured:
        return None
    parts = urlsplit(configured)
    # what an earlier `sluice up` asked the user to export is this very server, not another one
    if parts.port == port and parts.hostname in {host, "localhost"} and _free(host, port):
        return None
    return ApiAddress(parts.hostname or "", parts.port or 0, ours=False, api=configured.rstrip("/"))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def password() -> str | None:
    """`user:password` of the API, if one was given."""
    return PREFECT_SERVER_API_AUTH_STRING.value() or None


def _free(host: str, port: int) -> bool:
    try:
        with _bound(host, port):
            return True
    except OSError:
        return False


def _free_port(host: str) -> int:
    with _bound(host, 0) as probe:
        return int(probe.getsockname()[1])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)
