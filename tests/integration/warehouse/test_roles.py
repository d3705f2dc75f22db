"""Who may do what: the loader, the transformer and the reader of a warehouse, tried statement by statement."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT
from sluice.contract.errors import ConfigError, ToolError
from sluice.contract.gate import Gate
from sluice.ledger import builds, schema
from sluice.marts.compare import compare
from sluice.runs import lifecycle
from sluice.warehouse import embedded
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import connect
from sluice.warehouse.embedded import users
from sluice.warehouse.postgres import mart_views, side_rights
from sluice.warehouse.postgres.roles import Roles, Separation
from sluice.warehouse.warehouse import Warehouse
from tests.conftest import new_database
from tests.integration.conftest import connector_for
from tests.support.parcels import GOOD, HEADER, parcels

PASSWORD = "p'w %s of them"
BAD = "x,2024-01-02 03:04:05,2024-01-09,1.5,12.30,true,fragile"
HELD = "staging.post__parcels__incoming_2024_02"
MAY: dict[str, Sequence[str]] = {
    "loader": (
        "SELECT * FROM staging.post__parcels",
        "INSERT INTO staging.post__parcels_copy SELECT 1",
        "ALTER TABLE staging.post__parcels ADD COLUMN more int",
        "DELETE FROM quarantine.post__parcels",
        f"SELECT * FROM {HELD}",
        "UPDATE ops.batches SET status = status",
        "CREATE OR REPLACE VIEW marts.fct AS SELECT * FROM marts__live.fct",
        "SELECT * FROM marts__a.fct",
        "DROP TABLE marts__a.fct CASCADE",
        "CREATE SCHEMA of_another_project",
        "CREATE TEMP TABLE canary (n int)",
        "SELECT count(*) FROM pg_stat_activity",
    ),
    "transformer": (
        "SELECT * FROM staging.post__parcels",
        "SELECT * FROM ops.batches",
        "SELECT * FROM ops.builds",
        "CREATE TABLE marts__a.made AS SELECT * FROM staging.post__parcels",
        "DROP TABLE marts__a.fct CASCADE",
        "CREATE VIEW marts__b.seen AS SELECT * FROM staging.post__parcels",
        "CREATE TEMP TABLE tried (n int)",
        "ANALYZE marts__a.fct",
    ),
    "reader": ("SELECT * FROM marts.fct", "SELECT n + 1 FROM marts.fct ORDER BY 1", "SELECT current_user"),
}
NOBODY_MAY = (
    "CREATE ROLE another",
    "ALTER ROLE current_user SUPERUSER",
    "SET ROLE {owner}",
    "CREATE DATABASE another",
    "ALTER SYSTEM SET fsync = off",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "COPY of_others.private FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM of_others.private",
    "CREATE TABLE public.left_behind (n int)",
    "SELECT * FROM pg_authid",
)
NO_WRITER_BUT_THE_LOADER = (
    "INSERT INTO staging.post__parcels (parcel_id, _batch) VALUES (1, '2024-01')",
    "UPDATE staging.post__parcels SET note = 'x'",
    "DELETE FROM staging.post__parcels",
    "TRUNCATE staging.post__parcels",
    "DROP TABLE staging.post__parcels",
    "ALTER TABLE staging.post__parcels ADD COLUMN more int",
    "CREATE TABLE staging.mine (n int)",
    f"SELECT * FROM {HELD}",
    "SELECT * FROM quarantine.post__parcels",
    "DELETE FROM quarantine.post__parcels",
    "UPDATE ops.batches SET status = 'published'",
    "INSERT INTO ops.outbox DEFAULT VALUES",
    "DELETE FROM ops.checks",
    "CREATE OR REPLACE VIEW marts.fct AS SELECT 2 AS n",
    "DROP VIEW marts.fct",
    "CREATE VIEW marts.mine AS SELECT 1 AS n",
    "CREATE SCHEMA mine",
    "SET ROLE {loader}",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{loader}'",
)
NO_READER = (
    "SELECT * FROM staging.post__parcels",
    "SELECT * FROM ops.batches",
    "SELECT * FROM marts__a.fct",
    "SELECT * FROM marts__live.fct",
    "CREATE TABLE marts__a.mine (n int)",
    "DELETE FROM marts__a.fct",
    "SET ROLE {transformer}",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{transformer}'",
)
MAY_NOT: dict[str, Sequence[str]] = {
    "loader": NOBODY_MAY,
    "transformer": (*NOBODY_MAY, *NO_WRITER_BUT_THE_LOADER),
    "reader": (*NOBODY_MAY, *NO_WRITER_BUT_THE_LOADER, *NO_READER),
}
REFUSED = "42501"  # PostgreSQL's insufficient_privilege


@dataclass
class Place:
    """A warehouse that one user made and filled, the owner who may make users, and the users that come.

    Attributes:
        admin: as a superuser, for what no user of the warehouse may do.
    """

    admin: sa.URL
    owner: sa.URL
    roles: Roles
    warehouse: Warehouse

    def urls(self) -> dict[str, sa.URL]:
        names = zip(("loader", "transformer", "reader"), self.roles.all, strict=True)
        return {kind: self.owner.set(username=name) for kind, name in names}

    def separate(self) -> list[str]:
        with self.warehouse.engine.begin() as connection:
            separation = Separation(connection, DEFAULT, self.roles)
            separation.users(dict.fromkeys(self.roles.all, PASSWORD))
            separation.contents()
        return separation.statements

    def opened(self, url: sa.URL) -> Warehouse:
        """By its three users, as one of them."""
        return connect(connector_for(url), "test", "postgres", dbt=sa.create_engine(self.urls()["transformer"]))


def run(url: sa.URL, *statements: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement.replace("%", "%%"))
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture(params=["embedded", "postgres15"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    servers = {"embedded": "postgres_url", "postgres15": "postgres15_url"}
    with new_database(request.getfixturevalue(servers[request.param])) as admin:
        name = admin.database
        roles, owner = Roles(f"l_{name}", f't "{name}"', f"r_{name}"), f"o_{name}"
        run(admin, f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'pw'", f"ALTER DATABASE {name} OWNER TO {owner}")
        run(admin, "CREATE SCHEMA of_others", "CREATE TABLE of_others.private (n text)")
        url = admin.set(username=owner, password="pw")
        opened = connect(connector_for(url), "test", "postgres")
        try:
            yield Place(admin, url.set(password=PASSWORD), roles, opened)
        finally:
            opened.engine.dispose()
            quote = sa.create_engine(admin).dialect.identifier_preparer.quote_identifier
            gone = [quote(each) for each in (*roles.all, owner)]
            run(admin, *(f"REASSIGN OWNED BY {each} TO CURRENT_USER" for each in gone if each_exists(admin, each)))
            run(admin, *(f"DROP OWNED BY {each}" for each in gone if each_exists(admin, each)))
            run(admin, *(f"DROP ROLE IF EXISTS {each}" for each in gone))


def each_exists(admin: sa.URL, quoted: str) -> bool:
    return run(admin, f"SELECT to_regrole('{quoted}') IS NOT NULL") == [(True,)]


@pytest.fixture
def warehouse(place: Place) -> Warehouse:
    """What `deliver` fills: that of one user."""
    with place.warehouse.engine.begin() as connection:
        schema.create(connection)
    return place.warehouse


def file(folder: Path, *lines: str) -> Path:
    path = folder / f"parcels_{len(list(folder.iterdir()))}.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


@pytest.fixture
def filled(place: Place, deliver: Callable, tmp_path: Path) -> Place:
    """Published rows, rejected ones, held ones, and a mart that readers have."""
    contract = replace(parcels(), gate=Gate(max_rejected=0.05))
    good = [f"{number}{GOOD[1:]}" for number in range(40)]
    assert deliver(contract, "2024-01", file(tmp_path, *good, BAD)).decision.open
    assert not deliver(contract, "2024-02", file(tmp_path, *good, BAD, BAD, BAD, BAD)).decision.open
    with place.warehouse.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE marts__a.fct AS SELECT 1 AS n"))
        mart_views.point(connection, "marts__a", ["fct"], 200, {})
        side_rights.forbid(connection, "marts__a")
        connection.execute(sa.text("CREATE TABLE staging.post__parcels_copy (n int)"))
    return place


def fate(engine: sa.Engine, statement: str) -> str:
    """What became of a statement that is taken back: `done`, or the code of PostgreSQL's error."""
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("SET default_transaction_read_only = off")  # which a reader may change
            connection.commit()
            if statement.startswith(("CREATE DATABASE", "ALTER SYSTEM")):
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(statement)
            connection.rollback()
        except sa.exc.DBAPIError as error:
            return str(getattr(error.orig, "pgcode", error.orig))
    return "done"


