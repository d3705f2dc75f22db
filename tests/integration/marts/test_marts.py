"""Publishing and rolling back the marts, over two small tables on each side that say which version they are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from sluice.contract.errors import BusyError, ConfigError, ToolError
from sluice.ledger import builds, tables
from sluice.marts import publish as marts
from sluice.marts.publish import Patience, Publication
from sluice.marts.rollback import rollback
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import new_warehouse
from tests.support import mart_reader

MODELS = ("zones", "trips")
ROWS = 50  # of each table; a reader that sees another number saw a state that never was
IMPATIENT = Patience(locks=1.5, snapshots=1.5)


@dataclass
class Night:
    """Builds and publishes as a nightly run does, but for dbt."""

    warehouse: Warehouse
    version: int = 0

    def build(self, status: str = "passed") -> Publication:
        """Write the next version to the side that is not live."""
        self.version += 1
        with self.warehouse.engine.begin() as connection:
            builds.hold(connection)
            side = builds.candidate(connection)
            build_id = builds.begin(connection, side, "project", [], None)
        with self.warehouse.engine.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {side}"))
        rows = f"SELECT n, {self.version} v FROM generate_series(1,{ROWS}) n"
        for model in MODELS:  # as dbt does: a new table takes the old one's place, in a transaction of its own
            with self.warehouse.engine.begin() as connection:
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {side}.{model} CASCADE"))
                connection.execute(sa.text(f"CREATE TABLE {side}.{model} AS {rows}"))
        with self.warehouse.engine.begin() as connection:
            builds.finish(connection, build_id, status)
        return Publication(side, MODELS, f"inputs {self.version}", build_id)

    def publish(self, built: Publication | None = None, patience: Patience | None = None) -> None:
        built = built or self.build()
        marts.publish_marts(self.warehouse, built, built.build_id, patience)

    def seen(self) -> set[int]:
        """The versions that readers see."""
        query = sa.text("SELECT v FROM marts.zones UNION SELECT v FROM marts.trips")
        with self.warehouse.engine.connect() as connection:
            return set(connection.scalars(query))


@pytest.fixture
def night(database: sa.URL) -> Iterator[Night]:
    """Nights without dbt: two small marts on each side that say which version they are."""
    with new_warehouse(database) as warehouse:
        yield Night(warehouse)


def test_rollback_gives_readers_the_marts_before_and_the_next_publish_goes_on(night: Night) -> None:
    with pytest.raises(ConfigError, match="no marts have been published yet"):
        rollback(night.warehouse)
    night.publish()
    with pytest.raises(ConfigError, match="published only once"):
        rollback(night.warehouse)
    night.publish()
    assert night.seen() == {2}

    told = rollback(night.warehouse)
    assert night.seen() == {1}
    assert told.side == "marts__a"
    assert "readers have marts__a again" in str(told)
    with night.warehouse.engine.connect() as connection:
        kinds = connection.scalars(sa.select(tables.publications.c.kind).order_by("publication_id")).all()
    assert kinds == ["publish", "publish", "rollback"]
    with pytest.raises(ConfigError, match="rolled back already"):
        rollback(night.warehouse)

    night.publish()
    assert night.seen() == {3}
    rollback(night.warehouse)
    assert night.seen() == {1}


def test_the_command_rolls_back_says_what_came_back_and_refuses_where_there_is_nothing(
    night: Night, sluice, tmp_path: Path
) -> None:
    none = sluice("rollback")
    assert (none.code, "no marts have been published yet" in none.err) == (5, True)
    night.publish()
    night.publish()
    done = sluice("rollback", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["side"] == "marts__a"
    assert json.loads(done.out)["models"] == ["zones", "trips"]
    assert night.seen() == {1}
    assert "have an older build again" in (tmp_path / "home" / "site" / "index.html").read_text()
    assert "Marts: marts__a, an older build, rolled back 2" in sluice("status").out
    again = sluice("rollback")
    assert (again.code, "rolled back already" in again.err) == (5, True)
    assert "Traceback" not in again.err


def test_rollback_never_shows_a_side_that_a_later_build_touched(night: Night) -> None:
    night.publish()
    night.publish()
    night.build(status="failed")
    with pytest.raises(ConfigError, match=r"build 3 \(failed\) has changed marts__a"):
        rollback(night.warehouse)
    assert night.seen() == {2}


def test_rollback_waits_for_no_build_that_is_under_way(night: Night) -> None:
    night.publish()
    night.publish()
    with night.warehouse.lock("dbt"), pytest.raises(BusyError):
        rollback(night.warehouse)
    assert night.seen() == {2}


def test_who_was_overtaken_by_a_later_build_publishes_nothing(night: Night) -> None:
    night.publish()
    slow = night.build()
    night.build()  # a later run, which found the lock free because the slow one's connection broke
    with pytest.raises(ToolError, match="a later run took over"):
        night.publish(slow)
    assert night.seen() == {1}


def test_a_reader_that_holds_a_mart_delays_the_publish_not_others_and_in_the_end_the_old_marts_stay(
    night: Night,
) -> None:
    night.publish()
    built = night.build()
    reads = 0
    asked: set[int] = set()  # milliseconds that a try of the publish waits for its locks, others behind it
    errors: list[psycopg2.Error] = []
    stop = threading.Event()

    def other_reader() -> None:
        nonlocal reads
        with psycopg2.connect(dsn(night)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                try:
                    cursor.execute("SELECT count(*) FROM marts.zones JOIN marts.trips USING (n, v)")
                    reads += 1
                except psycopg2.Error as error:  # in a deadlock with the publish, say
                    errors.append(error)
                connection.rollback()

    def watcher() -> None:
        with psycopg2.connect(dsn(night)) as connection, connection.cursor() as cursor:
            while not stop.wait(0.01):
                cursor.execute("SELECT query FROM pg_stat_activity WHERE query LIKE 'SET LOCAL lock_timeout%'")
                asked.update(int(ms) for row in cursor.fetchall() for ms in re.findall(r"_timeout = '(\d+)ms'", row[0]))
                connection.rollback()

    holder = psycopg2.connect(dsn(night))
    holder.cursor().execute("SELECT * FROM marts.zones")  # and its transaction stays open
    others = [threading.Thread(target=each) for each in (other_reader, watcher)]
    for other in others:
        other.start()
    try:
        with pytest.raises(ToolError, match=r"readers' transactions locked them for 1\.5 s\. The old marts stay"):
            night.publish(built, IMPATIENT)
        assert night.seen() == {1}
    finally:
        stop.set()
        for other in others:
            other.join()
        holder.close()
    assert errors == []
    assert reads > 2  # in between the tries
    assert max(asked) <= 200
    night.publish(built)
    assert night.seen() == {2}


def test_readers_get_in_between_the_tries_of_a_publish_that_waits_and_most_tries_are_short(night: Night) -> None:
    night.publish()
    built = night.build()
    holder = psycopg2.connect(dsn(night))
    holder.cursor().execute("SELECT * FROM marts.zones")  # and its transaction stays open
    reader = psycopg2.connect(dsn(night), options="-c lock_timeout=5s")
    reads: list[int] = []

    def between(*_: object) -> None:  # the publish has given a connection back, and goes on only after this
        cursor = reader.cursor()
        cursor.execute("SELECT max(v) FROM marts.zones JOIN marts.trips USING (n, v)")
        reads.append(cursor.fetchone()[0])
        reader.rollback()
        if len(reads) == 12:
            holder.close()

    sa.event.listen(night.warehouse.engine, "checkin", between)
    # The long tries wait longer than the publish tries at all: were the first one of them, it would give up after it.
    night.publish(built, Patience(lock_ms=31_000, locks=30))
    assert len(reads) >= 12
    assert set(reads[:12]) == {1}
    assert night.seen() == {2}
    reader.close()


def test_a_snapshot_older_than_the_candidate_is_waited_for_and_never_finds_it_empty(night: Night) -> None:
    night.publish()
    with psycopg2.connect(dsn(night)) as old:
        old.set_session(isolation_level="REPEATABLE READ")
        cursor = old.cursor()
        cursor.execute("SELECT 1")  # takes the snapshot, but no lock on a mart
        built = night.build()
        with pytest.raises(ToolError, match="would find the new ones empty"):
            night.publish(built, IMPATIENT)
        cursor.execute("SELECT count(*), max(v) FROM marts.zones")
        assert cursor.fetchone() == (ROWS, 1)
    night.publish(built)
    assert night.seen() == {2}


def test_a_long_write_elsewhere_delays_no_publish(night: Night) -> None:
    night.publish()
    with psycopg2.connect(dsn(night)) as writer:
        writer.cursor().execute("CREATE TABLE mine (n int)")  # every snapshot from now on has this one's xmin
        stop = threading.Event()
        reader = threading.Thread(target=read_without_pause, args=(night, stop))
        reader.start()
        built = night.build()
        writer.commit()
        writer.cursor().execute("INSERT INTO mine VALUES (1)")
        time.sleep(0.05)
        try:
            night.publish(built, Patience(locks=10, snapshots=10))
        finally:
            stop.set()
            reader.join()
    assert night.seen() == {2}


def read_without_pause(night: Night, stop: threading.Event) -> None:
    with psycopg2.connect(dsn(night)) as connection, connection.cursor() as cursor:
        while not stop.is_set():
            cursor.execute("SELECT count(*) FROM marts.zones")
            connection.commit()


def dsn(night: Night) -> str:
    url = night.warehouse.url
    return f"host={url.query.get('host') or url.host} user={url.username} dbname={url.database}"


# Readers without pause, each in a process of its own, through 200 publishes.

JOINED = "SELECT count(*), min(z.v) a, max(z.v) b, min(t.v) c, max(t.v) d FROM marts.{} z JOIN marts.{} t USING (n)"
ALONE = "SELECT count(*), min(v), max(v) FROM marts.{}"
READERS = (
    ("READ COMMITTED", "", JOINED.format("zones", "trips")),
    ("READ COMMITTED", "", JOINED.format("trips", "zones")),
    ("READ COMMITTED", f"PREPARE joined AS {JOINED.format('trips', 'zones')}", "EXECUTE joined"),
    ("READ COMMITTED", "", "SELECT * FROM public.mine"),
    ("REPEATABLE READ", "", ALONE.format("zones"), ALONE.format("trips")),
)


@contextmanager
def reading(night: Night) -> Iterator[list[dict[str, Any]]]:
    """Keep all readers at work; afterwards, the list holds what each of them saw."""
    command = [sys.executable, str(Path(mart_reader.__file__))]
    readers = [subprocess.Popen([*command, dsn(night), *facts], stdout=subprocess.PIPE, text=True) for facts in READERS]
    seen: list[dict[str, Any]] = []
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        yield seen
    finally:
        for reader in readers:
            reader.terminate()
        for reader in readers:
            told, _ = reader.communicate(timeout=60)
            seen.append(json.loads(told))


def test_readers_never_see_a_torn_or_empty_state_through_200_publishes(night: Night) -> None:
    night.publish()
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE VIEW public.mine AS {JOINED.format('zones', 'trips')}"))
    with reading(night) as seen:
        for _ in range(200):
            night.publish()
    assert night.seen() == {201}
    assert [error for reader in seen for error in reader["errors"]] == []
    assert {state for reader in seen for state in reader["states"]} == {f"[{ROWS}] rows, 1 versions"}
    assert min(sum(reader["states"].values()) for reader in seen) >= 200  # transactions of each
