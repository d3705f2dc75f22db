"""The life of one server in its place: made, started, asked, stopped. Call with the start lock held."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped] # comes with the wheel of the binaries

from sluice.contract.errors import BusyError, ConfigError, ToolError
from sluice.project import paths
from sluice.warehouse.embedded import tcp
from sluice.warehouse.embedded.location import PORT, Place
from sluice.warehouse.embedded.roles import superuser

START_SECONDS = 180  # a start after a crash first replays up to max_wal_size of log
LOG_BYTES = 10 << 20  # a longer log is renamed at the next start; one old log is kept
SMALL_SHM_BYTES = 1 << 30  # containers often have 64 MB of /dev/shm, in which parallel joins fail


def state(place: Place) -> str:
    """`up`, `busy` (starting, recovering or stopping) or `down`, judged by the socket."""
    command = [str(place.binaries / "pg_isready"), "-q", "-h", str(place.socket_folder), "-p", PORT]
    return {0: "up", 1: "busy"}.get(subprocess.run(command, check=False).returncode, "down")


def ensure_running(place: Place) -> None:
    """Start the server unless it runs; make its data when there is none.

    Raises:
        ToolError: it does not start, or is not ready in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while (now := state(place)) != "up":
        if now == "down":
            _launch(place)
        elif time.monotonic() > deadline:
            raise ToolError(f"the embedded PostgreSQL is not ready after {START_SECONDS} s. {_log_end(place)}")
        else:
            time.sleep(0.1)


def ensure_stopped(place: Place) -> None:
    """Stop the server if it runs. Transactions that are open are rolled back."""
    if state(place) != "down":
        _stop(place)


def is_of_this_service(place: Place) -> bool:
    """Whether the server was started by the systemd service of this process, which ends all that it started."""
    try:
        postmaster = place.pid_file.read_text().split()[0]
        return group_of(postmaster) == group_of("self")
    except (OSError, IndexError):  # it is gone meanwhile
        return False


def group_of(process: str) -> list[str]:
    """The control group by which systemd knows the processes of a service. Linux only."""
    groups = Path("/proc", process, "cgroup").read_text().splitlines()
    return [group for group in groups if group.startswith("0::") or ":name=systemd:" in group]


