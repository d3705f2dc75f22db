"""`sluice up`: a Prefect server with its UI, the deployments of prefect.yaml, and a worker that runs them.

Starts, watches and stops processes; what a run does is the flow's matter. Listens on 127.0.0.1 unless the API
is protected by a password.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NoReturn

import httpx
import typer
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from contracts.errors import BusyError, ToolError
from flows import deployments, orphans, server_address
from flows.server_address import Address

PROJECT = Path(__file__).resolve().parents[1]  # the checkout: prefect.yaml and the flows are in it
HEALTHY_WITHIN = 180.0  # seconds; the first start migrates a new database, on two slow cores for over a minute
ANSWERS_WITHIN = 10.0  # seconds, for a server that is said to be running


def up(
    home: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 4200,
    cron: str | None = None,
    project: Path = PROJECT,
    prepare: Callable[[], Mapping[str, str]] | None = None,
    beside: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Serve the deployments of `project` until Ctrl-C or SIGTERM, then stop everything that was started.

    With `PREFECT_API_URL` set, that server is used and none is started.

    Args:
        home: the `.sluice` folder; the server's database and log are in `prefect/` under it.
        cron: a schedule to use instead of the one in prefect.yaml.
        prepare: called first; starts the warehouse, say. Gives environment variables for server and runs.
        beside: arguments of Python programs to keep running beside the worker, by what they are called.

    Raises:
        ConfigError: an address others can reach, and no password.
        BusyError: another `sluice up` serves this home.
        ToolError: the server or the worker does not start, or ends by itself.
    """
    home = home.resolve()
    address = server_address.find(host, port)
    folder = home / "prefect"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with ExitStack() as stack:
            stack.enter_context(_only_one(folder / "up.lock"))
            stack.enter_context(_interruptible())
            stack.enter_context(_nothing_left(home, folder / "up.lock"))
            environment = _environment(home, address, prepare() if prepare else {})
            children = {}
            if address.ours:
                children["Prefect server"] = _start_server(stack, address, environment, folder, project)
            _wait_until_healthy(address, children.get("Prefect server"), folder / "server.log")
            with temporary_settings({PREFECT_API_URL: address.api, PREFECT_API_AUTH_STRING: server_address.password()}):
                served = deployments.apply(project, environment, cron=cron, alone=address.ours)
            children["worker"] = _start_worker(stack, environment, project)
            for name, arguments in (beside or {}).items():
                children[name] = _python(arguments, environment, project, None)
                stack.callback(orphans.end_tree, children[name].pid)
            _say_where(address, served, home)
            _watch(children, folder / "server.log")
    except KeyboardInterrupt:
        typer.echo("Stopped.")
    return 0


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Hold the home for this process. Waits while the remains of a killed one are being ended."""
    deadline = time.monotonic() + 3 * orphans.GRACE
    with lock.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip()
                alive = owner.isdigit() and Path("/proc", owner).exists()
                if alive or time.monotonic() > deadline:
                    raise BusyError(
                        f"sluice up: process {owner or 'unknown'} already serves {lock.parent.parent}. Stop "
                        f"it with Ctrl-C in its terminal, or: kill {owner}"
                    ) from None
                time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM or a closed terminal end the block, once; the cleaning up is not interrupted."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(*_: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        typer.echo("Stopping: a run that is under way ends, and the next one takes up its work ...")
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _nothing_left(home: Path, lock: Path) -> Iterator[None]:
    """End what a killed predecessor left behind; leave nothing behind, even when killed."""
    if ended := orphans.end(home):
        typer.echo(f"Ended what an earlier, killed `sluice up` left running: {ended} process(es).")
    watcher = orphans.watch(lock, home)
    try:
        yield
    finally:
        watcher.kill()
        watcher.wait()
        orphans.end(home)


def _environment(home: Path, address: Address, more: Mapping[str, str]) -> dict[str, str]:
    """What the server, the worker and the runs get: one address, one password, and the mark of `orphans`."""
    environment = {**os.environ, **more, orphans.MARK: str(home), "PREFECT_API_URL": address.api}
    if password := server_address.password():
        environment["PREFECT_SERVER_API_AUTH_STRING"] = environment["PREFECT_API_AUTH_STRING"] = password
    return environment


def _start_server(
    stack: ExitStack, address: Address, environment: Mapping[str, str], folder: Path, project: Path
) -> subprocess.Popen[bytes]:
    log = folder / "server.log"
    typer.echo(f"Starting the Prefect server at {address.ui} (its log: {log}) ...")
    settings = {
        "PREFECT_HOME": str(folder),  # its database is in there
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "true",  # for the UI's list of blocks; flows/cli.py says false
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


def _start_worker(stack: ExitStack, environment: Mapping[str, str], project: Path) -> subprocess.Popen[bytes]:
    command = ["worker", "start", "--pool", deployments.POOL, "--type", "process", "--name", "sluice-up"]
    worker = _prefect(command, environment, project, None)
    stack.callback(orphans.end_tree, worker.pid)  # before the server goes: runs report to it how they ended
    return worker


def _prefect(
    command: list[str], environment: Mapping[str, str], project: Path, output: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    return _python(["-m", "prefect", "--no-prompt", *command], environment, project, output)


def _python(
    arguments: Sequence[str], environment: Mapping[str, str], project: Path, output: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=dict(environment),
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C in the terminal reaches `sluice up` alone, which stops them in order
    )


def _wait_until_healthy(address: Address, server: subprocess.Popen[bytes] | None, log: Path) -> None:
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
            f"sluice up: no Prefect server answers at {address.api}, which PREFECT_API_URL names. Start it, "
            "or unset PREFECT_API_URL to have `sluice up` start one"
        )
    raise ToolError(
        f"sluice up: the Prefect server does not answer at {address.api}. Its log, {log}, ends:\n{_tail(log)}"
    )


def _say_where(address: Address, served: Mapping[str, str], home: Path) -> None:
    site = home / "site" / "index.html"
    made = "each run makes it anew" if site.exists() else "the first run makes it"
    password = " PREFECT_API_AUTH_STRING=user:password" if server_address.password() else ""
    typer.echo(f"\nPrefect UI:   {address.ui} ({address.reached_by})")
    for name, identity in served.items():
        typer.echo(f"Deployment:   {name}  {address.ui}/deployments/deployment/{identity}")
    typer.echo(f"Site:         {site.as_uri()} ({made})")
    typer.echo(f"Other shells: export PREFECT_API_URL={address.api}{password}")
    typer.echo("Stop with Ctrl-C.\n")


def _watch(children: Mapping[str, subprocess.Popen[bytes]], log: Path) -> NoReturn:
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                raise ToolError(
                    f"sluice up: the {name} ended by itself with code {child.returncode}. Start `sluice up` "
                    f"again. The server's log, {log}, ends:\n{_tail(log)}"
                )
        time.sleep(0.5)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:] if log.exists() else ""
