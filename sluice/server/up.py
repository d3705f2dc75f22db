"""`sluice up`: a Prefect server with its UI, the deployments of prefect.yaml, and a worker that runs them.

Starts, watches and stops processes; what a run does is the flow's matter. Listens on 127.0.0.1 unless a
password was given; always asks for one.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import typer
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from sluice.contract.errors import BusyError
from sluice.project import paths
from sluice.server import address as server_address
from sluice.server import api_password, deployments, orphans, processes
from sluice.server.address import ApiAddress
from sluice.server.processes import Child
from sluice.server.run_log import Runs
from sluice.server.supervisor import Kept


def up(
    home: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    cron: str | None = None,
    project: Path | None = None,
    prepare: Callable[[], Mapping[str, str]] | None = None,
    beside: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Serve the deployments of `project` until a KeyboardInterrupt, then stop everything that was started.

    With `PREFECT_API_URL` set, that server is used and none is started.

    Args:
        home: the `.sluice` folder; the server's database and log are in `prefect/` under it.
        port: of the server; None: 4200, or a free one if that is taken.
        cron: a schedule to use instead of the one in prefect.yaml.
        prepare: called first; starts the warehouse, say. Gives environment variables for server and runs.
        beside: arguments of Python programs to keep running beside the worker, by what they are called. One that
            ends is started again.

    Raises:
        ConfigError: an address others can reach, and no password; a port that is taken.
        BusyError: another `sluice up` serves this home.
        ToolError: the server or the worker does not start, or exits; another process exits repeatedly.
    """
    home, project = home.resolve(), project or paths.root()
    server_address.demand_password(host, port)
    paths.make_home(home)
    folder = home / "prefect"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    started: dict[str, Child] = {}
    kept: list[Kept] = []
    try:
        with ExitStack() as stack:
            stack.enter_context(_only_one(folder / "up.lock"))
            stack.enter_context(_nothing_left(home, folder / "up.lock"))
            address = server_address.find(host, port)  # now that no server of a killed one is at its port
            password = _password(home, address)
            environment = _environment(home, address, password, prepare() if prepare else {})
            if address.ours:
                started[processes.SERVER] = processes.start_server(stack, address, environment, folder, project)
            processes.wait_until_healthy(address, started.get(processes.SERVER), folder / "server.log")
            settings = {PREFECT_API_URL: address.api, PREFECT_API_AUTH_STRING: password}
            stack.enter_context(temporary_settings(settings))
            if made := address.ours and not server_address.password():
                stack.enter_context(api_password.served(home, address.api))
            served = deployments.apply(project, environment, cron=cron, alone=address.ours)
            runs = Runs(address.ui)
            started["worker"] = processes.start_worker(stack, environment, project)
            for name, arguments in (beside or {}).items():
                kept.append(Kept(name, partial(processes.start, arguments, environment, project, None)))
                stack.callback(kept[-1].end)
            _say_where(address, served, home, made)
            processes.watch(started, folder / "server.log", [runs.report, *(each.look for each in kept)])
    except KeyboardInterrupt:
        typer.echo(_what_ended([*started, *(each.name for each in kept)]))
    return 0


def _what_ended(names: Sequence[str]) -> str:
    if "worker" in names:
        return f"Stopped: {', '.join(reversed(names))}. A run in progress was stopped; the next one resumes its work."
    return f"Stopped: {', '.join(names)}." if names else "Stopped before anything was started."


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Hold the home for this process. Waits while the remains of a killed one are being ended."""
    deadline = time.monotonic() + 3 * orphans.GRACE
    with paths.open_lock(lock) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                owner = file.read().decode(errors="replace").strip()
                alive = owner.isdigit() and Path("/proc", owner).exists()
                if alive or time.monotonic() > deadline:
                    raise BusyError(
                        f"sluice up: process {owner or 'unknown'} already serves {lock.parent.parent}. Stop "
                        f"it with Ctrl-C in its terminal, or: kill {owner}"
                    ) from None
                time.sleep(0.2)
        file.truncate(0)
        file.seek(0)
        file.write(str(os.getpid()).encode())
        yield
        file.truncate(0)


@contextmanager
def _nothing_left(home: Path, lock: Path) -> Iterator[None]:
    """End what a killed predecessor left behind; leave nothing behind, even when killed."""
    if ended := orphans.end(home):
        typer.echo(f"Stopped {ended} process(es) left over from an earlier `sluice up` that was killed.")
    watcher = orphans.watch(lock, home)
    try:
        yield
    finally:
        watcher.kill()
        watcher.wait()
        orphans.end(home)


def _password(home: Path, address: ApiAddress) -> str | None:
    """The one that was given; for a server that is started here, else one that is made."""
    if not address.ours:
        return PREFECT_API_AUTH_STRING.value() or server_address.password()
    return server_address.password() or api_password.kept(home)


def _environment(home: Path, address: ApiAddress, password: str | None, more: Mapping[str, str]) -> dict[str, str]:
    """What the server, the worker and the runs get: one address, one password, and the mark of `orphans`."""
    environment = {**os.environ, **more, orphans.MARK: str(home), "PREFECT_API_URL": address.api}
    if password:
        environment["PREFECT_SERVER_API_AUTH_STRING"] = environment["PREFECT_API_AUTH_STRING"] = password
    return environment


def _say_where(address: ApiAddress, served: Mapping[str, str], home: Path, made: bool) -> None:
    site = home / "site" / "index.html"
    written = "each run updates it" if site.exists() else "the first run creates it"
    file = shlex.quote(str(api_password.file(home)))
    password = f' PREFECT_API_AUTH_STRING="$(cat {file})"' if made else ""
    if server_address.password():
        password = " PREFECT_API_AUTH_STRING=user:password"
    typer.echo(f"\nPrefect UI:   {address.ui} ({address.reached_by})")
    if made:
        typer.echo(f"Log in with:  the line printed by: cat {file}")
    for name, identity in served.items():
        typer.echo(f"Deployment:   {name}  {address.ui}/deployments/deployment/{identity}")
    typer.echo(f"Site:         {site.as_uri()} ({written})")
    typer.echo(f"Other shells: export PREFECT_API_URL={address.api}{password}")
    if made:
        typer.echo("              (sluice's own commands need PREFECT_API_URL only: they find the password)")
    typer.echo("Stop with Ctrl-C.\n")
