"""Fourteen nights of a shop with every kind of source: deliveries are late, corrected, withdrawn and doubled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support import stores
from tests.support.stores import BUCKET, Store
from tests.support.workbooks import workbook

NIGHTS = 14
FIRST = datetime.now(UTC).date() - timedelta(days=NIGHTS)  # a function is asked for the days before today
HEAD = """
from __future__ import annotations
from hashlib import sha256
import json
from pathlib import Path
import pandera.pandas as pa
from sluice import (Contract, Daily, Date, Files, Gate, Hourly, Int, Money, Rows, Table, Text, Timestamp, Weekly,
                    column)

HERE = Path({here!r})
"""
CONTRACTS = {
    "stores": """
class Stores(pa.DataFrameModel):
    store_id: Int = column("Number of the store.", unique=True)
    title: Text = column("Its name.")


CONTRACT = Contract("shop", "stores", "me@example.com", Stores,
                    Files(f"{{HERE}}/stores_{{{{batch}}}}.xlsx", Weekly("{week}")))
""",
    "customers": """
class Customers(pa.DataFrameModel):
    customer_id: Int = column("Number of the customer.", unique="dataset", ge=1)
    store_id: Int = column("Where they signed up.", references="shop__stores.store_id")


def customers(batch):
    rows = json.loads((HERE / f"api_{{batch}}.json").read_text())
    for row in rows:
        if row == "broken":
            raise ConnectionError("the API hung up")
        yield row


def version(batch):
    path = HERE / f"api_{{batch}}.json"
    return sha256(path.read_bytes()).hexdigest() if path.exists() else None


def read(batch):
    return customers(batch) if (HERE / f"api_{{batch}}.json").exists() else None


CONTRACT = Contract("shop", "customers", "me@example.com", Customers,
                    Rows(read, Daily("{first}", look_back=20), version=version))
""",
    "orders": """
class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique="dataset")
    customer_id: Int = column("Who ordered.", references="shop__customers.customer_id")
    amount: Money = column("Paid.", ge=0)
    ordered_on: Date = column("Day.")


CONTRACT = Contract("shop", "orders", "me@example.com", Orders,
                    Files(f"{{HERE}}/orders_{{{{batch}}}}.csv", Daily("{first}", by="ordered_on")))
""",
    "events": """
class Events(pa.DataFrameModel):
    event_id: Int = column("Number of the event.", unique=True)
    customer_id: Int = column("Whose.", references="shop__customers.customer_id")
    at: Timestamp = column("When.")


CONTRACT = Contract("shop", "events", "me@example.com", Events,
                    Files("s3://{bucket}/events/{{year}}/{{month}}/{{day}}/{{hour}}_*.jsonl",
                          Hourly("{first}T00", by="at")))
""",
    "payments": """
class Payments(pa.DataFrameModel):
    payment_id: Int = column("Number of the payment.", unique="dataset")
    order_id: Int = column("What was paid.", references="shop__orders.order_id")
    paid_on: Date = column("Day.")


CONTRACT = Contract("shop", "payments", "me@example.com", Payments,
                    Table("raw.payments", Daily("{first}", by="paid_on"), batch="to_char(paid_on, 'YYYY-MM-DD')",
                          key="payment_id", load_id="_dlt_load_id",
                          complete="exists (select 1 from raw._dlt_loads l where l.load_id = _dlt_load_id "
                                   "and l.status = 0)"))
""",
}
FLOW = """
from __future__ import annotations
from sluice import Summary, deliver, finish, flow


