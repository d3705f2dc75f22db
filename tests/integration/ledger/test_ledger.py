"""The ledger: one row a load, whatever became of it, and every result of every check."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import sqlalchemy as sa

from sluice.contract.checks.version import version_of
from sluice.contract.errors import DataError
from sluice.ledger import loads, references, schema
from sluice.project import fingerprints
from sluice.server.watch import verdicts
from sluice.source import fetch
from sluice.warehouse.batch import Batch
from tests.support import shops


def test_a_load_that_was_killed_stays_in_the_ledger(deliver, warehouse, rows, tmp_path) -> None:
    path = shops.write(tmp_path / "o.csv", shops.good_lines(10))
    file = fetch.fetch(fetch.look(str(path)), tmp_path)
    with warehouse.engine.begin() as connection:
        loads.begin(connection, shops.contract(), "2021-01", file, None)  # and then the power went
    deliver(shops.contract(), "2021-01", path)
    assert rows("select status, reasons from ops.batches order by load_id") == [
        ("abandoned", ["its run stopped without reporting a result"]),
        ("published", []),
    ]


def test_a_load_says_what_it_was_made_by_and_of(deliver, rows, tmp_path) -> None:
    delivered = deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", shops.good_lines(10)))
    [load] = rows("select * from ops.batches")
    assert (load.load_id, load.contract_version) == (delivered.batch.load_id, version_of(shops.contract()))
    assert (load.code_version, load.dbt_project) == (fingerprints.code(), fingerprints.project())
    assert (load.rows_read, load.rows_counted, load.rows_accepted, load.rows_rejected) == (10, 10, 10, 0)
    [(published_from,)] = rows("select min(_loaded_at) from staging.shop__orders")
    assert load.started_at <= load.loaded_at <= load.audited_at <= published_from < load.finished_at
    assert len(load.sha256) == 64
    assert load.bytes == (tmp_path / "o.csv").stat().st_size


def test_every_result_is_kept_also_of_what_passed(deliver, rows, tmp_path) -> None:
    delivered = deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", shops.good_lines(10)))
    kept = rows("select check_name, outcome, rows, failing from ops.checks")
    assert {row.check_name for row in kept} == {result.name for result in delivered.report.results}
    assert ("canary rows are rejected", "passed", 2, 0) in kept
    assert ("quantity >= 1", "passed", 10, 0) in kept
    assert len(kept) == 14


def test_a_column_that_comes_as_double_gives_the_same_tables(deliver, rows, tmp_path) -> None:
    def file(kind: pa.DataType, name: str) -> Path:
        columns = {
            "OrderId": pa.array([1, 2]),
            "ordered_at": pa.array([datetime(2021, 1, 2, 10)] * 2, pa.timestamp("us")),
            "shop": pa.array(["north"] * 2),
            "quantity": pa.array([3, None]).cast(kind),
            "price": pa.array([Decimal("1.50")] * 2),
            "weight": pa.array([1.0, 2.0]),
            "email": pa.nulls(2),
        }
        pyarrow.parquet.write_table(pa.table(columns), tmp_path / name)
        return tmp_path / name

    tables = []
    for kind, name in ((pa.int64(), "a.parquet"), (pa.float64(), "b.parquet")):
        deliver(shops.contract(), "2021-01", file(kind, name))
        tables.append(rows("select order_id, quantity, pg_typeof(quantity)::text from staging.shop__orders order by 1"))
    assert tables[0] == tables[1] == [(1, 3, "bigint"), (2, None, "bigint")]

    with pytest.raises(DataError, match=r"retyped: quantity .* bool"):
        deliver(shops.contract(), "2021-01", file(pa.bool_(), "c.parquet"))
    assert rows("select count(*) from staging.shop__orders") == [(2,)]
    assert rows("select status from ops.batches order by load_id") == [("superseded",), ("published",), ("failed",)]


def test_an_older_ledger_gets_the_columns_and_descriptions_of_this_version(warehouse, rows) -> None:
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ops.batches DROP COLUMN warnings")
        connection.exec_driver_sql("COMMENT ON COLUMN ops.batches.bytes IS NULL")
        connection.exec_driver_sql("DROP INDEX ops.batches_in_order")
        schema.create(connection)
    described = rows(
        "select attname, col_description(attrelid, attnum) from pg_attribute"
        " where attrelid = 'ops.batches'::regclass and attnum > 0 and not attisdropped"
    )
    assert {"warnings", "bytes"} <= {name for name, _ in described}
    assert [name for name, description in described if not description] == []
    assert rows("select to_regclass('ops.batches_in_order') is not null") == [(True,)]


def test_of_thousands_of_batches_the_one_before_and_the_newest_loads_are_found_by_an_index(warehouse) -> None:
    asked: list[tuple[str, object]] = []
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ops.batches (dataset, batch, status, address, bytes, sha256, contract_version, rows_read, "
            "rows_accepted, rows_rejected) SELECT d, to_char(timestamp '2021-01-01' + n * interval '1 hour', "
            "'YYYY-MM-DD\"T\"HH24'), 'published', '', 0, '', '', n, n, 0 FROM generate_series(1, 3000) n, "
            "unnest(array['a__b', 'c__d']) d"
        )
        connection.exec_driver_sql("ANALYZE ops.batches")

        @sa.event.listens_for(connection, "before_cursor_execute")
        def keep(_connection, _cursor, statement, parameters, _context, _many) -> None:
            asked.append((statement, parameters))

        assert loads.rows_of_batch_before(connection, "a__b", "2021-01-03T00") == 47
        assert len(connection.execute(loads.newest("a__b").limit(3)).all()) == 3
        sa.event.remove(connection, "before_cursor_execute", keep)
        for statement, parameters in asked:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
            assert "batches_in_order" in plan, plan
            assert "Sort" not in plan, plan


def test_an_older_ledger_keeps_which_loads_a_batch_was_judged_by(deliver, warehouse, rows, tmp_path) -> None:
    orders = shops.contract()
    for batch in ("2021-01", "2021-02"):
        lines = [line.replace("2021-01-", f"{batch}-") for line in shops.good_lines(10)]
        held = deliver(orders, batch, shops.write(tmp_path / "o.csv", lines)).batch
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ops.reference_loads DROP COLUMN digest, DROP COLUMN count")
        connection.exec_driver_sql("ALTER TABLE ops.reference_loads ADD loads bigint[] NOT NULL")
        connection.exec_driver_sql("CREATE VIEW public.of_a_user AS SELECT loads FROM ops.reference_loads")
        was = "INSERT INTO ops.reference_loads SELECT %s, dataset, array_agg(load_id) FROM ops.batches GROUP BY dataset"
        connection.exec_driver_sql(was, (held.load_id,))
        connection.exec_driver_sql("INSERT INTO ops.reference_loads VALUES (%s, 'shop__none', '{}')", (held.load_id,))
        schema.create(connection)
    other = Batch("shop__lines", "2021-01", held.load_id)
    with warehouse.engine.begin() as connection:
        assert references.changed(connection, other) == []
        references.note(connection, other, [orders.dataset_id])
        schema.create(connection)
    assert rows("select loads from public.of_a_user") == [(None,)]


def test_what_a_run_published_or_held_is_known_by_its_load_and_a_failed_load_is_no_verdict(
    deliver, warehouse, tmp_path
) -> None:
    contract, path, found = shops.contract(), tmp_path / "o.csv", []
    bad = ["11,2021-01-02 10:00:00,east,1,9.50,1.5,"]
    for lines in (bad, bad, shops.good_lines(10)):
        done = deliver(contract, "2021-01", shops.write(path, lines))
        with warehouse.engine.connect() as connection:
            found.append((verdicts(connection, contract.dataset_id), {"2021-01": done.batch.load_id}))
    assert all(known == expected for known, expected in found), found
    path.write_text("what,else\n1,2\n")
    with pytest.raises(DataError):
        deliver(contract, "2021-01", path)
    with warehouse.engine.connect() as connection:
        assert verdicts(connection, contract.dataset_id) == {}
