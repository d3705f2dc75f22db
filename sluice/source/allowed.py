"""Which hosts and folders files may come from: `[sources]` of sluice.toml. Connects to nothing.

    [sources]
    hosts = ["files.example.internal", "10.1.0.0/16"]   # private or loopback ones that may be asked
    folders = ["inbox", "/srv/deliveries"]              # local files must lie in one of these; any folder if not given

Variables SLUICE_SOURCE_HOSTS (divided by commas) and SLUICE_SOURCE_FOLDERS (by colons) win over the file.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from sluice.contract.errors import ConfigError
from sluice.project import paths

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
# Beside link-local 169.254.169.254: where Amazon (IPv6), Alibaba and Oracle give a machine its credentials.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")))


def refuse_outside(path: Path, name: str) -> None:
    """Refuse a local file that lies outside of the configured folders, links followed.

    Raises:
        ConfigError: it does.
        OSError: a folder on the way cannot be entered.
    """
    folders = _listed("folders", "SLUICE_SOURCE_FOLDERS", ":")
    if not folders:
        return
    meant = path.resolve()
    root = paths.root()
    if not any(meant.is_relative_to((root / Path(folder).expanduser()).resolve()) for folder in folders):
        raise ConfigError(
            f"{name}: is not in a folder that files may come from ({', '.join(folders)}). To allow its folder, add it "
            "to folders under [sources] in sluice.toml"
        )


def refuse_inward(address: str, resolved: Iterable[str] = ()) -> None:
    """Refuse a host that is not on the public internet, unless the configuration lists it.

    Args:
        address: a web address, of which only the host is shown.
        resolved: the IP addresses that its host's name stands for; a host that is written as a number, in any
            way, is looked at in any case.

    Raises:
        ConfigError: it leads to a private, loopback or reserved address that is not listed, or to one that gives a
            cloud machine's secrets, listed or not.
    """
    host = (urlsplit(address).hostname or "").rstrip(".")
    for ip in {_plain(ip) for text in (host, *resolved) if (ip := _number(text)) is not None}:
        meaning = "" if str(ip) == host else f", which is {ip}"
        if ip.is_link_local or ip in METADATA:
            raise ConfigError(f"host {host}{meaning}: link-local and metadata addresses are not opened")
        if not ip.is_global and not _is_listed(host, ip):
            raise ConfigError(
                f"host {host}{meaning}: not on the public internet. If files may come from there, add {host!r} to "
                "hosts under [sources] in sluice.toml (or to SLUICE_SOURCE_HOSTS)"
            )


def _number(text: str) -> _Ip | None:
    """The address that a host written as a number means, also as 0xA9FEA9FE, 2852039166 or 169.254.43518."""
    with suppress(ValueError):
        return ipaddress.ip_address(text)
    with suppress(OSError):
        return ipaddress.IPv4Address(socket.inet_aton(text)) if not text.isspace() and text else None
    return None


def _plain(ip: _Ip) -> _Ip:
    """The IPv4 address that an IPv6 address carries, if it carries one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _TRANSLATED:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


def _is_listed(host: str, ip: _Ip) -> bool:
    for each in _listed("hosts", "SLUICE_SOURCE_HOSTS", ","):
        if each.lower().strip("[]") == host:
            return True
        with suppress(ValueError):
            if ip in ipaddress.ip_network(each.strip("[]"), strict=False):
                return True
    return False


def _listed(name: str, variable: str, between: str) -> list[str]:
    if (given := os.environ.get(variable)) is not None:
        return [each.strip() for each in given.split(between) if each.strip()]
    try:
        root = paths.root()
    except ConfigError:  # a file that is checked outside of any project
        return []
    return list(paths.project_in(root).settings.sources.get(name, ()))