@flow(name="nightly")
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    return finish(deliver(datasets, batches, url))
"""
COLUMNS = {
    "stores": "store_id, title",
    "customers": "customer_id, store_id",
    "orders": "order_id, customer_id, amount::text, ordered_on::text",
    "events": "event_id, customer_id, at::text",
    "payments": "payment_id, order_id, paid_on::text",
}
Rows = set[tuple[Any, ...]]


def day(night: int) -> str:
    return str(FIRST + timedelta(days=night))


def week(night: int) -> str:
    year, number, _ = date.fromisoformat(day(night)).isocalendar()
    return f"{year}-W{number:02}"


def customers(night: int) -> Rows:
    return {(10 * night + 1, 1 + night % 3), (10 * night + 2, 2)}


def orders(night: int, amount: str = "9.50") -> Rows:
    buyers = (10 * night + 1, 10 * night + 2, 10 * max(night - 1, 0) + 1)
    return {(100 * night + n, buyer, amount, day(night)) for n, buyer in enumerate(buyers, start=1)}


def event(night: int, number: int, hour: str) -> tuple[Any, ...]:
    return (1000 * night + number, 10 * night + 1 + number % 2, f"{day(night)} {hour}:05:00")


def payments(night: int) -> Rows:
    return {(10000 * night + n, 100 * night + n, day(night)) for n in (1, 2)}


class Shop:
    """The providers of the shop: what each delivers, and where."""

    def __init__(self, here: Path, store: Store, engine: sa.Engine) -> None:
        self.here, self.store, self.engine = here, store, engine
        self.sheets: dict[str, Rows] = {}
        self.sql(
            "create schema raw",
            "create table raw._dlt_loads (load_id text primary key, status bigint not null)",
            "create table raw.payments (payment_id bigint, order_id bigint, paid_on date, _dlt_load_id text not null, "
            "_dlt_id text not null default md5(random()::text))",
        )

    def sql(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement.replace("::", r"\:\:")))

    def sheet(self, name: str, title: str = "store") -> Rows:
        rows: list[tuple[Any, ...]] = [(n, f"{title} {n}") for n in (1, 2, 3)]
        self.sheets[name] = set(rows)
        workbook(self.here / f"stores_{name}.xlsx", {"Stores": [["store_id", "title"], *rows]})
        return self.sheets[name]

    def sheet_of_the_week(self, night: int) -> Rows:
        """The sheet of this night's week, which comes once: a corrected one stays."""
        return self.sheets.get(week(night)) or self.sheet(week(night))

    def api(self, night: int, *more: Any, rows: Rows | None = None) -> Rows:
        given = customers(night) if rows is None else rows
        answers = [{"customer_id": one, "store_id": store} for one, store in sorted(given)]
        (self.here / f"api_{day(night)}.json").write_text(json.dumps([*answers, *more]))
        return given

    def csv(self, night: int, rows: Rows, name: int | None = None) -> Rows:
        lines = ["order_id,customer_id,amount,ordered_on", *(",".join(map(str, row)) for row in sorted(rows))]
        (self.here / f"orders_{day(night if name is None else name)}.csv").write_text("\n".join(lines) + "\n")
        return rows

    def key(self, night: int, name: str) -> str:
        return f"events/{day(night).replace('-', '/')}/{name}.jsonl"

    def bucket(self, night: int, name: str, *numbers: int) -> Rows:
        rows = [event(night, number, name[:2]) for number in numbers]
        lines = [json.dumps(dict(zip(("event_id", "customer_id", "at"), row, strict=True))) for row in rows]
        self.store.put(self.key(night, name), ("\n".join(lines) + "\n").encode())
        return set(rows)

    def remove(self, night: int, name: str) -> None:
        self.store.boto().delete_object(Bucket=BUCKET, Key=self.key(night, name))

    def dlt(self, load: str, rows: Rows, status: int = 0) -> Rows:
        self.sql(f"insert into raw._dlt_loads values ('{load}', {status})")
        for payment, order, on in rows:
            self.sql(f"insert into raw.payments values ({payment}, {order}, '{on}', '{load}')")
        return rows


