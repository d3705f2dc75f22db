"""A run that was stopped and overtaken changes nothing that readers have, wherever it was, once it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from sluice.alerts import incidents
from sluice.contract.derive.schemas import DEFAULT
from sluice.contract.errors import DataError, Overtaken, ToolError
from sluice.doctor import database
from sluice.ledger import builds, write_right
from sluice.marts import build, candidate, restore_views
from sluice.marts.dbt import run as dbt_run
from sluice.warehouse.postgres import locks, side_rights
from tests.integration.marts.test_marts import Night, dsn
from tests.integration.marts.test_sides import Nights
from tests.support import stopped_run
from tests.support.repository import ROOT

POINTS = ("row", "parse", "node", "backup", "compare", "publish")
QUICK = ("node",)


@contextmanager
def stopped(nights: Nights, point: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has stopped itself at this point, and whose locks are gone: its link broke meanwhile, say."""
    address = nights.warehouse.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", stopped_run.__name__, address, str(nights.project), point]
    environment = {**os.environ, "SLUICE_HOME": os.environ["SLUICE_HOME"] + "-stopped", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        wait_until(lambda: is_stopped(process))
        end_lock_on_dbt(nights)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def is_stopped(process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def end_lock_on_dbt(nights: Nights) -> None:
    query = sa.text(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted AND "
        "objid = (hashtextextended(:name, 0) & 4294967295)::oid"
    )
    with nights.warehouse.engine.begin() as connection:
        assert connection.scalars(query, {"name": locks.name_of(connection, "dbt")}).all() == [True]


def state(nights: Nights, side: str) -> list[tuple[object, ...]]:
    """Every relation of a side: its number, its file, and a sum over its rows."""
    query = sa.text(
        "SELECT relname, oid, relfilenode FROM pg_class "
        "WHERE relnamespace = CAST(:side AS regnamespace) AND relkind IN ('r', 'v') ORDER BY 1"
    )
    rows = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {}.{} t"
    with nights.warehouse.engine.connect() as connection:
        found = connection.execute(query, {"side": side}).all()
        return [(*each, connection.scalar(sa.text(rows.format(side, each.relname)))) for each in found]


def resume(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGCONT)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 3, said + errors
    return said.splitlines()[-1]


def open_incidents(nights: Nights) -> list[str]:
    with nights.warehouse.engine.connect() as connection:
        return [row.kind for row in incidents.open_now(connection)]


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=() if point in QUICK else pytest.mark.long) for point in POINTS]
)
def test_an_overtaken_run_leaves_the_live_side_as_it_is(nights: Nights, point: str) -> None:
    nights.load("2019-01", [1, 2])
    nights.night()
    nights.load("2019-02", [3])
    nights.night()
    nights.load("2019-03", [4])
    with stopped(nights, point) as process:
        built = nights.night()
        before, seen = state(nights, built.side), nights.fares()
        assert "Overtaken" in resume(process)
    assert state(nights, built.side) == before
    assert nights.fares() == seen == {"2019-01": [1, 2], "2019-02": [3], "2019-03": [4]}
    assert open_incidents(nights) == []
    assert not build.due(nights.warehouse)


@pytest.mark.long
@pytest.mark.parametrize("point", ["row", "node"])
def test_nor_after_a_successor_whose_tests_fail_and_a_third_run_on_the_same_side(
    nights: Nights,
    point: str,
) -> None:
    nights.load("2019-01", [1, 2])
    nights.night()
    nights.load("2019-02", [3])
    with stopped(nights, point) as process:
        nights.load("2019-02", [None])
        with pytest.raises(DataError):
            nights.night()
        nights.load("2019-02", [5])
        built = nights.night()
        before = state(nights, built.side)
        assert "Overtaken" in resume(process)
    assert state(nights, built.side) == before
    assert nights.fares() == {"2019-01": [1, 2], "2019-02": [5]}


