"""The processes that `sluice up` keeps beside itself: Prefect's server, its worker and others."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NoReturn

import httpx
import typer

from sluice.contract.errors import ToolError
from sluice.server import deployments, orphans
from sluice.server.address import ApiAddress

HEALTHY_WITHIN = 180.0  # seconds; the first start migrates a new database, on two slow cores for over a minute
ANSWERS_WITHIN = 10.0  # seconds, for a server that is said to be running
LOOK = 1.0  # seconds between two looks at the processes

Child = subprocess.Popen[bytes]
SERVER = "Prefect server"  # what it is called in messages


def start_server(
    stack: ExitStack, address: ApiAddress, environment: Mapping[str, str], folder: Path, project: Path
) -> Child:
    """Start Prefect's server with its UI; its database and its log are in `folder`."""
    log = folder / "server.log"
    typer.echo(f"Starting the Prefect server at {address.ui}{address.instead} (its log: {log}) ...")
    settings = {
        "PREFECT_HOME": str(folder),  # its database is in there
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "true",  # for the UI's list of blocks; sluice/cli/app.py says false
        # The default lets any page the user opens in a browser call the API and read the answers.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"{address.ui},http://localhost:{address.port}",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
    }
    if address.everywhere:  # a browser elsewhere must ask where it got the page
        settings["PREFECT_SERVER_UI_API_URL"] = "/api"
    command = ["server", "start", "--host", address.host, "--port", str(address.port)]
    with log.open("wb") as output:
        server = _prefect(command, {**environment, **settings}, project, output)
    stack.callback(orphans.end_tree, server.pid)
    return server


def start_worker(stack: ExitStack, environment: Mapping[str, str], project: Path) -> Child:
    """Start the worker that runs what is due."""
    command = ["worker", "start", "--pool", deployments.POOL, "--type", "process", "--name", "sluice-up"]
    worker = _prefect(command, environment, project, None)
    stack.callback(orphans.end_tree, worker.pid)  # before the server goes: runs report to it how they ended
    return worker


def _prefect(command: list[str], environment: Mapping[str, str], project: Path, output: IO[bytes] | None) -> Child:
    return start(["-m", "prefect", "--no-prompt", *command], environment, project, output)


def start(arguments: Sequence[str], environment: Mapping[str, str], project: Path, output: IO[bytes] | None) -> Child:
    """Start a Python program in a new session."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=dict(environment),
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C in the terminal reaches `sluice up` alone, which stops them in order
    )


def wait_until_healthy(address: ApiAddress, server: Child | None, log: Path) -> None:
    """Wait for the server's answer.

    Raises:
        ToolError: it gave none in time, or ended.
    """
    deadline = time.monotonic() + (HEALTHY_WITHIN if server else ANSWERS_WITHIN)
    while time.monotonic() < deadline and (server is None or server.poll() is None):
        try:
            if httpx.get(f"{address.api}/health", timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    if server is None:
        raise ToolError(
            f"sluice up: no Prefect server responds at {address.api}, the value of PREFECT_API_URL. Start it, "
            "or unset PREFECT_API_URL to have `sluice up` start one"
        )
    raise ToolError(
        f"sluice up: the Prefect server does not respond at {address.api}. Its log, {log}, ends:\n{_tail(log)}"
    )


def watch(children: Mapping[str, Child], log: Path, looks: Sequence[Callable[[], None]]) -> NoReturn:
    """Look at them, and call all `looks`, every second or so, until one exits.

    Raises:
        ToolError: which one.
    """
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                why = f" The server's log, {log}, ends:\n{_tail(log)}" if name == SERVER else ""
                raise ToolError(
                    f"sluice up: the {name} exited with code {child.returncode}. Start `sluice up` again.{why}"
                )
        for look in looks:
            look()
        time.sleep(LOOK)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:] if log.exists() else ""