def test_each_user_may_do_what_it_needs_and_nothing_else(filled: Place) -> None:
    filled.separate()
    with filled.opened(filled.urls()["loader"]).engine.begin() as connection:
        side_rights.allow(connection, "marts__a")  # as at the start of a build
    names = dict(zip(("loader", "transformer", "reader"), filled.roles.all, strict=True))
    names = {kind: name.replace('"', '""') for kind, name in names.items()} | {"owner": str(filled.owner.username)}
    engines = {kind: sa.create_engine(url) for kind, url in filled.urls().items()}
    kept = [engine.connect() for engine in engines.values()]  # sessions that others could end
    wrong = []
    for kind, engine in engines.items():
        for statement in MAY[kind]:
            if (found := fate(engine, statement)) != "done":
                wrong.append(f"{kind} may not {statement}: {found}")
        for statement in MAY_NOT[kind]:
            words = statement.format(**{each: f'"{name}"' for each, name in names.items()})
            if "pg_terminate" in statement:
                words = statement.format(**{each: name.replace('""', '"') for each, name in names.items()})
            if (found := fate(engine, words)) != REFUSED:
                wrong.append(f"{kind} may {words}: {found}")
    assert not wrong, "\n".join(wrong)
    for connection in kept:
        connection.close()
    for engine in engines.values():
        engine.dispose()


