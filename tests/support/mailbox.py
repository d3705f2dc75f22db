"""A real mail server for tests: it keeps the letters it takes, and refuses them while it is down."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


class Mailbox:
    """The letters, and the Apprise address that writes to it."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    @property
    def address(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=sluice@example.com&to=data@example.com&mode=insecure"

    @property
    def subjects(self) -> list[str]:
        return [str(letter["Subject"]) for letter in self.letters]

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: ARG002
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    @contextmanager
    def up(self) -> Iterator[None]:
        """The server, for as long as the block lasts; always on the same port."""
        server = Controller(self, hostname="127.0.0.1", port=self.port)
        server.start()
        try:
            yield
        finally:
            server.stop()
