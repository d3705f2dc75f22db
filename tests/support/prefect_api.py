"""A Prefect server that stands for as long as it is asked for."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluice.server.api import serve
from sluice.server.orphans import TEMPORARY
from sluice.server.temporary import SETTINGS

START_SECONDS = 300  # it makes its database first: 10 s alone, 100 s on a busy machine


@contextmanager
def prefect_api(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address of its API. It is served as a command's own: without pages, and for half as much of the machine."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-P", serve.__file__, *TEMPORARY, str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env={**environment, **SETTINGS}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_healthy(server, f"{api}/health", log)
        yield api
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_healthy(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Return when the server answers; fail with its log when it ended or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the Prefect server does not answer at {address}:\n{log.read_text()[-3000:]}")
