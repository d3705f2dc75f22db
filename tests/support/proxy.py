"""A proxy before a PostgreSQL server that cuts the link at one COMMIT: before passing it on, or before its answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Proxy:
    """Passes everything on, but for one COMMIT.

    Attributes:
        url: the database as it is reached through the proxy.
        cut: how many links it has cut.
    """

    def __init__(self, server: sa.URL, listener: socket.socket) -> None:
        self._server, self._listener = server, listener
        self.url = server.set(host="127.0.0.1", port=listener.getsockname()[1], query={})
        self._mode, self._left, self.cut, self.commits = "", 0, 0, 0

    def cut_at(self, commit: int, mode: str) -> None:
        """Cut the link at the COMMIT of this number from now on, `before` it is passed on or `after` it was done."""
        self._mode, self._left, self.cut = mode, commit, 0

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._link, args=(client,), daemon=True).start()

    def _link(self, client: socket.socket) -> None:
        query = self._server.query
        if folder := query.get("host"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{folder}/.s.PGSQL.{query.get('port', 5432)}")
        else:
            server = socket.create_connection((self._server.host or "", self._server.port or 5432))
        swallow = threading.Event()
        back = threading.Thread(target=self._answers, args=(server, client, swallow), daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._is_the_one(data):
                    if self._mode == "after":
                        swallow.set()
                        server.sendall(data)
                        back.join()
                    break
                server.sendall(data)
        for end in (server, client):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_the_one(self, data: bytes) -> bool:
        if not data.endswith(COMMIT):
            return False
        self.commits += 1
        self._left -= 1
        self.cut += self._left == 0
        return self._left == 0

    @staticmethod
    def _answers(server: socket.socket, client: socket.socket, swallow: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if swallow.is_set():
                    return
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(server: sa.URL) -> Iterator[Proxy]:
    """A proxy before the server, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(server, listener)
        threading.Thread(target=proxy.serve, daemon=True).start()
        yield proxy
