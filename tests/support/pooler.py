"""A pooler before a PostgreSQL server that trusts: what PgBouncer is with pool_mode = transaction, in small.

Between two transactions a client has no session; for the next one it gets the one that was given back last. It is
greeted with a made-up number in place of a session's, and has its answer before its session is given back.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tests.support.proxy import _messages, connected

READY, IDLE, TERMINATE = b"Z", b"I", b"X"


class Pooler:
    """Serves clients of one user and database.

    Attributes:
        url: the database as it is reached through the pooler.
    """

    def __init__(self, server: sa.URL, listener: socket.socket) -> None:
        self._server, self._listener = server, listener
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        self.url = server.set(host="127.0.0.1", port=listener.getsockname()[1], query=plain)
        self._free: list[socket.socket] = []
        self._greeting = b""
        self._give_back(self._open())

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        for session in self._free:
            session.close()

    def _serve(self, client: socket.socket) -> None:
        session: socket.socket | None = None
        messages = _messages(client)
        next(messages)  # who it is; every client is the same
        client.sendall(self._greeting)
        with contextlib.suppress(OSError):
            for message in messages:
                if message[:1] == TERMINATE:
                    break
                session = session or (self._free.pop() if self._free else self._open())
                session.sendall(message)
                answer = _answer(session)
                client.sendall(answer)
                if answer[-1:] == IDLE:
                    time.sleep(0.03)
                    self._give_back(session)
                    session = None
        client.close()

    def _give_back(self, session: socket.socket) -> None:
        self._free.append(session)

    def _open(self) -> socket.socket:
        session = connected(self._server)
        facts = f"user\0{self._server.username}\0database\0{self._server.database}\0\0".encode()
        session.sendall((len(facts) + 8).to_bytes(4) + (3 << 16).to_bytes(4) + facts)
        self._greeting = re.sub(
            rb"K\x00\x00\x00\x0c.{8}", b"K\x00\x00\x00\x0c" + bytes(8), _answer(session), flags=re.DOTALL
        )
        return session


def _answer(session: socket.socket) -> bytes:
    """All that the server says until it is ready again."""
    said, start = b"", 0
    while True:
        said += session.recv(65536)
        while len(said) >= start + 5 and len(said) >= (end := start + 1 + int.from_bytes(said[start + 1 : start + 5])):
            if said[start : start + 1] == READY:
                return said
            start = end


@contextmanager
def pooled(server: sa.URL) -> Iterator[Pooler]:
    """A pooler before the server, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pooler = Pooler(server, listener)
        threading.Thread(target=pooler.serve, daemon=True).start()
        yield pooler
        pooler.close()
