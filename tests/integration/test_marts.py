"""Publishing and rolling back the marts, over two small tables on each side that say which version they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg2
import pytest
import sqlalchemy as sa

from contracts.errors import BusyError, ConfigError, ToolError
from flows import builds, ledger, marts
from flows.marts import Patience, Publication
from flows.rollback import rollback
from flows.warehouse import Warehouse, connect
from tests.integration.conftest import connector_for

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
            side = marts.candidate(connection)
            build_id = builds.begin(connection, side, "project", [], None)
        with self.warehouse.engine.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {side}"))
            for model in MODELS:  # as dbt does: a new table takes the old one's place
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {side}.{model} CASCADE"))
                connection.execute(
                    sa.text(
                        f"CREATE TABLE {side}.{model} AS SELECT n, {self.version} v FROM generate_series(1,{ROWS}) n"
                    )
                )
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
    warehouse = connect(connector_for(database), "test", "postgres")
    with warehouse.engine.begin() as connection:
        ledger.create(connection)
    yield Night(warehouse)
    warehouse.engine.dispose()


def test_rollback_gives_readers_the_marts_before_and_the_next_publish_goes_on(night: Night) -> None:
    with pytest.raises(ConfigError, match="no marts were published yet"):
        rollback(night.warehouse)
    night.publish()
    with pytest.raises(ConfigError, match="published only once"):
        rollback(night.warehouse)
    night.publish()
    assert night.seen() == {2}

    started = time.monotonic()
    told = rollback(night.warehouse)
    assert time.monotonic() - started < 10
    assert night.seen() == {1}
    assert told.side == "marts__a"
    assert "readers have marts__a again" in str(told)
    with night.warehouse.engine.connect() as connection:
        kinds = connection.scalars(sa.select(marts.publications.c.kind).order_by("publication_id")).all()
    assert kinds == ["publish", "publish", "rollback"]
    with pytest.raises(ConfigError, match="rolled back already"):
        rollback(night.warehouse)

    night.publish()
    assert night.seen() == {3}
    rollback(night.warehouse)
    assert night.seen() == {1}


def test_rollback_never_shows_a_side_that_a_later_build_touched(night: Night) -> None:
    night.publish()
    night.publish()
    night.build(status="failed")
    with pytest.raises(ConfigError, match=r"build 3 \(failed\) has been at work on marts__a"):
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
    waits: list[float] = []
    stop = threading.Event()

    def other_reader() -> None:
        with psycopg2.connect(dsn(night)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                started = time.monotonic()
                cursor.execute("SELECT count(*) FROM marts.zones JOIN marts.trips USING (n, v)")
                connection.commit()
                waits.append(time.monotonic() - started)

    holder = psycopg2.connect(dsn(night))
    holder.cursor().execute("SELECT * FROM marts.zones")  # and its transaction stays open
    reader = threading.Thread(target=other_reader)
    reader.start()
    try:
        with pytest.raises(ToolError, match=r"readers held them for 1\.5 s\. The old marts stay"):
            night.publish(built, IMPATIENT)
        assert night.seen() == {1}
    finally:
        stop.set()
        reader.join()
        holder.close()
    assert max(waits) <= 0.7
    night.publish(built)
    assert night.seen() == {2}


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


# Readers without pause, through 200 publishes.

BOTH_ORDERS = "SELECT count(*), min(z.v), max(z.v), min(t.v), max(t.v) FROM marts.{0} z JOIN marts.{1} t USING (n)"


@dataclass
class Reader:
    """Reads without pause, and notes when each statement ran and what it saw."""

    night: Night
    read: Callable[[psycopg2.extensions.cursor], list[tuple[int, ...]]]
    level: str = "READ COMMITTED"
    spans: list[tuple[float, float]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        with psycopg2.connect(dsn(self.night)) as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level=self.level)
            cursor.execute(f"PREPARE joined AS {BOTH_ORDERS.format('trips', 'zones')}")
            connection.commit()
            while not stop.is_set():
                started = time.monotonic()
                try:
                    rows = self.read(cursor)
                    connection.commit()
                except psycopg2.Error as error:
                    self.bad.append(f"error: {error}")
                    connection.rollback()
                    continue
                self.spans.append((started, time.monotonic()))
                self.bad += [f"{'empty' if row[0] == 0 else 'torn'}: {rows}" for row in rows if not whole(row)]
                self.bad += ["torn: two states in one transaction"] if len({row[1] for row in rows}) > 1 else []


def whole(row: tuple[int, ...]) -> bool:
    return row[0] == ROWS and len(set(row[1:])) == 1


def one(statement: str) -> Callable[[psycopg2.extensions.cursor], list[tuple[int, ...]]]:
    def read(cursor: psycopg2.extensions.cursor) -> list[tuple[int, ...]]:
        cursor.execute(statement)
        return [cursor.fetchone()]  # type: ignore[list-item]

    return read


def two_in_one_transaction(cursor: psycopg2.extensions.cursor) -> list[tuple[int, ...]]:
    rows = []
    for model in MODELS:
        cursor.execute(f"SELECT count(*), min(v), max(v) FROM marts.{model}")
        rows.append(cursor.fetchone())
    return rows  # type: ignore[return-value]


def test_readers_never_see_a_torn_or_empty_state_through_200_publishes(night: Night) -> None:
    night.publish()
    with night.warehouse.engine.begin() as connection:
        mine = f"CREATE VIEW public.mine AS {BOTH_ORDERS.format('zones', 'trips')}".replace(
            "min(z.v), max(z.v), min(t.v), max(t.v)", "min(z.v) a, max(z.v) b, min(t.v) c, max(t.v) d"
        )
        connection.execute(sa.text(mine))
    readers = [
        Reader(night, one(BOTH_ORDERS.format("zones", "trips"))),
        Reader(night, one(BOTH_ORDERS.format("trips", "zones"))),
        Reader(night, one("EXECUTE joined")),
        Reader(night, one("SELECT * FROM public.mine")),
        Reader(night, two_in_one_transaction, level="REPEATABLE READ"),
    ]
    stop, publishes = threading.Event(), []
    threads = [threading.Thread(target=reader.run, args=(stop,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            built = night.build()
            started = time.monotonic()
            night.publish(built)
            publishes.append((started, time.monotonic()))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    spans = sorted(span for reader in readers for span in reader.spans)
    overlapping = sum(any(s < end and e > start for start, end in publishes) for s, e in spans)
    longest = max(end - start for start, end in spans)
    spent = sum(end - start for start, end in publishes)
    print(f"{len(spans):,} reads, {overlapping:,} during a publish, longest {longest:.3f} s, publishes {spent:.1f} s")
    assert [bad for reader in readers for bad in reader.bad] == []
    assert night.seen() == {201}
    assert overlapping >= 10_000
    assert longest <= 0.7