def test_each_session_of_dbt_holds_the_right_to_write_and_none_is_left_at_the_end(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.adapters.postgres import PostgresAdapter

    nights.load("2019-01", [1])
    held: list[int] = []
    query = sa.text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND "
        "objid = (hashtextextended('sluice:write marts__a', 0) & 4294967295)::oid"
    )

    def look() -> int:
        with nights.warehouse.engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    monkeypatch.setattr(PostgresAdapter, "post_model_hook", lambda *_: held.append(look()))
    with nights.warehouse.lock("dbt"):
        built = build.build(nights.warehouse, None)
    assert min(held) >= 1
    assert look() == 0
    candidate.publish(nights.warehouse, built, None)


def test_dbt_without_a_build_as_its_docs_and_freshness_are_made_may_only_read(nights: Nights) -> None:
    nights.load("2019-01", [1])
    built = nights.night()
    before = state(nights, built.side)
    with nights.warehouse.engine.begin() as connection:  # so that only the session itself stands against a write
        side_rights.allow(connection, built.side)
    with pytest.raises(ToolError, match="read-only transaction"):
        dbt_run.run_dbt(["run"], dbt_run.on_side(nights.warehouse, built.side))
    assert state(nights, built.side) == before


def test_a_session_of_an_older_build_or_of_none_may_not_write(night: Night) -> None:
    night.publish()
    with night.warehouse.engine.begin() as connection:
        older = builds.begin(connection, "marts__b", "project", [], None)
        newer = builds.begin(connection, "marts__b", "project", [], None)
    with pytest.raises(Overtaken, match="A later run took over"):
        write_right.take(psycopg2.connect(dsn(night)), "marts__b", older, "ops")
    write_right.take(psycopg2.connect(dsn(night)), "marts__b", newer, "ops")
    with night.warehouse.engine.begin() as connection:
        builds.finish(connection, newer, "passed")
    with pytest.raises(Overtaken):
        write_right.take(psycopg2.connect(dsn(night)), "marts__b", newer, "ops")


def test_who_takes_over_ends_the_sessions_of_that_side_and_no_others(night: Night) -> None:
    with night.warehouse.engine.begin() as connection:
        build_id = builds.begin(connection, "marts__a", "project", [], None)
    of_a, of_b = psycopg2.connect(dsn(night)), psycopg2.connect(dsn(night))
    write_right.take(of_a, "marts__a", build_id, "ops")
    write_right.take(of_b, "marts__b", build_id, "ops")
    write_right.clear(night.warehouse, "marts__a")
    with pytest.raises(psycopg2.OperationalError):
        of_a.cursor().execute("SELECT 1")
    of_b.cursor().execute("SELECT 1")


@pytest.fixture
def ordinary(night: Night) -> Iterator[Night]:
    """The same warehouse by a user who is no superuser."""
    from dataclasses import replace

    from sluice.warehouse.connection import connect
    from tests.integration.conftest import connector_for

    url, role = night.warehouse.url, f"loader_{night.warehouse.url.database}"
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f'ALTER DATABASE "{url.database}" OWNER TO {role}'))
        for name in night.warehouse.schemas.all:
            connection.execute(sa.text(f"ALTER SCHEMA {name} OWNER TO {role}"))
        tables = connection.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'ops'")).all()
        for table in tables:
            connection.execute(sa.text(f"ALTER TABLE ops.{table} OWNER TO {role}"))
    opened = replace(night, warehouse=connect(connector_for(url.set(username=role)), "test", "postgres"))
    yield opened
    opened.warehouse.engine.dispose()
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"REASSIGN OWNED BY {role} TO CURRENT_USER"))
        connection.execute(sa.text(f"DROP OWNED BY {role}"))
        connection.execute(sa.text(f"DROP ROLE {role}"))


