"""A table that another tool fills: its batches are found, compared and copied inside the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from sluice import (
    Contract,
    Daily,
    DataError,
    Float,
    Gate,
    Hourly,
    Int,
    Json,
    Money,
    Monthly,
    Table,
    Text,
    Timestamp,
    Weekly,
    column,
)
from sluice.contract.drift import SchemaDrift
from sluice.contract.errors import ContractError, SluiceError, ToolError
from sluice.contract.gate import decide
from sluice.ledger import loads
from sluice.source.files import SourceFile, SourceMissing, SourceUnreadable
from sluice.staging import audit, publish
from sluice.staging.loader_tables import source_table
from sluice.warehouse.warehouse import Warehouse
from tests.support.repository import ROOT

MONTH = "to_char(ordered_at, 'YYYY-MM')"
RAW = """
create schema raw;
create table raw.orders (
    order_id integer, ordered_at timestamp, price numeric, weight double precision, name varchar(20), tags jsonb,
    _load text not null default 'one', updated_at timestamptz not null default '2024-01-01');
"""


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique=True, nullable=True)
    ordered_at: Timestamp = column("When it was ordered.")
    price: Money = column("Of one.", ge=0, nullable=True)
    weight: Float = column("Of one.", nullable=True)
    name: Text = column("Of the customer.", nullable=True)
    tags: Json = column("Labels.", nullable=True)


class Signed(Orders):
    price: Money = column("Of one.", nullable=True)


def contract(model: type[pa.DataFrameModel] = Orders, **options: Any) -> Contract:
    given = {
        "batches": Monthly("2024-01", by="ordered_at"),
        "batch": MONTH,
        "key": "order_id",
        "ignore": ("updated_at",),
    }
    table = Table("raw.orders", **{**given, **options})
    return Contract("shop", "orders", "me@example.com", model, table, Gate(max_rejected=0.7))


@pytest.fixture
def warehouse_url(database: sa.URL) -> sa.URL:
    """One kind of server is enough: what is special to one is not asked here."""
    return database


@pytest.fixture
def raw(warehouse: Warehouse) -> Callable[..., None]:
    """Statements of the other tool."""

    def run(*statements: str) -> None:
        with warehouse.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement.replace(":", r"\:")))

    run(RAW)
    return run


@pytest.fixture
def take(warehouse: Warehouse) -> Callable[..., Any]:
    """Load what is new, as a run does. Returns what became of each batch."""

    def run(of: Contract) -> dict[str, str]:
        warehouse.data.make_tables(warehouse.engine, of)
        became = {}
        for name, found in source_table.find(warehouse, of).items():
            if isinstance(found, SluiceError):
                raise found
            with warehouse.engine.begin() as connection:
                known = loads.published(connection, str(of), name)
                if known is not None and known.sha256 == found.sha256:
                    became[name] = "unchanged"
                    continue
                batch = loads.begin(connection, of, name, found, None)
            try:
                batch = source_table.load(warehouse, of, batch)
            except SluiceError as error:
                publish.fail(warehouse, of, batch, error)
                raise
            report = audit.audit(warehouse, of, batch)
            decision = decide(of.gate, report)
            (publish.publish if decision.open else publish.hold)(warehouse, of, batch, report, decision)
            became[name] = "published" if decision.open else "held"
        return became

    return run


def test_batches_are_found_copied_and_numbered_by_their_key(raw, take, rows) -> None:
    raw("insert into raw.orders values (3, '2024-01-05', 2, 1.5, 'Bo', '[1]'), "
        "(1, '2024-01-31', 1.5, null, 'Al', null), (2, '2024-02-01', 9.99, 0, null, '{\"a\": 1.50}')")  # fmt: skip
    assert take(contract()) == {"2024-01": "published", "2024-02": "published"}
    assert rows("select _row_number, order_id, price::text, name from staging.shop__orders order by _batch, 1") == [
        (1, 1, "1.50", "Al"),
        (2, 3, "2.00", "Bo"),
        (1, 2, "9.99", None),
    ]
    assert rows("select batch, address, rows_read, rows_counted from ops.batches order by 1") == [
        ("2024-01", "table://raw.orders/2024-01", 2, 2),
        ("2024-02", "table://raw.orders/2024-02", 1, 1),
    ]


def test_late_changed_and_deleted_rows_make_a_batch_new_and_nothing_else_does(raw, take, rows) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1), (2, '2024-01-06', 2), (3, '2024-02-01', 3)")
    of = contract()
    take(of)
    raw("update raw.orders set _load = 'two'",
        "create table kept as select * from raw.orders", "delete from raw.orders",
        "insert into raw.orders select * from kept order by order_id desc")  # fmt: skip
    assert take(of) == {"2024-01": "unchanged", "2024-02": "unchanged"}  # another order, other columns
    raw("insert into raw.orders values (4, '2024-02-07', 4)")
    assert take(of) == {"2024-01": "unchanged", "2024-02": "published"}
    raw("update raw.orders set price = 7 where order_id = 1")
    assert take(of) == {"2024-01": "published", "2024-02": "unchanged"}
    raw("delete from raw.orders where order_id = 3")
    assert take(of) == {"2024-01": "unchanged", "2024-02": "published"}
    assert rows("select order_id, price::text from staging.shop__orders order by 1") == [
        (1, "7.00"),
        (2, "2.00"),
        (4, "4.00"),
    ]


def test_the_loads_of_the_loader_may_say_what_is_new(raw, take) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1)")
    of = contract(load_id="_load")
    take(of)
    raw("update raw.orders set price = 7")
    assert take(of) == {"2024-01": "unchanged"}
    raw("update raw.orders set _load = 'two'")
    assert take(of) == {"2024-01": "published"}


def test_rows_that_fail_are_quarantined_and_values_that_do_not_fit_keep_their_text(raw, take, rows) -> None:
    raw("insert into raw.orders (order_id, ordered_at, price) values (1, '2024-01-01', 1.005), "
        "(2, '2024-01-02', 'NaN'), (3, '2024-01-03', 123456789), (4, '2024-01-04', -1), "
        "(6, '2024-01-06', 1), (7, '2024-01-07', 1)",
        "insert into raw.orders values (5, '2024-01-05', 1, 'Infinity')")  # fmt: skip
    assert take(contract()) == {"2024-01": "held"}
    assert rows("select _row_number, _reasons, _row ->> 'price', _row ->> 'weight' from quarantine.shop__orders "
                "order by 1") == [
        (1, ["price is decimal(10,2)"], "1.005", None),
        (2, ["price is decimal(10,2)"], "NaN", None),
        (3, ["price is decimal(10,2)"], "123456789", None),
        (4, ["price >= 0"], "-1.00", None),
        (5, ["weight is float"], "1.00", "Infinity"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "least"), [("smallint", -(2**15)), ("integer", -(2**31)), ("bigint", -(2**63)), ("numeric", -(2**63))]
)
def test_the_least_integer_is_a_value_like_others(raw, take, rows, kind: str, least: int) -> None:
    raw(f"alter table raw.orders alter price type {kind}, alter order_id type {kind}",
        f"insert into raw.orders values ({least}, '2024-01-01', {least}), (1, '2024-01-01', 1)")  # fmt: skip
    assert take(contract(Signed)) == {"2024-01": "published"}
    found = rows("select order_id, price::text from staging.shop__orders order by 1")
    rejected = rows("select (_row ->> 'order_id')::bigint, _reasons from quarantine.shop__orders")
    if kind == "smallint":
        assert (found, rejected) == ([(least, f"{least}.00"), (1, "1.00")], [])
    else:
        assert (found, rejected) == ([(1, "1.00")], [(least, ["price is decimal(10,2)"])])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r'"\u0000"', False),
        (r'{"\\\u0000": 1}', False),
        (r'["\ud83d"]', False),
        (r'["\uDE00"]', False),
        (r'["\ude00\ud83d"]', False),
        (r'["\ud83d\\\ude00"]', False),
        (r'["\ud83d\ud83d\ude00"]', False),
        (r'["\ud83d\ude00", "\\u0000", "\u00e9", "\\ud83d"]', True),
    ],
)
def test_json_that_jsonb_cannot_hold_rejects_its_row(raw, take, rows, text: str, kept: bool) -> None:
    raw("alter table raw.orders alter tags type json",
        f"insert into raw.orders (order_id, ordered_at, tags) values (1, '2024-01-01', '{text}'), "
        "(2, '2024-01-02', '[1]'), (3, '2024-01-03', null)")  # fmt: skip
    assert take(contract()) == {"2024-01": "published"}
    assert rows("select count(*) from staging.shop__orders") == [(3 if kept else 2,)]
    rejected = rows("select _row_number, _reasons, _row ->> 'tags' from quarantine.shop__orders")
    assert rejected == ([] if kept else [(1, ["tags is json"], text)])


@pytest.mark.parametrize(
    ("value", "shown"),
    [("null", "is null"), ("timestamp 'infinity'", "is null|is 'infinity'")],
    ids=["null", "infinity"],
)
def test_a_row_without_a_batch_closes_the_gate(raw, take, rows, value: str, shown: str) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1)")
    take(contract())
    raw("update raw.orders set price = 2", f"insert into raw.orders values (2, {value}, 1)")
    with pytest.raises(DataError, match=f"the batch of some rows ({shown}), so they would never be loaded"):
        take(contract())
    assert rows("select price::text from staging.shop__orders") == [("1.00",)]


@pytest.mark.parametrize("name", ["2024-13", "2024-1", "2023-00x", ""])
def test_a_batch_that_does_not_exist_closes_the_gate(raw, take, rows, name: str) -> None:
    raw("insert into raw.orders (order_id, ordered_at, name) values (1, '2024-01-05', '2024-01')")
    of = contract(batch="name")
    assert take(of) == {"2024-01": "published"}
    raw(f"insert into raw.orders (order_id, ordered_at, name) values (2, '2024-01-05', '{name}')")
    with pytest.raises(DataError, match=f"the batch of some rows is '{name}', so they would never be loaded"):
        take(of)
    assert rows("select order_id from staging.shop__orders") == [(1,)]


@pytest.mark.parametrize(
    ("batches", "name"),
    [
        (Daily("2024-01-01", by="ordered_at"), "2024-02-30"),
        (Weekly("2020-W01", by="ordered_at"), "2021-W53"),
        (Hourly("2024-01-01T00", by="ordered_at", timezone="Europe/Berlin"), "2024-03-31T02"),
    ],
    ids=["day", "week", "hour that the clock leaves out"],
)
def test_a_period_that_the_calendar_does_not_have_closes_the_gate(warehouse, raw, batches: Any, name: str) -> None:
    raw(f"insert into raw.orders (ordered_at, name) values ('2024-01-05', '{name}')")
    [problem] = source_table.find(warehouse, contract(batches=batches, batch="name")).values()
    assert isinstance(problem, DataError)
    assert f"the batch of some rows is '{name}'" in str(problem)


def test_a_batch_before_the_first_is_no_batch(raw, take) -> None:
    raw("insert into raw.orders values (1, '2023-12-31', 1), (2, '2024-01-01', 1)")
    assert take(contract()) == {"2024-01": "published"}


@pytest.mark.parametrize(
    ("complete", "finish"),
    [
        (
            "exists (select 1 from raw._dlt_loads l where l.load_id = _load and l.status = 0)",
            "insert into raw._dlt_loads values ('one', 0)",
        ),
        ("updated_at < now() - interval '30 minutes'", "update raw.orders set updated_at = now() - interval '1 hour'"),
    ],
    ids=["dlt", "quiet"],
)
def test_a_batch_that_its_loader_has_not_finished_is_not_read(warehouse, raw, take, complete: str, finish: str) -> None:
    raw("create table raw._dlt_loads (load_id text, status bigint)",
        "insert into raw.orders values (1, '2024-01-05', 1)", "update raw.orders set updated_at = now()")  # fmt: skip
    of = contract(complete=complete)
    with pytest.raises(SourceMissing, match="its loader has not finished"):
        take(of)
    raw(finish)
    assert take(of) == {"2024-01": "published"}


def test_a_load_that_began_meanwhile_is_not_read(warehouse, raw, take, rows) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1)", "update raw.orders set updated_at = '2024-01-01'")
    of = contract(complete="updated_at < now() - interval '30 minutes'")
    warehouse.data.make_tables(warehouse.engine, of)
    found = source_table.find(warehouse, of)["2024-01"]
    with warehouse.engine.begin() as connection:
        batch = loads.begin(connection, of, "2024-01", found, None)
    raw("insert into raw.orders values (2, '2024-01-06', 1, null, null, null, 'two', now())")
    with pytest.raises(ToolError, match="its loader has not finished"):
        source_table.load(warehouse, of, batch)
    assert rows("select count(*) from pg_class where relname like '%incoming%'") == [(0,)]


def test_a_key_of_the_loader_is_no_drift(raw, take, rows) -> None:
    raw("alter table raw.orders add _dlt_id text",
        "insert into raw.orders (order_id, ordered_at, _dlt_id) values (1, '2024-01-05', 'b')",
        "insert into raw.orders (order_id, ordered_at, _dlt_id) values (2, '2024-01-05', 'a')")  # fmt: skip
    assert take(contract(key="_dlt_id")) == {"2024-01": "published"}
    assert rows("select order_id from staging.shop__orders order by _row_number") == [(2,), (1,)]


class Retyped(Orders):
    order_id: Text = column("Number of the order.")


def test_columns_that_are_not_the_contracts_are_drift(raw, take) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1)", "alter table raw.orders add shoe text, drop name")
    with pytest.raises(SchemaDrift) as drift:
        take(contract())
    assert (drift.value.missing, drift.value.extra) == (("name",), ("shoe",))
    raw("alter table raw.orders drop shoe, add name text")
    with pytest.raises(SchemaDrift) as drift:
        take(contract(Retyped))
    assert drift.value.retyped == ("order_id",)


def test_the_source_is_locked_by_access_share_only_and_not_changed(warehouse, raw, take) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1)")
    of = contract()
    warehouse.data.make_tables(warehouse.engine, of)
    found = source_table.find(warehouse, of)["2024-01"]
    assert isinstance(found, SourceFile)
    with warehouse.engine.begin() as connection:
        batch = loads.begin(connection, of, "2024-01", found, None)
    with warehouse.engine.connect() as other:
        other.execute(sa.text("LOCK TABLE raw.orders IN EXCLUSIVE MODE"))  # lets through ACCESS SHARE alone
        source_table.load(warehouse, of, batch)
        other.rollback()


def test_select_is_right_enough_and_without_it_the_message_names_the_grant(warehouse, raw, rows) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1)", "create role loader login",
        "grant usage on schema raw to loader")  # fmt: skip
    engine = sa.create_engine(warehouse.engine.url.set(username="loader"), poolclass=sa.NullPool)
    try:
        theirs = Warehouse(engine, "test", "postgres")
        [problem] = source_table.find(theirs, contract()).values()
        assert isinstance(problem, SourceUnreadable)
        assert str(problem) == "raw.orders: may not be read: GRANT SELECT ON raw.orders TO loader"
        raw("grant select on raw.orders to loader")
        assert list(source_table.find(theirs, contract())) == ["2024-01"]
    finally:
        engine.dispose()
        raw("drop owned by loader", "drop role loader")


@pytest.mark.parametrize("statement", ["drop table raw.orders", "delete from raw.orders"])
def test_a_table_that_is_not_there_or_empty_is_not_delivered_yet(warehouse, raw, statement: str) -> None:
    raw(statement)
    [problem] = source_table.find(warehouse, contract()).values()
    assert isinstance(problem, SourceMissing)


def test_a_wrong_expression_is_one_message(warehouse, raw) -> None:
    [problem] = source_table.find(warehouse, contract(batch="to_char(ordered, 'YYYY')")).values()
    assert isinstance(problem, SourceUnreadable)
    assert str(problem) == 'raw.orders: cannot be read: column "ordered" does not exist'


def test_a_whole_table_or_view_is_one_batch(raw, take, rows) -> None:
    raw("insert into raw.orders values (1, '2024-01-05', 1), (2, '2024-02-05', 1)",
        'create view raw."odd: 100%" as select * from raw.orders')  # fmt: skip
    single = Table("raw.odd: 100%", key=("ordered_at", "order_id"), ignore=("updated_at",))
    assert take(Contract("shop", "orders", "me@example.com", Orders, single)) == {"all": "published"}
    assert rows("select count(*) from staging.shop__orders") == [(2,)]


def test_the_examples_of_the_guide_load(raw, take, rows) -> None:
    guide = (ROOT / "docs/sources.md").read_text().split("## Tables of other loaders")[1].split("\n## ")[0]
    source = eval(guide.split("```python\n")[1].split("```")[0], {"Table": Table, "Monthly": Monthly})
    conditions = [line.split("`")[1] for line in guide.split("|---|---|")[1].splitlines() if line.startswith("| ")]
    assert len(conditions) == 2
    raw("create table raw._dlt_loads (load_id text, status bigint)", "insert into raw._dlt_loads values ('one', 0)",
        "alter table raw.orders rename _load to _dlt_load_id",
        "insert into raw.orders values (1, '2024-01-05', 1)")  # fmt: skip
    for condition in [source.complete, *conditions]:
        raw("truncate raw.orders", "insert into raw.orders values (1, '2024-01-05', 1)")
        of = contract(batch=source.batch, key=source.key, load_id=source.load_id, complete=condition)
        assert list(take(of)) == ["2024-01"]
    assert rows("select order_id from staging.shop__orders") == [(1,)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": "orders", "key": "a"},
        {"table": "a.b.c", "key": "a"},
        {"table": "raw.orders", "key": ()},
        {"table": "raw.orders", "key": "a", "batch": MONTH},
        {"table": "raw.orders", "key": "a", "batches": Monthly("2024-01")},
    ],
)
def test_a_wrong_table_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        Table(**wrong)
