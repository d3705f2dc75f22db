"""The marts that readers of the lake have: published and taken back as one, also while a build goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.errors import ConfigError, ToolError
from sluice.ledger import builds
from sluice.ledger.tables import batches
from sluice.marts import restore_views
from sluice.marts.publish import Publication, publish_marts
from sluice.marts.rollback import rollback
from tests.conftest import new_database
from tests.integration.conftest import new_warehouse

pytestmark = pytest.mark.spark

A, B = "marts__a", "marts__b"
MARTS = ("few", "many")
# Between the two in a publish, so that views which are pointed one after the other would be torn for a while
BETWEEN = ("mart_1", "mart_2", "mart_3")
FLIPS, MANY_FLIPS = 12, 50
SCHEMAS = ("marts", "marts__live", A, B)


@pytest.fixture(scope="module")
def control(postgres_url: sa.URL) -> Iterator[sa.Connection]:
    with new_database(postgres_url) as url, new_warehouse(url) as warehouse, warehouse.engine.connect() as connection:
        yield connection


@pytest.fixture
def marts(spark: Any) -> Iterator[Any]:
    from sluice.warehouse.spark.marts.verbs import SparkMarts

    yield SparkMarts(spark, grace=0.25)
    for schema in SCHEMAS:
        if spark.catalog.databaseExists(f"lake.{schema}"):
            for kind, name in (("VIEW", "viewName"), ("TABLE", "tableName")):
                for row in spark.sql(f"SHOW {kind}S IN lake.{schema}").where("NOT isTemporary").collect():
                    spark.sql(f"DROP {kind} lake.{schema}.{row[name]}")


def build(spark: Any, side: str, number: int, columns: str = "{number} AS build, id") -> None:
    """Both marts on a side: 3 rows in one and 1,000 in the other, with the number of the build."""
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS lake.{side}")
    for mart, rows in zip(MARTS, (3, 1000), strict=True):
        spark.sql(
            f"CREATE OR REPLACE TABLE lake.{side}.{mart} USING iceberg AS "
            f"SELECT {columns.format(number=number)} FROM range({rows})"
        )


def point(marts: Any, control: sa.Connection, side: str, models: tuple[str, ...] = MARTS) -> None:
    marts.point_marts(control, side, models, 200, {})


def shown(spark: Any, query: str = "SELECT build, count(*) FROM marts.{} GROUP BY build") -> dict[str, list[Any]]:
    return {mart: [tuple(row) for row in spark.sql(query.format(mart)).collect()] for mart in MARTS}


def of_build(number: int) -> dict[str, list[Any]]:
    return {"few": [(number, 3)], "many": [(number, 1000)]}


def test_a_publish_and_a_rollback_change_what_readers_have(spark: Any, control: sa.Connection, marts: Any) -> None:
    assert marts.missing_marts(control, A, MARTS) == ["few", "many"]
    with pytest.raises(ToolError, match=r"marts__a\.few does not exist"):
        point(marts, control, A)
    build(spark, A, 1)
    assert marts.missing_marts(control, A, MARTS) == []
    point(marts, control, A)
    assert shown(spark) == of_build(1)
    assert marts.misplaced_marts(control, A, MARTS) == []
    build(spark, B, 2)
    assert shown(spark) == of_build(1)
    point(marts, control, B)
    assert shown(spark) == of_build(2)
    assert marts.misplaced_marts(control, B, MARTS) == []
    point(marts, control, A)  # a rollback
    assert shown(spark) == of_build(1)


def test_a_build_may_drop_the_other_side_and_a_late_one_writes_what_nobody_reads(
    spark: Any, control: sa.Connection, marts: Any
) -> None:
    build(spark, A, 1)
    build(spark, B, 2)
    point(marts, control, A)
    point(marts, control, B)
    for mart in MARTS:
        spark.sql(f"DROP TABLE lake.{A}.{mart}")
    spark.sql(f"INSERT INTO lake.{B}.few VALUES (3, 7)")
    spark.sql(f"CREATE OR REPLACE TABLE lake.{B}.many USING iceberg AS SELECT 'another column' AS c")
    assert shown(spark) == of_build(2)


def test_columns_that_come_go_and_are_retyped_are_the_new_sides_after_the_publish(
    spark: Any, control: sa.Connection, marts: Any
) -> None:
    build(spark, A, 1)
    point(marts, control, A)
    build(spark, B, 2, "'b{number}' AS build, id * 2 AS double")
    point(marts, control, B)
    assert shown(spark) == {"few": [("b2", 3)], "many": [("b2", 1000)]}
    assert spark.table("lake.marts.few").columns == ["build", "double"]
    point(marts, control, A)
    assert shown(spark) == of_build(1)
    assert spark.table("lake.marts.few").columns == ["build", "id"]


def test_a_mart_comes_and_another_goes(spark: Any, control: sa.Connection, marts: Any) -> None:
    build(spark, A, 1)
    build(spark, B, 2)
    point(marts, control, A, ("few",))
    point(marts, control, B, ("many",))
    assert [row["viewName"] for row in spark.sql("SHOW VIEWS IN lake.marts").where("NOT isTemporary").collect()] == [
        "many"
    ]
    assert spark.table("lake.marts.many").count() == 1000


def test_what_somebody_changed_is_found_and_put_back(spark: Any, control: sa.Connection, marts: Any) -> None:
    build(spark, A, 1)
    build(spark, B, 2)
    assert marts.misplaced_marts(control, A, MARTS) == ["marts__live.live is missing, so no mart can be read"]
    point(marts, control, A)
    spark.sql("DROP VIEW lake.marts.few")
    spark.sql(f"CREATE OR REPLACE VIEW lake.marts.many AS SELECT * FROM lake.{B}.many")
    assert marts.misplaced_marts(control, A, MARTS) == ["marts.few is missing", "marts.many is not as Sluice made it"]
    point(marts, control, A)
    assert shown(spark) == of_build(1)
    point(marts, control, B)
    [wrong, *_] = marts.misplaced_marts(control, A, MARTS)  # where the ledger did not take the publish
    assert wrong == "readers have marts__b, not marts__a, which was published"


def test_a_view_of_somebody_else_is_not_replaced(spark: Any, control: sa.Connection, marts: Any) -> None:
    build(spark, A, 1)
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.marts")
    spark.sql("CREATE VIEW lake.marts.many AS SELECT 1 AS one")
    with pytest.raises(ConfigError, match=r"marts\.many is not a view that Sluice made"):
        point(marts, control, A)
    assert spark.table("lake.marts.many").columns == ["one"]


def test_a_publish_that_was_overtaken_changes_nothing(spark: Any, control: sa.Connection, marts: Any) -> None:
    from sluice.warehouse.spark.marts import pointer

    build(spark, A, 1)
    build(spark, B, 2)
    point(marts, control, A)
    live = "lake.marts__live.live"
    seen = pointer.read(spark, live)
    point(marts, control, B)
    with pytest.raises(ToolError, match="another publish came in between"):
        pointer.move(spark, live, seen, seen.next(A))
    assert shown(spark) == of_build(2)


def test_a_publish_whose_session_was_ended_changes_nothing(spark: Any, control: sa.Connection, marts: Any) -> None:
    build(spark, A, 1)
    build(spark, B, 2)
    point(marts, control, A)
    with control.engine.connect() as another:
        number = another.scalar(sa.text("SELECT pg_backend_pid()"))
        control.execute(sa.text(f"SELECT pg_terminate_backend({number})"))
        with pytest.raises(sa.exc.DBAPIError):
            point(marts, another, B)
        another.invalidate()
    assert shown(spark) == of_build(1)
    point(marts, control, B)
    assert shown(spark) == of_build(2)


def flipped(spark: Any, control: sa.Connection, marts: Any, flips: int) -> list[list[Any]]:
    """Publish each side in turn, after a new build of it, while a reader asks both marts in one query."""
    from sluice.warehouse.spark.session import ERRORS

    models = (MARTS[0], *BETWEEN, MARTS[1])
    for side in (A, B):
        build(spark, side, 0)
        for mart in BETWEEN:
            spark.sql(f"CREATE TABLE lake.{side}.{mart} USING iceberg AS SELECT 1 AS one")
    point(marts, control, A, models)
    reads: list[list[Any]] = []
    ended = threading.Event()

    def read() -> None:
        query = (
            "SELECT build, count(*) FROM marts.few GROUP BY build UNION ALL "
            "SELECT build, count(*) FROM marts.many GROUP BY build"
        )
        while not ended.is_set():
            try:
                reads.append(sorted(tuple(row) for row in spark.sql(query).collect()))
            except ERRORS as error:
                reads.append([str(error)])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, flips + 1):
            side = (A, B)[number % 2]
            build(spark, side, number)
            point(marts, control, side, models)
    finally:
        ended.set()
        reader.join()
    return reads


def hold(reads: list[list[Any]], flips: int) -> None:
    wrong = [read for read in reads if len(read) != 2 or read != [(read[0][0], 3), (read[0][0], 1000)]]
    assert wrong == []
    assert len({read[0][0] for read in reads}) > flips / 2  # they did read between the flips


def test_no_reader_finds_marts_torn_or_empty(spark: Any, control: sa.Connection, marts: Any) -> None:
    hold(flipped(spark, control, marts, FLIPS), FLIPS)


@pytest.mark.long(minutes=2)
def test_no_reader_finds_them_so_in_many_flips(spark: Any, control: sa.Connection, marts: Any) -> None:
    hold(flipped(spark, control, marts, MANY_FLIPS), MANY_FLIPS)


def test_a_publish_and_a_rollback_of_the_ledger_are_what_readers_have(
    spark: Any, postgres_url: sa.URL, marts: Any
) -> None:
    with new_database(postgres_url) as url, new_warehouse(url) as opened:
        warehouse = replace(opened, data=marts)
        for number, side in enumerate((A, B), start=1):
            build(spark, side, number)
            with warehouse.engine.begin() as connection:
                assert builds.candidate(connection) == side
                build_id = builds.begin(connection, side, "project", [], None)
                builds.finish(connection, build_id, "passed")
            publish_marts(warehouse, Publication(side, MARTS, f"inputs {number}", build_id), build_id)
            assert shown(spark) == of_build(number)
            assert not restore_views.damaged(warehouse)
        rollback(warehouse)
        assert shown(spark) == of_build(1)
        spark.sql("DROP VIEW lake.marts.few")
        assert restore_views.put_back(warehouse) == ("marts.few is missing",)
        assert shown(spark) == of_build(1)


def test_the_copy_of_the_ledger_is_what_it_was_in_that_moment(spark: Any, control: sa.Connection) -> None:
    from sluice.warehouse.spark.marts import ledger_copy

    load = {"dataset": "shop__orders", "batch": "2026-11", "status": "held", "address": "it's\\here", "bytes": 1 << 40}
    load |= {"sha256": "0", "contract_version": "1", "rows_read": 2, "rows_accepted": 1, "rows_rejected": 1}
    control.execute(batches.insert().values(reasons=["a", "b"], finished_at="2026-11-30 23:30:00+02", **load))
    ledger_copy.copy(control, spark, [batches])
    kept = spark.sql("SELECT * FROM lake.ops.batches").collect()
    others = [column for column in batches.c if not isinstance(column.type, sa.DateTime)]
    expected = [tuple(row) for row in control.execute(sa.select(*others))]
    assert [tuple(row[column.name] for column in others) for row in kept] == expected
    [(moment,)] = spark.sql("SELECT cast(finished_at AS string) FROM lake.ops.batches").collect()
    assert moment == "2026-11-30 21:30:00"
    control.execute(batches.delete())
    assert spark.table("lake.ops.batches").count() == 1
    ledger_copy.copy(control, spark, [batches])
    assert spark.table("lake.ops.batches").count() == 0