def test_what_comes_later_has_the_same_rights(filled: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    filled.separate()
    urls = filled.urls()
    filled.warehouse = loader = filled.opened(urls["loader"])
    transformer, reader = sa.create_engine(urls["transformer"]), sa.create_engine(urls["reader"])
    with loader.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE ops.of_a_newer_version (n int)"))
        side_rights.allow(connection, "marts__b")
    with transformer.begin() as connection:
        for name in ("dim", "fct"):
            connection.execute(sa.text(f"CREATE TABLE marts__b.{name} AS SELECT 7 AS n"))
    with loader.engine.begin() as connection:
        mart_views.point(connection, "marts__b", ["dim", "fct"], 200, {})
        side_rights.forbid(connection, "marts__b")
    loader.data.make_tables(loader.engine, another := replace(parcels(), entity="letters"))
    with loader.engine.begin() as connection:
        loader.data.start(connection, another, Batch(another.dataset_id, "2024-03", 1))
    assert fate(reader, "SELECT n FROM marts.dim") == "done"
    assert fate(transformer, "SELECT * FROM ops.of_a_newer_version") == "done"
    assert fate(transformer, "SELECT * FROM staging.post__letters") == "done"
    assert fate(transformer, "SELECT * FROM staging.post__letters__incoming_2024_03") == REFUSED
    # what is live, dbt's user does not write to, whatever it holds
    assert fate(transformer, "INSERT INTO marts__b.dim VALUES (8)") == REFUSED
    assert fate(transformer, "CREATE TABLE marts__b.another (n int)") == REFUSED
    for engine in (loader.engine, transformer, reader):
        engine.dispose()


def test_what_a_model_calls_when_the_marts_are_compared_has_no_more_rights_than_dbt(filled: Place) -> None:
    filled.separate()
    filled.warehouse = loader = filled.opened(filled.urls()["loader"])
    with loader.engine.begin() as connection:
        side_rights.allow(connection, "marts__b")
        build = builds.begin(connection, "marts__b", "p", [], None)
    write = "UPDATE ops.batches SET status = 'published' WHERE status = 'held'"
    run(
        filled.urls()["transformer"],
        f"CREATE FUNCTION marts__b.f() RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN {write}; RETURN NEXT 1; END $$",
        "CREATE VIEW marts__b.fct AS SELECT * FROM marts__b.f() AS n",
        "SELECT 1",
    )
    model = {"unique_id": "model.p.fct", "resource_type": "model", "name": "fct", "alias": "fct", "schema": "marts__b"}
    model |= {"constraints": [], "fqn": ["p", "marts", "fct"], "path": "marts/fct.sql", "package_name": "p", "tags": []}
    model |= {"original_file_path": "models/marts/fct.sql", "config": {}}
    with pytest.raises(ToolError, match=r"permission denied|read-only transaction"):
        compare(loader, build, "marts__b", "p", {"nodes": {"model.p.fct": model}})
    assert run(filled.admin, "SELECT count(*) FROM ops.batches WHERE status = 'held'") == [(1,)]
    loader.engine.dispose()


def test_a_mart_that_is_gone_and_one_with_other_columns_are_published_where_nobody_may_write_to_what_is_live(
    filled: Place,
) -> None:
    filled.separate()
    urls = filled.urls()
    filled.warehouse = loader = filled.opened(urls["loader"])
    transformer, reader = sa.create_engine(urls["transformer"]), sa.create_engine(urls["reader"])
    with loader.engine.begin() as connection:
        side_rights.forbid(connection, "marts__a")
        side_rights.allow(connection, "marts__b")
    with transformer.begin() as connection:
        connection.execute(sa.text("CREATE TABLE marts__b.fct AS SELECT 'seven' AS n"))
    with loader.engine.begin() as connection:
        mart_views.point(connection, "marts__b", ["fct"], 200, {})
        side_rights.forbid(connection, "marts__b")
    with loader.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT n FROM marts.fct")) == "seven"
        assert sa.inspect(connection).get_view_names("marts") == ["fct"]
    for engine in (loader.engine, transformer, reader):
        engine.dispose()


def test_a_warehouse_goes_over_once_with_all_it_holds_and_a_loader_goes_on_with_it(
    filled: Place, tmp_path: Path
) -> None:
    before = run(filled.admin, "SELECT count(*), sum(parcel_id) FROM staging.post__parcels")
    first = filled.separate()
    assert any(each.startswith("ALTER table staging.post__parcels OWNER") for each in first), first
    assert PASSWORD not in "".join(first)
    assert filled.separate() == [], "there is nothing left to do"
    owners = run(
        filled.admin,
        "SELECT DISTINCT nspname, pg_get_userbyid(relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p', 'v') AND nspname = ANY(ARRAY['staging', 'quarantine', 'ops', 'marts', 'marts__a',"
        " 'marts__live'])",
    )
    loader, transformer, _ = filled.roles.all
    whose = dict.fromkeys(("staging", "quarantine", "ops", "marts", "marts__live"), loader)
    assert dict(owners) == {**whose, "marts__a": transformer}
    assert run(filled.admin, "SELECT count(*), sum(parcel_id) FROM staging.post__parcels") == before
    opened = filled.opened(filled.urls()["loader"])  # it may make and change what a night does
    opened.data.make_tables(opened.engine, parcels())
    with opened.engine.begin() as connection:
        opened.data.start(connection, parcels(), Batch("post__parcels", "2024-05", 1))
        schema.create(connection)
    opened.engine.dispose()
    filled.warehouse.engine.dispose()  # and a run of the former owner that is under way ends well
    assert run(filled.warehouse.url, "DELETE FROM staging.post__parcels WHERE false", "SELECT 1") == [(1,)]


def test_runs_that_do_not_name_dbts_user_are_refused_for_what_they_built_would_be_of_no_use(filled: Place) -> None:
    filled.separate()
    for user in (filled.urls()["loader"], filled.warehouse.url):
        with pytest.raises(ConfigError, match=r"the sides of the marts belong to .* SLUICE_TRANSFORMER"):
            connect(connector_for(user), "test", "postgres")
    looked = connect(connector_for(filled.urls()["loader"]), "test", "postgres", readonly=True)
    looked.engine.dispose()


def test_a_user_whom_no_right_binds_is_refused_and_nothing_is_changed(filled: Place) -> None:
    filled.roles = Roles("postgres", "t_never", "r_never")
    with pytest.raises(ConfigError, match=r"'postgres' is a superuser, .* no right binds it"):
        filled.separate()
    assert run(filled.admin, "SELECT count(*) FROM pg_roles WHERE rolname LIKE '%_never'") == [(0,)]


def test_setup_separates_the_users_of_blocks_after_a_dry_run_that_changes_nothing(
    filled: Place, sluice: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(filled.owner.database).replace("_", "-")
    connector_for(filled.warehouse.url).save(f"o-{name}")
    for kind, url in filled.urls().items():
        connector_for(url).save(f"{kind}-{name}")
    variables = {"SLUICE_WAREHOUSE": "loader", "SLUICE_TRANSFORMER": "transformer", "SLUICE_READER": "reader"}
    for variable, kind in variables.items():
        monkeypatch.setenv(variable, f"{kind}-{name}")
    monkeypatch.delenv("SLUICE_OWNER", raising=False)
    said = sluice("setup", "--roles", "--yes")
    assert (said.code, "SLUICE_OWNER not set" in said.out) == (5, True), said.out
    monkeypatch.setenv("SLUICE_OWNER", f"o-{name}")

    with lifecycle.running(filled.warehouse, "a night of the former owner"):
        said = sluice("setup", "--roles", "--yes")
    assert (said.code, "another run is in progress" in said.out + said.err) == (3, True), said.out + said.err

    tried = sluice("setup", "--roles", "--dry-run", "--json")
    assert tried.code == 0, tried.out + tried.err
    wanted = [each["found"] for each in json.loads(tried.out)]
    assert any("would run: ALTER table staging.post__parcels OWNER TO" in each for each in wanted), wanted
    assert not each_exists(filled.admin, f'"{filled.roles.loader}"')

    done = sluice("setup", "--roles", "--json")
    assert done.code == 0, done.out + done.err
    ran = [each["found"] for each in json.loads(done.out) if each["area"] == "roles"]
    assert [each.replace("would run", "ran") for each in wanted] == ran
    assert PASSWORD not in tried.out + done.out
    assert "nothing to change" in sluice("setup", "--roles", "--json").out
    shown = sluice("sql", "--json", "select n from marts.fct")
    assert (shown.code, json.loads(shown.out)) == (0, [{"n": 1}]), shown.err
    hidden = sluice("sql", "select * from quarantine.post__parcels")
    assert hidden.code == 3
    assert "permission denied for schema quarantine" in hidden.err
    assert "sluice sql --as-owner" in hidden.err
    seen = sluice("sql", "--as-owner", "--json", "select count(*) as n from quarantine.post__parcels")
    assert json.loads(seen.out) == [{"n": 45}], seen.err  # one of January, and all 44 of the batch that is held


def test_a_new_embedded_warehouse_has_the_users_from_the_start_and_an_older_one_goes_on_with_its_own(
    tmp_path: Path,
) -> None:
    home = tmp_path / ".sluice"
    try:
        owner = embedded.start(home)
        run(owner, "CREATE SCHEMA ops", "COMMENT ON SCHEMA ops IS 'Made by Sluice for project older'")
        assert users.urls(home, DEFAULT) == (owner, owner)
        run(owner, "DROP SCHEMA ops")
        assert users.urls(home) == (owner, owner), "who only looks makes no users"
        runs, dbt = users.urls(home, DEFAULT)
        assert (runs.username, dbt.username) == ("sluice_loader", "sluice_transformer")
        assert run(runs, "SELECT current_setting('is_superuser')", "SELECT current_user::text") == [("sluice_loader",)]
        assert users.urls(home) == (runs, dbt)
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            run(owner.set(username="sluice_reader"), "SELECT * FROM pg_authid")
    finally:
        embedded.remove(home)
