"""`sluice new` drafts datasets whose rows are no files: a table that another tool fills, a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.cli import new_dataset
from sluice.cli.samples import of_table
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, DataError, SluiceError
from sluice.contract.gate import decide
from sluice.contract.registry import load_contract, load_contracts
from sluice.contract.sources import Rows, Table
from sluice.ledger import loads
from sluice.project.derived import stale_files
from sluice.source.files import SourceMissing
from sluice.source.python import spool
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, publish
from sluice.staging.loader_tables import source_table
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse
from tests.support.dataset_examples import assert_examples_hold
from tests.support.drafts import assert_draft_is_formatted

RAW = """
create schema raw;
create domain raw.email as text check (value like '%@%');
create type raw.mood as enum ('good', 'bad');
create table raw.orders (
    updated_at timestamptz not null default now(), "orderId" bigint primary key, ordered_at timestamptz not null,
    price numeric(10, 2) not null, weight double precision, share numeric, mail raw.email, labels jsonb, mood raw.mood,
    note varchar(20), token uuid, opened time, paid boolean, small smallint, _dlt_load_id text not null);
insert into raw.orders
    select now(), n, timestamptz '2024-01-15 12:00Z' + n * interval '6 hours', n + 0.5, n * 0.25, n / 8.0,
           'a' || n || '@example.com', '{"a": 1}', 'good', case when n % 3 > 0 then 'no ' || n end,
           gen_random_uuid(), '10:30', n % 2 = 0, n % 4, 'one'
    from generate_series(1, 120) n;
create table raw._dlt_loads (load_id text, status bigint);
insert into raw._dlt_loads values ('one', 0);
"""


@pytest.fixture
def warehouse_url(database: sa.URL) -> sa.URL:
    """One kind of server is enough: the catalogue is the same."""
    return database


@pytest.fixture
def project(tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that has this warehouse."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "sluice.toml").touch()
    monkeypatch.setenv("SLUICE_PROJECT", str(folder))
    monkeypatch.setattr(of_table, "look_into_warehouse", lambda **_: warehouse)
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text(RAW.replace(":", r"\:")))
    return folder


@pytest.fixture
def drafted(project: Path) -> Callable[..., Contract]:
    """The contract that a draft has, as a run would load it."""

    def draft(entity: str, **options: Any) -> Contract:
        new_dataset.new(new_dataset.DatasetRequest("shop", entity, owner="me@example.com", **options))
        made = load_contract(project / f"contracts/shop_{entity}.py")
        assert stale_files(load_contracts(project / "contracts").values()) == {}
        return made

    return draft


@pytest.fixture
def run(warehouse: Warehouse, tmp_path: Path) -> Callable[[Contract], dict[str, str]]:
    """Load, audit and publish every batch that is there, as a run does."""

    def finish(of: Contract, batch: Batch) -> str:
        report = audit.audit(warehouse, of, batch)
        decision = decide(of.gate, report)
        (publish.publish if decision.open else publish.hold)(warehouse, of, batch, report, decision)
        return "published" if decision.open else str(decision)

    def begin(of: Contract, name: str, file: Any) -> Batch:
        with warehouse.engine.begin() as connection:
            return loads.begin(connection, of, name, file, None)

    def every(of: Contract) -> dict[str, str]:
        warehouse.data.make_tables(warehouse.engine, of)
        if isinstance(of.files, Table):
            found = source_table.find(warehouse, of)
            assert not [each for each in found.values() if isinstance(each, SluiceError)], found
            return {name: finish(of, source_table.load(warehouse, of, begin(of, name, file)))
                    for name, file in found.items()}  # fmt: skip
        name = of.files.batches.first
        file = spool.call(of, spool.look(of, name), name, tmp_path)
        with open_rows(file, of, name) as stream:
            return {name: finish(of, load.load(warehouse, of, begin(of, name, file), stream))}

    return every


def test_a_draft_of_a_table_runs_without_an_edit(drafted, run, rows, project: Path, capfd) -> None:
    made = drafted("orders", table="raw.orders")
    table = made.files
    assert isinstance(table, Table)
    assert {column.name: str(column.type) for column in made.columns} == {
        "updated_at": "timestamp with time zone",
        "order_id": "integer",
        "ordered_at": "timestamp with time zone",
        "price": "decimal(10,2)",
        "weight": "float",
        "share": "decimal(38,3)",
        "mail": "text",
        "labels": "json",
        "note": "text",
        "token": "uuid",
        "opened": "time",
        "paid": "boolean",
        "small": "integer",
    }
    assert (table.key, table.load_id, table.ignore) == (("orderId",), "_dlt_load_id", ("mood",))
    assert (table.batch, table.batches.first) == ("to_char(ordered_at at time zone 'UTC', 'YYYY-MM')", "2024-01")
    assert "raw._dlt_loads" in str(table.complete)
    assert {column.name for column in made.columns if not column.nullable} >= {"order_id", "ordered_at", "price"}
    said = capfd.readouterr().out
    for words in (
        "batch: a month of ordered_at is a batch, from 2024-01 on",
        "mood: of type mood, which no contract type holds",
        "complete, load_id: dlt fills the table",
        "sluice run shop__orders",
    ):
        assert words in said
    assert run(made) == {"2024-01": "published", "2024-02": "published"}
    assert rows("select count(*), sum(price), max(note) from staging.shop__orders")[0] == (120, 7320, "no 98")
    assert_draft_is_formatted(project)


def test_its_example_rows_pass_and_fail_as_they_say(drafted, deliver, rows, project: Path, tmp_path: Path) -> None:
    made = drafted("orders", table="raw.orders", options={"ignore": ("token", "labels")})
    assert_examples_hold(made, project / "tests/data/shop__orders", tmp_path, deliver, rows)


@pytest.mark.parametrize(
    ("batch", "name"),
    [("2024-02-01T06", "2024-02-01T06"), ("2024-02-01", None), ("2024-W05", None), ("2024-Q1", None), ("2024", None)],
)
def test_a_table_is_drafted_in_any_cadence(drafted, warehouse: Warehouse, batch: str, name: str | None) -> None:
    made = drafted("orders", table="raw.orders", batch=batch, by="ordered_at")
    found = source_table.find(warehouse, made)
    assert not [each for each in found.values() if isinstance(each, SluiceError)]
    assert next(iter(found)) == (name or batch)


def test_a_table_without_a_date_and_an_index_is_one_batch(drafted, run, warehouse: Warehouse, capfd) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create view raw.towns as select n as town_id, 'town ' || n as title "
                                   "from generate_series(1, 30) n"))  # fmt: skip
    made = drafted("towns", table="raw.towns")
    assert (made.files.key, made.files.batch) == (("town_id",), None)
    said = capfd.readouterr().out
    assert "key: town_id number the rows (no index holds a column unique)" in said
    assert "the whole table is one batch" in said
    assert list(run(made).values()) == ["published"]


def test_a_table_that_cannot_be_drafted_is_one_error_and_no_file(drafted, project: Path, warehouse: Warehouse) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create table raw.empty (id int)"))
    for options, kind, words in (
        ({"table": "orders"}, ConfigError, "name the table with its schema"),
        ({"table": "raw.none"}, SourceMissing, "no such table"),
        ({"table": "raw.empty"}, DataError, "no row to learn from"),
        ({"table": "raw.orders", "by": "price"}, ConfigError, "dates or times; there is updated_at, ordered_at"),
        ({"table": "raw.orders", "options": {"delimiter": ";"}}, ConfigError, "--delimiter is for files"),
        ({"table": "raw.orders", "rows": True}, ConfigError, "name one thing to learn from"),
        ({}, ConfigError, "name one thing to learn from"),
    ):
        with pytest.raises(kind, match=words):
            drafted("orders", **options)
    assert [path.name for path in project.rglob("*") if path.is_file()] == ["sluice.toml"]


def test_a_function_that_is_yet_to_be_written_is_drafted_and_runs(drafted, run, rows, project: Path, capfd) -> None:
    made = drafted("orders", rows=True, batch="2024-01-31")
    assert isinstance(made.files, Rows)
    assert "read_orders: gives two made-up rows" in capfd.readouterr().out
    assert run(made) == {"2024-01-31": "published"}
    assert rows("select id, title from staging.shop__orders order by 1") == [
        (1, "first example of 2024-01-31"),
        (2, "second example of 2024-01-31"),
    ]
    assert_draft_is_formatted(project)


FUNCTION = """import itertools

