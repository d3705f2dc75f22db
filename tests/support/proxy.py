"""A proxy before a PostgreSQL server, which sees every statement, and does what a test wants at one of them.

A statement's name is its text without values, and how often it has come by. So whatever a run sends is a point at which
something may go wrong, without being listed anywhere.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

QUERY, COPY_DONE = b"Q", b"c"  # psycopg2 speaks the simple protocol
COMMIT, OF = "COMMIT", "COMMIT of "
VALUES = re.compile(r"E?'(?:[^'\\]|''|\\.)*'|\b\d+\b|\b[0-9a-f]{32}\b|(?<=__dbt_tmp)\d+")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)  # dbt's begin with one
LONGEST = 100  # of a name, in characters
ERROR = "DO $$BEGIN RAISE EXCEPTION 'could not serialize access (injected)' USING ERRCODE = '40001'; END$$"


class Cut(Exception):
    """End the link at this statement: it is not passed on."""


@dataclass
class Link:
    """One connection through the proxy.

    Attributes:
        backend: process id of its session on the server.
        first: the first statement of the transaction that is open.
    """

    client: socket.socket
    server: socket.socket
    backend: int = 0
    first: str = ""
    mute: threading.Event = field(default_factory=threading.Event)  # the server's answers are dropped
    back: threading.Thread = field(default_factory=threading.Thread)

    def named(self, name: str) -> str:
        """This name; that of a COMMIT says of which transaction, as the order of those of several links varies."""
        if name == COMMIT:
            name, self.first = OF + self.first, ""
        elif name.startswith(("BEGIN", "ROLLBACK")):
            self.first = ""
        else:
            self.first = self.first or name
        return name

    def pass_and_lose_the_answer(self, message: bytes) -> None:
        """Let the server do it, and end the link then."""
        self.mute.set()
        self.server.sendall(message)
        self.back.join()
        raise Cut

    def close(self) -> None:
        for end in (self.server, self.client):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


Action = Callable[[Link, bytes], bytes]  # gets a message, gives what is passed on; may raise Cut


def lose_the_answer(link: Link, message: bytes) -> bytes:
    link.pass_and_lose_the_answer(message)
    return b""


def cut(_link: Link, _message: bytes) -> bytes:
    raise Cut


def fail(_link: Link, _message: bytes) -> bytes:
    """Let the server refuse the statement, as it does when two transactions are in each other's way."""
    return query(ERROR)


def query(text: str) -> bytes:
    """The message that sends a statement."""
    return QUERY + (len(text.encode()) + 5).to_bytes(4) + text.encode() + b"\0"


class Proxy:
    """Passes everything on, but for one statement.

    Attributes:
        url: the database as it is reached through the proxy.
        seen: the names of all statements that came by, in order.
        cut: how often the action was called.
        silent: every byte is taken, and none passed on.
    """

    def __init__(self, server: sa.URL, listener: socket.socket) -> None:
        self._server, self._listener = server, listener
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        self.url = server.set(host="127.0.0.1", port=listener.getsockname()[1], query=plain)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.seen: list[str] = []
        self.cut, self.silent = 0, False
        self.slice, self.pause = 1 << 16, 0.0  # bytes that are passed on at once, seconds before each
        self._at, self._action = "", cut

    def at(self, name: str, action: Action) -> None:
        """Do this at the statement of this name from now on; counting begins again."""
        with self._lock:
            self._counts.clear()
            self.seen.clear()
            self.cut, self._at, self._action = 0, name, action

    def cut_at(self, commit: int, mode: str) -> None:
        """Cut the link at the COMMIT of this number from now on, `before` it is passed on or `after` it was done."""
        self.at(f"{COMMIT} #{commit}", cut if mode == "before" else lose_the_answer)

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._link, args=(client,), daemon=True).start()

    def _link(self, client: socket.socket) -> None:
        try:
            link = Link(client, connected(self._server))
        except OSError:  # it is down, which the client sees as a link that ends
            client.close()
            return
        link.back = threading.Thread(target=self._answers, args=(link,), daemon=True)
        link.back.start()
        with contextlib.suppress(OSError, Cut):
            for message in _messages(client):
                passed = self._seen(link, message)
                if not self.silent:
                    self._pass_on(passed, link.server)
        link.close()

    def _pass_on(self, data: bytes, to: socket.socket) -> None:
        for start in range(0, len(data), self.slice):
            if self.pause:
                time.sleep(self.pause)
            to.sendall(data[start : start + self.slice])

    def _seen(self, link: Link, message: bytes) -> bytes:
        name = link.named(_name(message, self._server.database or ""))
        if not name:
            return message
        with self._lock:
            self._counts[name] += 1
            self._counts[COMMIT] += name.startswith(OF)
            name = f"{name} #{self._counts[name]}"
            self.seen.append(name)
            if self._at not in (name, name.startswith(OF) and f"{COMMIT} #{self._counts[COMMIT]}"):
                return message
            self.cut += 1
        return self._action(link, message)

    def _answers(self, link: Link) -> None:
        with contextlib.suppress(OSError):
            while data := link.server.recv(65536):
                if not link.backend and (found := data.find(b"K\0\0\0\x0c")) >= 0:
                    link.backend = int.from_bytes(data[found + 5 : found + 9])
                if link.mute.is_set():
                    return
                if not self.silent:
                    self._pass_on(data, link.client)
        with contextlib.suppress(OSError):
            link.client.shutdown(socket.SHUT_RDWR)


def connected(address: sa.URL) -> socket.socket:
    """A connection to the server, over TCP or by its socket."""
    if not (folder := address.query.get("host")):
        return socket.create_connection((address.host or "", address.port or 5432))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{folder}/.s.PGSQL.{address.query.get('port', 5432)}")
    return server


def _messages(client: socket.socket) -> Iterator[bytes]:
    """What the client sends, whole messages; the first ones have no type."""
    buffer, typed = b"", False
    while data := client.recv(1 << 20):
        buffer += data
        while len(buffer) >= (start := int(typed)) + 4:
            length = start + int.from_bytes(buffer[start : start + 4])
            if len(buffer) < length:
                break
            message, buffer = buffer[:length], buffer[length:]
            typed = True
            yield message


def _name(message: bytes, database: str) -> str:
    """The statement without its values and its database's name; nothing for what is not one."""
    if message[:1] == COPY_DONE:
        return "end of COPY"
    if message[:1] != QUERY:
        return ""
    text = COMMENT.sub("", message[5:-1].decode(errors="replace"))
    text = text.replace(f'"{database}"', '"db"')  # as dbt writes it: before the end is cut off, for any length of it
    return " ".join(VALUES.sub("?", text).split())[:LONGEST]


@contextmanager
def proxied(server: sa.URL) -> Iterator[Proxy]:
    """A proxy before the server, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(server, listener)
        threading.Thread(target=proxy.serve, daemon=True).start()
        yield proxy