def ensure_keeper(place: Place) -> None:
    """Start keeper.py unless one lives: it holds the lock of keeper.lock, which it inherits from here.

    Comes before the server, which so has a keeper even if this process is killed while it starts.
    """
    with paths.open_lock(place.folder / "keeper.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        user = (place.account.pw_uid, place.account.pw_gid) if place.account else (-1, -1)
        program, *arguments = _stop_command(place)
        command = [
            *(sys.executable, "-I", "-S", Path(__file__).with_name("keeper.py")),
            *(place.users_lock, file.fileno(), place.pid_file, place.folder / "run" / place.socket.name),
            *(*user, place.binaries / program, *arguments),
        ]
        subprocess.run(
            [str(part) for part in command],
            check=True,
            pass_fds=(file.fileno(),),
            start_new_session=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def ensure_listening(place: Place, port: int) -> bool:
    """Let a server that runs already listen on the port, by a restart; returns whether that was needed.

    A session that is idle and holds no lock does not prevent it: Sluice's own connect again, and so does psql.

    Raises:
        BusyError: sessions are in use.
        ConfigError: another program listens there.
        ToolError: the server does not stop or start.
    """
    with superuser(place) as cursor:
        cursor.execute("SELECT current_setting('listen_addresses'), current_setting('port')::int")
        if cursor.fetchone() == (tcp.HOST, port):
            return False
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity a WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
            "AND (state <> 'idle' OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid))"
        )
        (busy,) = cursor.fetchone() or (0,)
    if not tcp.is_free(port):
        raise ConfigError(
            f"port {port} of {tcp.HOST}, kept for this warehouse, is in use by another program, so the embedded "
            "PostgreSQL started without TCP. Stop that program, or choose another port: sluice connect --port 0"
        )
    if busy:
        raise BusyError(
            f"the embedded PostgreSQL was started without TCP on port {port} and must be restarted to listen there, "
            f"but it is in use by another program ({busy} {'session' if busy == 1 else 'sessions'}). It listens "
            "from its next start on; when they have ended: sluice connect"
        )
    _stop(place)
    _launch(place)
    return True


def _stop(place: Place) -> None:
    """Stop the server, or wait until the keeper, which may be at it just now, has done so.

    Raises:
        ToolError: it still runs.
    """
    try:
        place.run(*_stop_command(place))
    except subprocess.CalledProcessError as error:  # also when it ended between two looks of pg_ctl at it
        deadline = time.monotonic() + 10
        while place.pid_file.exists() or state(place) != "down":
            if time.monotonic() > deadline:
                raise ToolError(f"the embedded PostgreSQL does not stop: {error.stderr.strip()}") from error
            time.sleep(0.05)


def _launch(place: Place) -> None:
    for unfinished in place.folder.glob("data.*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if not place.data.exists():
        _make_data(place)
    _settle_leftover(place)
    settings = place.folder / "embedded.conf"
    shutil.copyfile(Path(__file__).with_name("postgresql.conf"), settings)
    settings.chmod(0o644)
    if place.log.exists() and place.log.stat().st_size > LOG_BYTES:
        place.log.replace(place.log.with_suffix(".old"))
    seen = place.log.stat().st_size if place.log.exists() else 0
    options = f"-c unix_socket_directories='{place.socket_folder}'"
    shm = os.statvfs("/dev/shm") if Path("/dev/shm").is_dir() else None
    if shm and shm.f_frsize * shm.f_blocks < SMALL_SHM_BYTES:
        options += " -c dynamic_shared_memory_type=mmap"
    options += tcp.options(place)
    try:
        place.run("pg_ctl", *_pg_ctl(place), "-l", str(place.log), "-o", options, "start")
    except subprocess.CalledProcessError as error:
        raise ToolError(f"the embedded PostgreSQL does not start. {_log_end(place, seen)}") from error


def _make_data(place: Place) -> None:
    """Run initdb in a folder of another name, so that a kill leaves no half-made data behind.

    The name is new each time: the initdb of a start that was killed may still run.
    """
    unfinished = Path(tempfile.mkdtemp(prefix="data.", dir=place.folder))
    place.own(unfinished)
    arguments = (
        *("-D", str(unfinished), "--username=postgres", "--auth=trust", "--encoding=UTF8"),
        # text sorts alike on every machine, regardless of its locale
        *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    )
    try:
        place.run("initdb", *arguments)
    except subprocess.CalledProcessError as error:
        raise ToolError(f"initdb failed in {place.folder}: {error.stderr.strip()}") from error
    with (unfinished / "postgresql.conf").open("a") as settings:
        settings.write("include '../embedded.conf'\n")
    unfinished.rename(place.data)


def _settle_leftover(place: Place) -> None:
    """Clear what a killed server left, so that PostgreSQL takes nothing of it for a server that runs.

    In containers the process id of a killed server is soon that of another program, or stays for ever as a
    zombie's: forget it. Its sessions may still work on their last query: end them. And a server whose socket
    was swept away from the temporary folder still runs: stop it.
    """
    socket_locks = list(place.socket_folder.glob(".s.PGSQL.*.lock"))
    if not place.pid_file.exists() and not socket_locks:
        return
    try:
        postmaster = psutil.Process(int(place.pid_file.read_text().split()[0]))
        if str(place.data) in postmaster.cmdline():
            _stop(place)
            return
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        pass
    session = {"name": "postgres", "cwd": str(place.data)}
    left = [process for process in psutil.process_iter(list(session)) if process.info == session]
    for process in left:
        process.terminate()  # as a server that runs would end a session: its transaction is rolled back
    psutil.wait_procs(left, timeout=START_SECONDS)
    place.pid_file.unlink(missing_ok=True)
    for each in socket_locks:
        each.unlink(missing_ok=True)


def _log_end(place: Place, seen: int = 0) -> str:
    """The last lines of the log written after byte `seen`, and where the log is."""
    text = place.log.read_bytes()[seen:].decode(errors="replace") if place.log.exists() else ""
    return f"Its log, {place.log}, ends:\n" + "\n".join(text.splitlines()[-8:])


def _pg_ctl(place: Place) -> tuple[str, ...]:
    return "-w", "-t", str(START_SECONDS), "-D", str(place.data)


def _stop_command(place: Place) -> tuple[str, ...]:
    return "pg_ctl", *_pg_ctl(place), "-m", "fast", "stop"
