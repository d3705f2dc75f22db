"""A Prefect server that stands while a block runs, at a free port, with a separate database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SECONDS = 300  # to start; the first start makes its database


@contextmanager
def standing(home: Path, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The address of its API. The start is over, and so are the server's first duties, when the block begins.

    Raises:
        RuntimeError: it ended, or did not answer in time; its log is server.log in its home.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    env = {**environment, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}
    env.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-ui"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/api/health", server)
        time.sleep(5)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(health: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("Prefect's server did not start")