@pytest.fixture
def shop(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    root, here = tmp_path / "project", tmp_path / "inbox"
    for folder in (root / "contracts", root / "flows", here):
        folder.mkdir(parents=True)
    (root / "sluice.toml").write_text('[project]\nid = "fortnight"\n')
    (root / "flows/nightly.py").write_text(FLOW)
    for entity, text in CONTRACTS.items():
        filled = (HEAD + text).format(here=str(here), first=day(0), week=week(0), bucket=BUCKET)
        (root / f"contracts/{entity}.py").write_text(filled)
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.chdir(root)
    stores.forget_credentials(monkeypatch)
    with stores.s3() as store:
        for name, value in stores.environment(store).items():
            monkeypatch.setenv(name, value)
        yield Shop(here, store, engine)


class Expected:
    """What readers should have: the rows of each batch, by dataset."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.rows: dict[str, dict[str, Rows]] = {entity: {} for entity in COLUMNS}

    def of_day(self, night: int) -> None:
        """All that an ordinary day brings."""
        self.rows["customers"][day(night)] = customers(night)
        self.rows["orders"][day(night)] = orders(night)
        self.rows["payments"][day(night)] = payments(night)
        self.rows["events"][f"{day(night)}T09"] = {event(night, 1, "09"), event(night, 2, "09")}
        self.rows["events"][f"{day(night)}T17"] = {event(night, 3, "17")}

    def without(self, *batches: tuple[str, str]) -> None:
        for entity, batch in batches:
            del self.rows[entity][batch]

    def hold(self, night: int) -> None:
        """Readers of every dataset have these rows and no others."""
        for entity, columns in COLUMNS.items():
            query = sa.text(f"select _batch, {columns} from staging.shop__{entity}".replace("::", r"\:\:"))
            with self.engine.connect() as connection:
                found = [tuple(row) for row in connection.execute(query)]
            wanted = {(batch, *row) for batch, rows in self.rows[entity].items() for row in rows}
            assert (set(found), len(found)) == (wanted, len(wanted)), f"night {night}, {entity}"


def ordinary(shop: Shop, night: int, *leave_out: str) -> None:
    """What the providers deliver on an ordinary day."""
    if "customers" not in leave_out:
        shop.api(night)
    if "orders" not in leave_out:
        shop.csv(night, orders(night))
    if "events" not in leave_out:
        shop.bucket(night, "09_a", 1)
        shop.bucket(night, "09_b", 2)
        shop.bucket(night, "17_a", 3)
    if "payments" not in leave_out:
        shop.dlt(f"load {night}", payments(night))


@pytest.mark.long
def test_a_fortnight_of_every_source_ends_as_it_should(
    sluice: Callable[..., Any], engine: sa.Engine, shop: Shop
) -> None:
    readers = Expected(engine)

    def run(night: int, code: int) -> str:
        said = sluice("run")
        assert said.code == code, f"night {night}: {said.out}{said.err}"
        readers.hold(night)
        return str(said.out + said.err)

    def reasons(entity: str, batch: str) -> str:
        query = sa.text("select reasons from ops.batches where dataset = :dataset and batch = :batch "
                        "order by load_id desc limit 1")  # fmt: skip
        with engine.connect() as connection:
            return " ".join(connection.scalar(query, {"dataset": f"shop__{entity}", "batch": batch}))

    def loads() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(sa.text("select count(*) from ops.batches")) or 0)

    for night in (0, 1):
        readers.rows["stores"][week(night)] = shop.sheet_of_the_week(night)
        ordinary(shop, night)
        readers.of_day(night)
        run(night, 0)
        before = loads()
        run(night, 0)
        assert loads() == before, "nothing was new"

    # Night 3: the orders are late, so what is paid for them is held until they come.
    readers.rows["stores"][week(2)] = shop.sheet_of_the_week(2)
    ordinary(shop, 2)
    readers.of_day(2)
    run(2, 0)
    for night in (3, 4):
        readers.rows["stores"][week(night)] = shop.sheet_of_the_week(night)
        ordinary(shop, night, *(["orders"] if night == 3 else []))
        readers.of_day(night)
        if night == 3:
            readers.without(("orders", day(3)), ("payments", day(3)))
        run(night, 2)
        wanted = f"shop__orders is published up to {day(2)}" if night == 3 else "order_id references shop__orders"
        assert wanted in reasons("payments", day(3))
    readers.rows["stores"][week(0)] = shop.sheet(week(0), "shop")  # a corrected sheet
    ordinary(shop, 5)
    shop.csv(3, orders(3))
    readers.of_day(5)
    readers.of_day(3)
    readers.rows["stores"][week(5)] = shop.sheet_of_the_week(5)
    run(5, 0)

    # Night 6: the customers of the day are held, and with them all that is theirs; older orders are corrected.
    ordinary(shop, 6)
    shop.api(6, {"customer_id": -1, "store_id": 1})
    readers.rows["orders"][day(4)] = shop.csv(4, orders(4, "10.50"))
    readers.rows["stores"][week(6)] = shop.sheet_of_the_week(6)
    run(6, 2)
    assert f"what is published counts, not the newest load of {day(6)} (held)" in reasons("orders", day(6))
    shop.api(6)
    ordinary(shop, 7)
    readers.rows["stores"][week(7)] = shop.sheet_of_the_week(7)
    readers.of_day(6)
    readers.of_day(7)
    run(7, 0)

    # Night 8: the orders of yesterday are sent as those of today, and a file of the bucket twice.
    ordinary(shop, 8, "orders")
    shop.csv(7, orders(7), name=8)
    shop.bucket(8, "09_c", 2)
    readers.rows["stores"][week(8)] = shop.sheet_of_the_week(8)
    readers.of_day(8)
    readers.without(("orders", day(8)), ("payments", day(8)), ("events", f"{day(8)}T09"))
    run(8, 2)
    assert f"batch {day(7)}" in reasons("orders", day(8))
    assert "09_c.jsonl" in reasons("events", f"{day(8)}T09")

    # Night 9: both are put right; files are withdrawn, a whole hour and one of two; a payment comes late.
    ordinary(shop, 9)
    shop.csv(8, orders(8))
    shop.remove(8, "09_c")
    shop.remove(2, "17_a")
    shop.remove(1, "09_b")
    late = shop.dlt("late", {(20003, 203, day(2))})
    readers.rows["stores"][week(9)] = shop.sheet_of_the_week(9)
    readers.of_day(8)
    readers.of_day(9)
    readers.rows["payments"][day(2)] |= late
    run(9, 2)
    assert "09_b.jsonl" in reasons("events", f"{day(1)}T09")

    # Night 10: the file is back; dlt has not finished its load.
    shop.bucket(1, "09_b", 2)
    ordinary(shop, 10, "payments")
    shop.dlt("load 10", payments(10), status=1)
    readers.rows["stores"][week(10)] = shop.sheet_of_the_week(10)
    readers.of_day(10)
    readers.without(("payments", day(10)))
    run(10, 0)

    # Night 11: the API hangs up midway.
    shop.sql("update raw._dlt_loads set status = 0 where load_id = 'load 10'")
    ordinary(shop, 11)
    shop.api(11, "broken")
    readers.rows["stores"][week(11)] = shop.sheet_of_the_week(11)
    readers.rows["payments"][day(10)] = payments(10)
    assert "the API hung up" in run(11, 3)

    # Night 12: it answers, but takes back a customer of the first day; a payment is deleted.
    shop.api(11)
    shop.api(0, rows={(1, 1)})
    shop.sql("delete from raw.payments where payment_id = 10001")
    ordinary(shop, 12)
    readers.rows["stores"][week(12)] = shop.sheet_of_the_week(12)
    readers.of_day(11)
    readers.of_day(12)
    readers.rows["customers"][day(0)] = {(1, 1)}
    readers.rows["payments"][day(1)] -= {(10001, 101, day(1))}
    said = run(12, 0)
    assert f"1 published row of shop__orders ({day(0)}) with a customer_id that is no longer published" in said

    # Night 13: all is well again.
    shop.api(0)
    ordinary(shop, 13)
    readers.rows["stores"][week(13)] = shop.sheet_of_the_week(13)
    readers.of_day(13)
    readers.rows["customers"][day(0)] = customers(0)
    run(13, 0)
    with engine.connect() as connection:
        opened = connection.execute(sa.text("select dataset, batch, kind from ops.incidents where resolved_as is null"))
        assert opened.all() == []
        left = connection.execute(sa.text("select dataset, batch from ops.batches where status = 'held'")).all()
        quarantined = connection.scalar(sa.text("select count(*) from quarantine.shop__orders"))
    assert quarantined == 0
    assert left == [("shop__events", f"{day(1)}T09")]  # readers kept the load of before, so nothing took its place
