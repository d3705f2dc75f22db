"""A backup brings the whole warehouse into another server; a failure leaves no half of a file or a warehouse."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa

from sluice.contract.errors import ConfigError, ToolError
from sluice.ledger import builds, schema, tables
from sluice.project import paths
from sluice.warehouse import backup as saving
from sluice.warehouse import connection, dumped, embedded
from sluice.warehouse.embedded.location import INSTALLS, MAJOR, data_major, find_place, wheel_binaries
from sluice.warehouse.warehouse import Warehouse
from tests.conftest import new_database
from tests.integration.conftest import connector_for
from tests.support import taxi
from tests.support.documented import json_fields
from tests.support.parcels import GOOD, HEADER, parcels
from tests.support.postgres15 import PASSWORD

COUNTS = "SELECT count(*), sum(rows_read) FROM ops.batches"


@pytest.fixture(params=["embedded", "postgres15"])
def another(request: pytest.FixtureRequest) -> Iterator[sa.URL]:
    """An empty database on each kind of server, to restore into."""
    servers = {"embedded": "postgres_url", "postgres15": "postgres15_url"}
    with new_database(request.getfixturevalue(servers[request.param])) as url:
        yield url


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[sa.URL], None]:
    """Let the command line use this database from now on."""

    def name(url: sa.URL) -> None:
        block = f"warehouse-{str(url.database).replace('_', '-')}"
        connector_for(url).save(block, overwrite=True)
        monkeypatch.setenv("SLUICE_WAREHOUSE", block)

    return name


def counted(url: sa.URL, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as opened:
        return [tuple(row) for row in opened.execute(sa.text(query))]


@pytest.mark.long
def test_after_a_restore_into_another_server_a_run_finds_nothing_new(
    sluice, database: sa.URL, another: sa.URL, use, tmp_path: Path
) -> None:
    taxi.csv(tmp_path / "2019-01.csv.gz", [*taxi.trips("2019-01", 50), *taxi.trips("2019-01", 1, passengers=0)])
    run = ("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv.gz"))
    assert sluice(*run).code == 0
    file = tmp_path / "warehouse.dump"
    saved = sluice("backup", str(file), "--json")
    assert saved.code == 0, saved.err
    assert json.loads(saved.out) == {"file": str(file), "bytes": file.stat().st_size}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    use(another)
    assert set(json.loads(saved.out)) == json_fields()["backup"]
    restored = sluice("restore", str(file), "--json")
    assert restored.code == 0, restored.err
    assert set(json.loads(restored.out)) == json_fields()["restore"]
    assert json.loads(restored.out) == {"file": str(file), "batches": 1, "marts": "marts__a"}
    again = sluice(*run)
    assert again.code == 0, again.err
    assert "Nothing new: 1 batch checked" in again.out
    for query in (COUNTS, "SELECT count(*) FROM marts.fct_trips", "SELECT * FROM quarantine.tlc__yellow_trips"):
        assert counted(another, query) == counted(database, query)
    assert counted(another, "SELECT count(*) FROM marts.fct_trips") == [(50,)]


@pytest.fixture
def filled(warehouse: Warehouse, deliver, tmp_path: Path) -> Warehouse:
    """A warehouse with one small batch, on each kind of server."""
    file = tmp_path / "2024-01.csv"
    file.write_text(f"{HEADER}\n{GOOD}\n")
    deliver(parcels(), "2024-01", file)
    return warehouse


@pytest.fixture
def empty(postgres_url: sa.URL) -> Iterator[Warehouse]:
    with new_database(postgres_url) as url:
        opened = connection.connect(connector_for(url), "empty", "postgres")
        yield opened
        opened.engine.dispose()


def rows_of(warehouse: Warehouse) -> int:
    with warehouse.engine.connect() as opened:
        return int(opened.scalar(sa.text("SELECT count(*) FROM staging.post__parcels")) or 0)


def test_a_warehouse_that_holds_data_is_not_restored_over(filled: Warehouse, tmp_path: Path) -> None:
    saving.backup(filled.url, tmp_path / "a.dump")
    with pytest.raises(ConfigError, match=r"holds data \(ops.batches, ops.checks.*Nothing was changed"):
        saving.restore(filled, tmp_path / "a.dump")
    assert rows_of(filled) == 1


def test_snapshots_are_in_a_backup_and_what_views_read_elsewhere_is_named_and_must_be_there_first(
    filled: Warehouse, empty: Warehouse, tmp_path: Path
) -> None:
    file, schemas = tmp_path / "a.dump", paths.project().settings.schemas
    raw = "CREATE SCHEMA raw; CREATE TABLE raw.orders AS SELECT 1 AS a"
    with filled.engine.begin() as opened:
        opened.execute(sa.text(f"{raw}; CREATE VIEW marts__a.orders AS SELECT * FROM raw.orders"))
        opened.execute(sa.text("CREATE SCHEMA history; CREATE TABLE history.names AS SELECT 'old' AS name"))
        nodes = {"names": {"resource_type": "snapshot", "schema": "history"}}
        build = builds.begin(opened, "marts__a", "project", [], None)
        builds.finish(opened, build, "passed", json.dumps({"nodes": nodes}).encode())
    saving.backup(filled.url, file)
    assert dumped.read_outside(filled.url, schemas) == ["raw.orders"]
    with pytest.raises(ConfigError, match=r"views of a\.dump read .raw\.orders., which is not in it"):
        saving.restore(empty, file)
    with empty.engine.begin() as opened:
        opened.execute(sa.text(raw))
    saving.restore(empty, file)
    with empty.engine.connect() as opened:
        assert opened.scalar(sa.text("SELECT name FROM history.names")) == "old"


def test_a_damaged_file_restores_nothing_and_what_is_no_backup_is_named(
    filled: Warehouse, empty: Warehouse, tmp_path: Path
) -> None:
    file, cut = tmp_path / "a.dump", tmp_path / "cut.dump"
    saving.backup(filled.url, file)
    cut.write_bytes(file.read_bytes()[: -len(file.read_bytes()) // 10])
    with pytest.raises((ToolError, ConfigError), match=r"cut\.dump"):
        saving.restore(empty, cut)
    (tmp_path / "text.dump").write_text("SELECT 1;")
    for name, said in (
        ("text.dump", "is not a backup that this version"),
        ("none.dump", "there is no file"),
    ):
        with pytest.raises(ConfigError, match=said):
            saving.restore(empty, tmp_path / name)
    assert counted(empty.url, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('staging', 'ops')") == [(0,)]
    saving.restore(empty, file)  # it is as empty as it was
    assert rows_of(empty) == 1


def test_a_role_that_is_missing_is_named_and_can_be_left_out(
    filled: Warehouse, empty: Warehouse, tmp_path: Path
) -> None:
    role, file = f"reader_{filled.url.database}", tmp_path / "a.dump"
    superuser = sa.create_engine(filled.url.set(username="postgres"), poolclass=sa.NullPool)
    with superuser.begin() as opened:
        opened.execute(sa.text(f"CREATE ROLE {role}"))
        opened.execute(sa.text(f"GRANT USAGE ON SCHEMA marts TO {role}"))
    try:
        saving.backup(filled.url, file)
    finally:
        with superuser.begin() as opened:
            opened.execute(sa.text(f"DROP OWNED BY {role}"))
            opened.execute(sa.text(f"DROP ROLE {role}"))
    with pytest.raises(ConfigError, match=f'role "{role}".*--no-grants'):
        saving.restore(empty, file)
    saving.restore(empty, file, grants=False)
    assert rows_of(empty) == 1


def test_a_backup_that_fails_keeps_the_older_file_and_leaves_no_other(filled: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    saving.backup(filled.url, folder / "a.dump")
    before = (folder / "a.dump").read_bytes()
    lost = filled.url.set(host="127.0.0.1", port=9, query={}, password="hunter2 secret")
    with pytest.raises(ToolError, match=r"cannot be looked up: .*refused") as caught:
        saving.backup(lost, folder / "a.dump")
    assert "hunter2" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["a.dump"]
    assert (folder / "a.dump").read_bytes() == before
    with pytest.raises(ConfigError, match="a folder that exists"):
        saving.backup(filled.url, tmp_path / "nowhere" / "a.dump")


def test_no_password_is_on_a_command_line(postgres15_url: sa.URL, tmp_path: Path) -> None:
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in psutil.process_iter(["name", "cmdline"]):
                if process.info["name"] == "pg_dump":
                    seen.append(" ".join(process.info["cmdline"] or ()))

    with new_database(postgres15_url) as url:
        connection.connect(connector_for(url), "test", "postgres")
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            while not seen:
                saving.backup(url, tmp_path / "a.dump")
        finally:
            over.set()
            watcher.join()
    assert PASSWORD not in "".join(seen)


def test_a_server_newer_than_pg_dump_is_named_with_what_to_do(
    database: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "wheel_binaries", lambda: wheel_binaries(min(INSTALLS)))
    with pytest.raises(ToolError, match=r"the server is newer than .* pg_dump --format=custom"):
        saving.backup(database, tmp_path / "a.dump")
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_has_the_majors_that_are_expected() -> None:
    for major in INSTALLS:
        said = subprocess.check_output([wheel_binaries(major) / "postgres", "--version"], text=True)
        assert f"(PostgreSQL) {major}." in said
    assert max(INSTALLS) == MAJOR


@pytest.fixture
def home_of_16(tmp_path: Path) -> Iterator[Path]:
    """A project's home whose embedded server is of an older major, with one batch in its ledger."""
    home, older = tmp_path / "home", min(INSTALLS)
    paths.make_home(home)
    place = find_place(home, older)
    place.own(place.data)
    place.run("initdb", "-D", str(place.data), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
    with (place.data / "postgresql.conf").open("a") as settings:
        settings.write("include '../embedded.conf'\n")
    with embedded.as_it_is(home) as url:
        opened = connection.connect(connector_for(url), "older", "embedded")
        facts = {"address": "test", "bytes": 1, "sha256": "0", "contract_version": "1"}
        rows = {"rows_read": 0, "rows_accepted": 0, "rows_rejected": 0}
        with opened.engine.begin() as session:
            schema.create(session)
            load = tables.batches.insert().values(dataset="d", batch="all", status="published", **facts, **rows)
            session.execute(load)
        opened.engine.dispose()
    yield home
    embedded.remove(home)


def test_data_of_another_major_is_refused_untouched_and_comes_over_by_backup_and_restore(
    home_of_16: Path, sluice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, older = home_of_16, min(INSTALLS)
    monkeypatch.delenv("SLUICE_WAREHOUSE")
    monkeypatch.delenv("SLUICE_READER")
    assert data_major(home) == older
    before = files(home)
    for command in (("status",), ("run",), ("restore", str(tmp_path / "none.dump"))):
        refused = sluice(*command)
        assert refused.code == 5, refused.err
        for part in (f"PostgreSQL {older}", f"PostgreSQL {MAJOR}", "sluice backup FILE", "sluice restore FILE", "mv "):
            assert part in refused.err
    assert files(home) == before

    saved = sluice("backup", str(tmp_path / "older.dump"))
    assert saved.code == 0, saved.err
    assert not (home / "postgres" / "data" / "postmaster.pid").exists(), "the old server still runs"
    shutil.move(home / "postgres", home / f"postgres-{older}")
    restored = sluice("restore", str(tmp_path / "older.dump"))
    assert restored.code == 0, restored.err
    assert "1 published batch" in restored.out
    assert data_major(home) == MAJOR
    shutil.rmtree((home / f"postgres-{older}").resolve())


def files(home: Path) -> dict[str, int]:
    found = {path for path in home.rglob("*") if path.is_file()}
    found |= {path for path in (home / "postgres").resolve().rglob("*") if path.is_file()}
    return {str(path): path.stat().st_mtime_ns for path in found}
