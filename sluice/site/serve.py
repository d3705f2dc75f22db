"""Serve the site to this machine only, until Ctrl-C."""

from __future__ import annotations

import functools
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sluice.contract.errors import ConfigError

ADDRESS = "127.0.0.1"


class _Pages(SimpleHTTPRequestHandler):
    """Files only, and only under this machine's own names: another site's name may be made to point here."""

    def send_head(self) -> Any:
        if (self.headers.get("Host") or "").rsplit(":", 1)[0] not in (ADDRESS, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:  # noqa: ARG002 - the name is Python's
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # the next run makes other pages
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the console is for the address."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server that listens, on a free port if 0 is asked for.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    try:
        return ThreadingHTTPServer((ADDRESS, port), functools.partial(_Pages, directory=str(folder)))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {ADDRESS}:{port}: {error.strerror}. Choose another port: sluice docs --serve --port 0"
        ) from None