def orders(batch):
    for n in itertools.count(1):  # it never ends; a draft takes what it needs
        yield {"order_id": n, "at": f"{batch}T{n % 24:02}:00:00", "price": f"{n}.50", "tags": ["a"]}

def table(batch):
    import pyarrow as pa
    return pa.table({"order_id": [1, 2, 3], "share": [0.5, None, 1.5]})

def late(batch):
    return None
"""


def test_a_draft_from_a_function_has_the_columns_of_its_rows(drafted, run, rows, project: Path, monkeypatch) -> None:
    monkeypatch.setattr("sluice.cli.samples.of_function.ROWS", 200)
    (project / "contracts").mkdir()
    (project / "contracts/_shop_api.py").write_text(FUNCTION)
    made = drafted("orders", function="_shop_api:orders", batch="2024-01-31")
    assert {column.name: str(column.type) for column in made.columns} == {
        "order_id": "integer",
        "at": "timestamp",
        "price": "decimal(10,2)",
        "tags": "json",
    }
    assert made.files.batches.by == "at"
    made = drafted("shares", function="_shop_api:table")
    assert run(made) == {"all": "published"}
    assert rows("select order_id, share from staging.shop__shares order by 1") == [(1, 0.5), (2, None), (3, 1.5)]
    (project / "contracts/_shop_api.py").write_text("")
    assert_draft_is_formatted(project)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("orders", "name it with its module"),
        ("_nothing:orders", "cannot be imported"),
        ("_shop_api:nothing", "has no function nothing"),
        ("_shop_api:late", "not there yet"),
    ],
)
def test_a_function_that_gives_no_rows_writes_nothing(drafted, project: Path, function: str, words: str) -> None:
    (project / "contracts").mkdir()
    (project / "contracts/_shop_api.py").write_text(FUNCTION)
    with pytest.raises(SluiceError, match=words):
        drafted("orders", function=function)
    assert not (project / "contracts/shop_orders.py").exists()