def test_an_ordinary_user_may_write_to_the_candidate_only_and_no_revoke_waits_for_a_reader(ordinary: Night) -> None:
    ordinary.publish()
    reader = psycopg2.connect(dsn(ordinary))
    reader.cursor().execute("SELECT * FROM marts.zones")  # and its transaction stays open
    with ordinary.warehouse.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '1ms'"))
        write_right.shut(connection, "marts__a")  # again, though somebody reads it
    reader.close()
    for statement in (
        "CREATE TABLE marts__a.zones__dbt_tmp AS SELECT 1 AS n",
        "ALTER TABLE marts__a.zones RENAME TO zones__dbt_backup",
        "INSERT INTO marts__a.zones VALUES (1, 1)",
        "DELETE FROM marts__a.zones",
        "UPDATE marts__a.zones SET v = 9",
        "TRUNCATE marts__a.zones",
    ):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), ordinary.warehouse.engine.begin() as c:
            c.execute(sa.text(statement))
    ordinary.publish()
    write_right.clear(ordinary.warehouse, "marts__a")
    ordinary.publish()
    assert ordinary.seen() == {3}


def test_a_view_that_was_dropped_or_changed_is_put_back_and_reported(night: Night) -> None:
    night.publish()
    night.publish()
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text("DROP VIEW marts__live.zones CASCADE"))
        connection.execute(sa.text("CREATE OR REPLACE VIEW marts__live.trips AS SELECT n, v FROM marts__a.trips"))
    (finding,) = database.marts(night.warehouse)
    assert (finding.verdict, "marts.zones is missing" in finding.found) == ("fail", True)
    with night.warehouse.lock("dbt"):
        found = restore_views.put_back(night.warehouse)
    assert found == ("marts.trips shows marts__a.trips, not marts__b.trips", "marts.zones is missing")
    assert night.seen() == {2}
    with night.warehouse.engine.connect() as connection:
        told = connection.execute(sa.text("SELECT kind, resolved_as, facts ->> 'reasons' FROM ops.incidents")).all()
        sent = connection.scalars(sa.text("SELECT DISTINCT stage FROM ops.outbox ORDER BY stage")).all()
    assert [row[:2] for row in told] == [("marts_damaged", "recovered")]
    assert "marts.zones is missing" in told[0][2]
    assert sent == ["first", "recovery"]
    assert not restore_views.damaged(night.warehouse)
    assert [each.verdict for each in database.marts(night.warehouse)] == ["ok"]


@pytest.mark.parametrize("how", ["put back by the next run", "made by the next publish"])
def test_a_view_that_was_dropped_has_the_grants_again_that_the_last_run_saw(night: Night, how: str) -> None:
    url = night.warehouse.url
    one, gone = f"reader_of_{url.database}", f"gone_of_{url.database}"
    may = "SELECT has_table_privilege('{}', 'marts.{}', 'SELECT')"

    def do(*statements: str) -> None:
        with night.warehouse.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def readable(role: str, view: str) -> bool:
        with night.warehouse.engine.begin() as connection:
            return bool(connection.scalar(sa.text(may.format(role, view))))

    night.publish()
    do(f'CREATE ROLE "{one}"', f'CREATE ROLE "{gone}"')
    try:
        do(f'GRANT SELECT ON marts.zones TO "{one}", "{gone}"', f'GRANT SELECT ON marts.trips TO "{gone}"')
        assert not restore_views.damaged(night.warehouse)  # as every run looks
        do("GRANT SELECT ON marts.trips TO PUBLIC", f'REVOKE SELECT ON marts.zones FROM "{gone}"')
        assert not restore_views.damaged(night.warehouse)
        do("DROP VIEW marts.zones, marts.trips", f'DROP ROLE "{gone}"')
        if how == "put back by the next run":
            with night.warehouse.lock("dbt"):
                restore_views.put_back(night.warehouse)
        else:
            night.publish()
        assert (readable(one, "zones"), readable(one, "trips")) == (True, True)
        night.publish()
        do("DROP VIEW marts.zones")
        night.publish()
        assert readable(one, "zones")
    finally:
        do(f'DROP OWNED BY "{one}"', f'DROP ROLE "{one}"')


def test_a_live_side_that_lost_a_table_is_due_to_be_built(nights: Nights) -> None:
    nights.load("2019-01", [1])
    nights.night()
    with nights.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {DEFAULT.sides[0]}.dim_days CASCADE"))
    assert restore_views.damaged(nights.warehouse)
    nights.night()
    assert not restore_views.damaged(nights.warehouse)
    assert nights.fares() == {"2019-01": [1]}
