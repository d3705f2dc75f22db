"""A Prefect server for one command, started while the command still imports what it needs.

Prefect can start one itself, but only once it is imported, and by importing the whole server into the command's process
too: 63 MB and 2 s more (read and measured in 3.9). Imports nothing slow.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from typing import IO

from sluice.contract.errors import ToolError
from sluice.project.paths import TEMPORARY_SERVER, prefect_home
from sluice.server.api import serve
from sluice.server.orphans import TEMPORARY
from sluice.steps import prefect_settings

ALLOWED, SECONDS = "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
# As Prefect sets them for its own: no UI, and no services that only a standing server needs.
SETTINGS = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
GIVEN = "PREFECT_API_AUTH_STRING"
NO = ("0", "false", "no", "off", "f", "n")  # as pydantic reads them
EXCEPTION = re.compile(r"[\w.]+(Error|Exception)\b.*: ")  # the line below a traceback
GRACE = 5.0  # seconds from SIGTERM to SIGKILL


def start() -> Callable[[], None]:
    """Start one, if this process needs it: Prefect is not imported yet, and no server is named.

    Returns:
        What waits until it answers. It raises ToolError where the server ended, or does not answer in time.
    """
    if "prefect" in sys.modules or prefect_settings.names_a_server() or os.environ.get(ALLOWED, "true").lower() in NO:
        return lambda: None
    server = _Server()
    # Registered before Prefect's own: what that does at the end still reaches the server.
    atexit.register(server.stop)
    return server.wait


class _Server:
    """The process, at a free port of 127.0.0.1, with a password that only this process and its children know."""

    def __init__(self) -> None:
        self._password = f"sluice:{secrets.token_urlsafe(24)}"
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read where it ends early; gone with this process
        # Bound and kept, so that nobody is given the port before uvicorn takes it, which is its last step.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind(("127.0.0.1", 0))
        port = self._kept.getsockname()[1]
        self._api = f"http://127.0.0.1:{port}/api"
        # -P: what lies in the working directory is not imported in place of a package
        command = [sys.executable, "-P", serve.__file__, *TEMPORARY, str(port)]
        environment = {
            name: value for name, value in os.environ.items() if name not in (prefect_settings.SETTING, GIVEN)
        }
        self._process = subprocess.Popen(
            command,
            env={**environment, **SETTINGS, "PREFECT_SERVER_API_AUTH_STRING": self._password},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is the command's: the flow run still has to say that it was stopped
        )
        os.environ |= {prefect_settings.SETTING: self._api, TEMPORARY_SERVER: self._api, GIVEN: self._password}

    def wait(self) -> None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # by no proxy that is set for the web
        deadline = time.monotonic() + float(os.environ.get(SECONDS) or 120)
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with direct.open(f"{self._api}/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.05)
        ended = self._process.poll()
        why = "does not answer" if ended is None else f"ended with {ended}: {self._reason()}"
        raise ToolError(
            f"Prefect's API cannot be used: its temporary server {why} (the server's database is in {prefect_home()}). "
            "See: sluice doctor"
        )

    def _reason(self) -> str:
        """The last exception that it printed, else its last line."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines() or ["it printed nothing"]
        return next((line for line in reversed(lines) if EXCEPTION.match(line)), lines[-1])

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
