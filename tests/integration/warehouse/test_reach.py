"""Other programs reach the warehouse: `sluice connect`, and the TCP port of the embedded PostgreSQL."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy import URL, make_url

from sluice.contract.errors import BusyError, ConfigError
from sluice.warehouse import embedded
from sluice.warehouse.embedded import tcp
from sluice.warehouse.embedded.location import Place, find_place
from sluice.warehouse.reach import ReaderAddress
from tests.support.repository import ROOT

JDBC = """
import java.sql.DriverManager;
public class Read {
    public static void main(String[] arguments) throws Exception {
        try (var connection = DriverManager.getConnection(arguments[0]);
             var rows = connection.createStatement().executeQuery("SELECT current_user, sum(n) FROM shown.numbers")) {
            rows.next();
            System.out.println(rows.getString(1) + " " + rows.getLong(2));
        }
    }
}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server is reached over TCP."""
    folder = tmp_path_factory.mktemp("reached") / ".sluice"
    owner = embedded.start(folder)  # as every home before its first `sluice connect`
    with opened(owner) as connection, connection.begin():
        connection.execute(sa.text("CREATE SCHEMA shown"))
        connection.execute(sa.text("CREATE TABLE shown.numbers AS SELECT generate_series(1, 4) AS n"))
    embedded.reach(folder)
    yield folder
    embedded.remove(folder)


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".sluice"
    embedded.remove(tmp_path / ".sluice")


def opened(url: URL) -> sa.Connection:
    return sa.create_engine(url, poolclass=sa.NullPool).connect()


def addresses_listened_on(home: Path) -> list[str]:
    pid = int(find_place(home).pid_file.read_text().split()[0])
    return [each.laddr.ip for each in psutil.Process(pid).net_connections("inet")]


def command(
    home: Path, *arguments: str, said: str = "", group: tuple[str, ...] = ("connect",)
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    call = [sys.executable, "-m", "sluice", *group, *arguments]
    environment |= {"SLUICE_HOME": str(home), "PREFECT_API_URL": "http://127.0.0.1:9/api"}  # it asks no Prefect server
    return subprocess.run(call, env=environment, cwd=ROOT, capture_output=True, text=True, input=said, check=False)


def test_sqlalchemy_reads_over_tcp_what_the_command_prints(home: Path) -> None:
    done = command(home)
    assert done.returncode == 0, done.stderr
    url = make_url(done.stdout.strip()).set(drivername="postgresql+psycopg2")
    assert (url.host, url.username) == ("127.0.0.1", "sluice_reader")
    with opened(url) as connection:
        assert connection.execute(sa.text("SELECT sum(n), current_user::text FROM shown.numbers")).one() == (
            10,
            "sluice_reader",
        )
    with opened(url) as connection, pytest.raises(sa.exc.DBAPIError, match=r"read-only|permission denied"):
        connection.execute(sa.text("DELETE FROM shown.numbers"))


@pytest.mark.parametrize(
    ("who", "password"), [("sluice_reader", "guessed"), ("sluice_reader", None), ("postgres", None), ("postgres", "x")]
)
def test_nobody_else_comes_in_over_tcp(home: Path, who: str, password: str | None) -> None:
    url = embedded.reach(home)[0].set(username=who, password=password)
    if password is None:  # URL.set leaves a password that is None as it was
        url = URL.create(url.drivername, who, None, url.host, url.port, url.database)
    refused = "password authentication failed|no password supplied|no pg_hba.conf entry"
    with pytest.raises(sa.exc.OperationalError, match=refused):
        opened(url)


def test_the_reader_reaches_only_the_warehouse_and_only_from_this_machine(home: Path) -> None:
    url, _ = embedded.reach(home)
    with pytest.raises(sa.exc.OperationalError, match=r"no pg_hba\.conf entry"):
        opened(url.set(database="postgres"))
    assert addresses_listened_on(home) == ["127.0.0.1"]


def test_port_and_password_are_kept_over_a_restart_and_only_their_owner_can_read_the_password(home: Path) -> None:
    before, _ = embedded.reach(home)
    embedded.stop(home)
    embedded.start(home)
    with opened(before) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    assert embedded.reach(home) == (before, False)
    password = find_place(home).folder / "reader-password"
    assert password.stat().st_mode & 0o777 == 0o600
    assert str(before.password) not in find_place(home).log.read_text()

    password.chmod(0o644)
    with pytest.raises(ConfigError, match="other users may read this password"):
        embedded.reach(home)
    password.unlink()
    after, _ = embedded.reach(home)
    assert after.password != before.password
    with pytest.raises(sa.exc.OperationalError, match="password authentication failed"):
        opened(before)


def test_a_server_that_runs_without_tcp_is_restarted_unless_it_is_in_use(empty_home: Path) -> None:
    socket_url = embedded.start(empty_home)
    assert addresses_listened_on(empty_home) == []
    engine = sa.create_engine(socket_url, pool_pre_ping=True)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(1)"))
        connection.commit()
        with pytest.raises(BusyError, match="in use by another program"):
            embedded.reach(empty_home)
        assert connection.scalar(sa.text("SELECT 1")) == 1, "its session continues"
        connection.execute(sa.text("SELECT pg_advisory_unlock_all()"))

    url, restarted = embedded.reach(empty_home)  # the session is idle in its pool now
    assert restarted
    with opened(url) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    with engine.connect() as connection:  # by the address that it has known since before
        assert connection.scalar(sa.text("SELECT current_user::text")) == embedded.OWNER
    engine.dispose()
    assert embedded.start(empty_home) == socket_url


def test_a_port_that_another_program_has_taken_prevents_no_start(home: Path) -> None:
    url, _ = embedded.reach(home)
    embedded.stop(home)
    assert url.port
    with socket.create_server(("127.0.0.1", url.port)):
        with opened(embedded.start(home)) as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
        with pytest.raises(ConfigError, match=f"port {url.port} .* is in use by another program.*--port 0"):
            embedded.reach(home)
        with pytest.raises(ConfigError, match="Choose another with --port"):
            embedded.reach(home, taken_port := socket_port())
        other, restarted = embedded.reach(home, 0)
    assert restarted
    assert other.port not in (url.port, taken_port)
    with opened(other) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


def socket_port() -> int:
    """A port that stays in use while the tests run."""
    held = socket.create_server(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])


_held: list[socket.socket] = []


def test_two_projects_have_two_ports(home: Path, empty_home: Path) -> None:
    one, other = embedded.reach(home)[0], embedded.reach(empty_home)[0]
    assert one.port != other.port
    for url in (one, other):
        with opened(url) as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
    with pytest.raises(sa.exc.OperationalError, match="password authentication failed"):
        opened(one.set(port=other.port))


def test_each_form_holds_the_same_facts(home: Path) -> None:
    url, _ = embedded.reach(home)
    told = json.loads(command(home, "--json").stdout)
    assert make_url(told["url"]) == url.set(drivername="postgresql")
    assert (told["host"], told["port"], told["password"]) == (url.host, url.port, url.password)
    assert command(home, "--jdbc").stdout.strip() == told["jdbc"]
    lines = command(home, "--env").stdout
    shell = subprocess.check_output(["sh", "-c", f"{lines}\necho $PGHOST $PGPORT $PGUSER $PGPASSWORD $PGDATABASE"])
    assert shell.decode().split() == [url.host, str(url.port), url.username, url.password, url.database]


def test_an_exported_contract_names_the_server_that_other_tools_reach(home: Path) -> None:
    url, _ = embedded.reach(home)
    document = yaml.safe_load(command(home, "tlc__zones", group=("contract", "export")).stdout)
    [server] = document["servers"]
    assert (server["host"], server["port"], server["database"]) == (url.host, url.port, url.database)
    assert str(url.password) not in str(document)


def test_an_export_starts_no_server(tmp_path: Path) -> None:
    done = command(tmp_path / ".sluice", "tlc__zones", group=("contract", "export"))
    [server] = yaml.safe_load(done.stdout)["servers"]
    assert (server["host"], server["port"], server["database"]) == ("127.0.0.1", 5432, "sluice")
    assert not (tmp_path / ".sluice/postgres").exists()


@pytest.mark.parametrize("kept", ["0", "80", "70000", "-1", "x"])
def test_a_kept_port_that_cannot_be_one_is_as_none(tmp_path: Path, kept: str) -> None:
    (tmp_path / "port").write_text(f"{kept}\n")
    place = Place(tmp_path, tmp_path, None)
    place.make_socket_folder()
    assert (tcp.port(place), tcp.options(place)) == (None, "")
    assert tcp.keep_port(place, None) in tcp.PORTS


@pytest.mark.parametrize("wanted", [80, 1023, 70_000])
def test_a_port_that_cannot_be_one_is_refused(tmp_path: Path, wanted: int) -> None:
    with pytest.raises(ConfigError, match=f"port {wanted} cannot be used: choose one from 1024 to 65535"):
        tcp.keep_port(Place(tmp_path, tmp_path, None), wanted)


def test_a_session_that_is_idle_in_a_transaction_is_ended_after_a_minute(home: Path) -> None:
    url, _ = embedded.reach(home)
    with opened(url) as connection:
        assert connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "1min"


def test_psql_opens_as_the_reader(home: Path) -> None:
    done = command(home, "--psql", said="\\t on\nSELECT current_user, sum(n) FROM shown.numbers;\n")
    assert "sluice_reader |  10" in done.stdout, done.stderr


def test_the_server_stays_up_for_others_while_the_command_serves(empty_home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    call = [sys.executable, "-m", "sluice", "connect", "--serve"]
    environment |= {"SLUICE_HOME": str(empty_home)}
    serving = subprocess.Popen(call, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout
        url = make_url(serving.stdout.readline().strip()).set(drivername="postgresql+psycopg2")
        with opened(url) as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
    finally:
        serving.send_signal(signal.SIGINT)
    assert serving.wait(20) == 0
    deadline = time.monotonic() + 20
    while find_place(empty_home).pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(sa.exc.OperationalError, match="Connection refused"):
        opened(url)


def test_signs_in_a_password_survive_each_form() -> None:
    url = URL.create("postgresql+psycopg2", "a b", "p@ss/w:rd&'x y", "::1", 5432, "d?b", {"sslmode": "require"})
    address = ReaderAddress(url, ours=False)
    assert make_url(address.as_url()).password == url.password
    assert address.as_jdbc() == (
        "jdbc:postgresql://[::1]:5432/d%3Fb?user=a%20b&password=p%40ss%2Fw%3Ard%26%27x%20y&sslmode=require"
    )
    lines = address.as_environment().splitlines()
    assert "PGSSLMODE=require" in [shlex.split(line)[1] for line in lines]
    assert f"PGPASSWORD={url.password}" in [shlex.split(line)[1] for line in lines]


@pytest.mark.long
def test_a_jdbc_client_reads_by_the_url_for_jdbc(home: Path, tmp_path: Path) -> None:
    url = command(home, "--jdbc").stdout.strip()
    program = tmp_path / "Read.java"
    program.write_text(JDBC)
    call = ["java", "-cp", str(jdbc_driver(tmp_path)), str(program), url]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "sluice_reader 10", done.stderr


def jdbc_driver(folder: Path) -> Path:
    """PostgreSQL's JDBC driver: what SLUICE_JDBC_DRIVER names, Debian's, or from its package."""
    if shutil.which("java") is None:
        pytest.skip("no java is installed: apt-get install default-jdk-headless")
    for known in (os.environ.get("SLUICE_JDBC_DRIVER", ""), "/usr/share/java/postgresql.jar"):
        if Path(known).is_file():
            return Path(known)
    if shutil.which("apt-get"):
        subprocess.run(["apt-get", "download", "libpostgresql-jdbc-java"], cwd=folder, check=False, capture_output=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
            return next(each for each in (folder / "usr/share").rglob("postgresql*.jar") if not each.is_symlink())
    pytest.skip("no JDBC driver was found: install libpostgresql-jdbc-java, or name its jar in SLUICE_JDBC_DRIVER")
