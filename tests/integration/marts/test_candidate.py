"""The candidate compared with what readers have, held by the gate, published or refused; over tables written here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.alerts import incidents
from sluice.contract.errors import ConfigError, DataError
from sluice.ledger import builds, schema, tables
from sluice.marts import build, candidate, compare
from sluice.marts.difference.difference import Difference, MartDifference
from sluice.marts.rollback import rollback
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for

ORDERS = "SELECT n AS order_id, n * 10 AS amount, 'a' || n AS email, NULL::text AS note FROM generate_series(1, 10) n"
Manifest = dict[str, Any]


def manifest(*marts: str, keys: dict[str, str]) -> Manifest:
    """dbt's manifest of a project with these marts, each with a tested key if it has one."""
    nodes: dict[str, Any] = {}
    for name in marts:
        unique_id = f"model.shop.{name}"
        nodes[unique_id] = {
            **{"unique_id": unique_id, "resource_type": "model", "name": name, "alias": name, "schema": "marts"},
            **{
                "constraints": [],
                "fqn": ["shop", "marts", name],
                "columns": {"email": {"name": "email", "meta": {"pii": True}}},
            },
        }
        if name in keys:
            test = {"resource_type": "test", "attached_node": unique_id, "depends_on": {"nodes": [unique_id]}}
            metadata = {"name": "unique", "kwargs": {"column_name": keys[name]}}
            test_id = f"test.shop.{name}"
            nodes[test_id] = {**test, "unique_id": test_id, "name": f"unique_{name}", "test_metadata": metadata}
    return {"nodes": nodes, "child_map": {}}


@dataclass
class Shop:
    """Builds of marts as dbt leaves them, without dbt."""

    warehouse: Warehouse
    keys: dict[str, str] = field(default_factory=lambda: {"orders": "order_id"})

    def build(self, status: str = "passed", **marts: str) -> str:
        """Write a candidate: a query for each mart. Returns its side."""
        with self.warehouse.engine.begin() as connection:
            builds.hold(connection)
            side = builds.candidate(connection)
            build_id = builds.begin(connection, side, "project", [], None)
            connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {side}"))
            for name, query in marts.items():
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {side}.{name}"))
                connection.execute(sa.text(f"CREATE TABLE {side}.{name} AS {query}"))
            text = json.dumps(manifest(*marts, keys=self.keys)).encode()
            builds.finish(connection, build_id, status, text, f"dbt {build_id}")
        return side

    def night(self, **marts: str) -> None:
        self.build(**marts)
        candidate.publish_passed(self.warehouse)

    def difference(self) -> tuple[Difference, dict[str, MartDifference]]:
        found = candidate.difference(self.warehouse)
        return found, {mart.mart: mart for mart in found.marts}

    def rows(self, mart: str = "orders") -> int:
        with self.warehouse.engine.connect() as connection:
            return int(connection.scalar(sa.text(f"SELECT count(*) FROM marts.{mart}")) or 0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A project without any dataset, with these lines in its sluice.toml."""
    root = tmp_path / "project"
    root.mkdir()

    def write(lines: str = "") -> None:
        (root / "sluice.toml").write_text(f'[project]\nid = "shop"\n{lines}\n')

    write()
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    return write


@pytest.fixture
def shop(project: Callable[[str], None], database: sa.URL) -> Iterator[Shop]:
    warehouse = connect(connector_for(database), "test", "postgres")
    with warehouse.engine.begin() as connection:
        schema.create(connection)
    yield Shop(warehouse)
    warehouse.engine.dispose()


def test_rows_are_compared_by_their_key_in_every_column_and_personal_values_are_masked(shop: Shop) -> None:
    shop.night(orders=ORDERS)
    other = f"""
        SELECT order_id, CASE WHEN order_id = 3 THEN 31 ELSE amount END AS amount,
            CASE WHEN order_id IN (3, 4) THEN 'new' ELSE email END AS email,
            CASE WHEN order_id = 5 THEN '*x*|<b>' END AS note
        FROM ({ORDERS}) o WHERE order_id > 1 UNION ALL SELECT 11, 5, 'e', NULL UNION ALL SELECT 12, 5, 'f', NULL
    """
    shop.build(orders=other)
    found, marts = shop.difference()
    orders = marts["orders"]
    assert (orders.state, orders.key, orders.rows_before, orders.rows_now) == ("changed", ("order_id",), 10, 11)
    assert (orders.added, orders.removed, orders.changed) == (2, 1, 3)
    columns = {column.column: column for column in orders.columns}
    assert {name: column.changed for name, column in columns.items() if column.changed} == {
        "amount": 1, "email": 2, "note": 1
    }  # fmt: skip
    assert (columns["amount"].total_before, columns["amount"].total_now) == (550, 551)
    assert (columns["note"].nulls_before, columns["note"].nulls_now) == (1, round(10 / 11, 6))
    assert columns["order_id"].total_now is None  # a sum of identifiers says nothing
    text = str(found)
    assert "orders: 10 rows before, 11 now; keys +2 -1, 3 changed" in text
    assert "changed order_id=3: amount 30 -> 31, email *** -> ***" in text
    assert "added order_id=11" in text
    assert "removed order_id=1" in text
    assert "new" not in re.sub(r"new mart", "", text)  # the new e-mail address
    markdown = found.markdown()
    assert "| orders | 10 | 11 | 2 | 1 | 3 |" in markdown
    assert r"\*x\*\|&lt;b&gt;" in markdown
    assert "<b>" not in markdown
    assert json.loads(json.dumps(found.as_dict(), default=str))["marts"][0]["columns"][1]["total_now"] == 551


def test_marts_without_a_key_are_compared_by_whole_rows_and_any_type_can_be_compared(shop: Shop) -> None:
    shop.keys = {"events": "id"}
    kinds = "'{\"a\": 1}'::json AS j, point(1, 2) AS p, 1.0 AS n"
    shop.night(events=f"SELECT 1 AS id, {kinds}", bag=f"SELECT {kinds} FROM generate_series(1, 3)")
    shop.build(
        events="SELECT 1 AS id, '{\"a\": 2}'::json AS j, point(1, 2) AS p, 1.00 AS n",
        bag=f"SELECT {kinds} FROM generate_series(1, 2) UNION ALL SELECT '{{}}'::json, point(1, 2), 1.0",
    )
    _, marts = shop.difference()
    assert {column.column: column.changed for column in marts["events"].columns} == {
        "id": None, "j": 1, "p": 0, "n": 0
    }  # fmt: skip
    bag = marts["bag"]
    assert (bag.key, bag.added, bag.removed, bag.changed) == ((), 1, 1, None)
    assert [sample.kind for sample in bag.sample] == ["added", "removed"]


@pytest.mark.parametrize("named", ["(order_id || '-' || email)", '"order_id"', "ORDER_ID"])
def test_a_tested_key_that_is_no_column_as_it_is_written_names_no_row(shop: Shop, named: str) -> None:
    shop.keys = {"orders": named}
    shop.night(orders=ORDERS)
    side = shop.build(orders=f"{ORDERS} WHERE n > 1")
    nodes = manifest("orders", keys=shop.keys)
    (orders,) = compare.compare(shop.warehouse, 2, side, "other", nodes)
    assert (orders.old, orders.new) == (10, 9)
    assert shop.difference()[1]["orders"].removed == 1


@pytest.mark.parametrize("config", [{"where": "email is not null"}, {"severity": "WARN"}])
def test_a_test_that_lets_a_key_stand_twice_names_no_row(shop: Shop, config: dict[str, str]) -> None:
    twice = f"{ORDERS} UNION ALL {ORDERS}"
    shop.night(orders=twice)
    side = shop.build(orders=twice)
    nodes = manifest("orders", keys=shop.keys)
    nodes["nodes"]["test.shop.orders"]["config"] = config
    (orders,) = compare.compare(shop.warehouse, 2, side, "other", nodes)
    assert (orders.old, orders.new, orders.keys_added) == (20, 20, None)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("1", "NaN", "amount: total 46 before, NaN now"),
        ("NaN", "NaN", ""),
        ("1", "Infinity", "amount: total 46 before, Infinity now"),
        ("Infinity", "-Infinity", "amount: total Infinity before, -Infinity now"),
        ("Infinity", "Infinity", ""),
    ],
)
def test_a_number_that_is_not_finite_moved_unless_it_was_so_before(
    shop: Shop, project: Callable[[str], None], before: str, now: str, said: str
) -> None:
    project("[marts.gate]\ntotal = 100")
    query = (
        "SELECT n AS order_id, CASE WHEN n = 1 THEN '{}' ELSE '5' END::numeric AS amount FROM generate_series(1, 10) n"
    )
    shop.night(orders=query.format(before))
    side = shop.build(orders=query.format(now))
    (orders,) = compare.compare(shop.warehouse, 2, side, "other", manifest("orders", keys=shop.keys))
    assert orders.differs == bool(said)
    found, marts = shop.difference()
    assert marts["orders"].state == ("changed" if said else "same")
    assert [*found.reasons] == ([f"orders: {said} ([marts] gate allows 10000%)"] if said else [])
    text = json.dumps(found.as_dict(), default=str, allow_nan=False)
    assert ('"total_now": "' in text) == (now != "1")


@pytest.mark.parametrize("kind", ["integer", "numeric", "double precision", "real"])
def test_the_total_of_every_kind_of_number_is_compared(shop: Shop, kind: str) -> None:
    query = f"SELECT n AS order_id, {{}}::{kind} AS amount FROM generate_series(1, 10) n"
    shop.night(orders=query.format("n"))
    side = shop.build(orders=query.format("n * 3"))
    (orders,) = compare.compare(shop.warehouse, 2, side, "other", manifest("orders", keys=shop.keys))
    assert orders.moved == ("mean amount: 5.50 before, 16.50 now",)


def test_new_gone_same_and_retyped_are_said(shop: Shop) -> None:
    shop.night(orders=ORDERS, old="SELECT 1 AS a", days="SELECT 1 AS day, 2 AS n")
    first = shop.build(orders=ORDERS, fresh="SELECT 1 AS a", days="SELECT 1 AS day, '2' AS n, 3 AS more")
    found, marts = shop.difference()
    assert first == found.side
    assert {name: mart.state for name, mart in marts.items()} == {
        "orders": "same", "old": "gone", "fresh": "new", "days": "changed"
    }  # fmt: skip
    assert {column.column: column.state for column in marts["days"].columns} == {
        "day": "both", "n": "retyped", "more": "new"
    }  # fmt: skip
    assert "old: gone; readers have 1 row" in str(found)


def test_before_the_first_publish_every_mart_is_new(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="never built"):
        candidate.difference(shop.warehouse)
    shop.build(orders=ORDERS)
    found, marts = shop.difference()
    assert (found.live, marts["orders"].state, marts["orders"].rows_now) == (None, "new", 10)


@pytest.mark.parametrize(
    ("limit", "query", "said"),
    [
        ("removed = 0.1", f"{ORDERS} WHERE n > 2", "2 rows removed, 20% of 10 ([marts] gate allows 10%)"),
        ("added = 0", f"{ORDERS} UNION SELECT 11, 1, 'x', NULL", "1 row added, 10% of 10"),
        # dbt's test of uniqueness passes over rows without a key
        ("added = 0", f"{ORDERS} UNION SELECT NULL, 1, 'x', NULL", "1 row added, 10% of 10"),
        ("changed = 0.05", ORDERS.replace("n * 10", "CASE n WHEN 1 THEN 7 ELSE n * 10 END"), "1 row changed, 10%"),
        ("null_share = 0.5", ORDERS.replace("NULL::text", "'x'"), "note: 100% null before, 0% now"),
        ("total = 0.5", ORDERS.replace("n * 10", "n * 20"), "amount: total 550 before, 1,100 now"),
    ],
)
def test_what_changed_more_than_the_gate_allows_waits_until_a_person_gives_a_reason(
    shop: Shop, project: Callable[[str], None], limit: str, query: str, said: str
) -> None:
    project(f"[marts.gate]\n{limit}")
    shop.night(orders=ORDERS)
    shop.build(orders=query)
    with pytest.raises(DataError) as held:
        candidate.publish_passed(shop.warehouse)
    assert said in str(held.value)
    with shop.warehouse.engine.connect() as connection:
        before = builds.live(connection)
    assert before is not None
    assert before.side == "marts__a"
    assert candidate.difference(shop.warehouse).as_dict()["gate"]["waits"]

    candidate.publish_passed(shop.warehouse, "the shop closed an account", "Ada")
    with shop.warehouse.engine.connect() as connection:
        live = builds.live(connection)
    assert live is not None
    assert (live.side, live.released_by, live.released_why) == ("marts__b", "Ada", "the shop closed an account")


def test_what_keeps_a_build_from_beginning_is_an_incident(
    shop: Shop, project: Callable[[str], None], tmp_path: Path
) -> None:
    project(f'[dbt]\nrunner = "process"\nexecutable = "{tmp_path / "no-dbt"}"\n[marts]\nschemas = ["shop"]')
    with pytest.raises(ConfigError, match="there is no file"):
        build.build(shop.warehouse, None)
    with shop.warehouse.engine.connect() as connection:
        (incident,) = incidents.open_now(connection)
    assert "there is no file" in incident.facts["reasons"][0]


def test_a_user_without_a_name_is_asked_for_one_with_the_reason(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.build(orders=ORDERS)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2_000_000_001)
    with pytest.raises(ConfigError, match="--who NAME"):
        candidate.publish_passed(shop.warehouse, "it is right")
    candidate.publish_passed(shop.warehouse, "it is right", "Ada")
    assert shop.rows() == 10


def test_rows_without_a_key_that_are_gone_wait_for_a_person(shop: Shop, project: Callable[[str], None]) -> None:
    project("[marts.gate]\nremoved = 0.1")
    shop.night(orders=f"{ORDERS} UNION ALL SELECT NULL, 1, 'x', NULL FROM generate_series(1, 10)")
    shop.build(orders=ORDERS)
    assert shop.difference()[0].reasons == ("orders: 10 rows removed, 50% of 20 ([marts] gate allows 10%)",)


def test_a_change_within_the_gate_waits_for_nobody(shop: Shop, project: Callable[[str], None]) -> None:
    project("[marts]\ngate = {removed = 0.2, changed = 0, null_share = 0, total = 0.1}")
    shop.night(orders=ORDERS)
    shop.night(orders=f"{ORDERS} WHERE n > 1")
    assert shop.rows() == 9


def test_a_side_that_a_rollback_took_out_is_published_only_after_a_new_build(shop: Shop) -> None:
    shop.night(orders=ORDERS)
    shop.night(orders=f"{ORDERS} WHERE n > 5")
    rollback(shop.warehouse)
    with pytest.raises(ConfigError, match="marts__b was taken out by a rollback"):
        candidate.publish_passed(shop.warehouse)
    assert shop.rows() == 10
    shop.night(orders=f"{ORDERS} WHERE n > 7")
    assert shop.rows() == 3


def test_what_did_not_pass_or_was_published_already_is_no_candidate(shop: Shop) -> None:
    shop.night(orders=ORDERS)
    with pytest.raises(ConfigError, match="readers have build 1 of marts__a, the newest"):
        candidate.publish_passed(shop.warehouse)
    shop.build("failed", orders=f"{ORDERS} LIMIT 1")
    with pytest.raises(DataError, match="build 2 of marts__b did not pass"):
        candidate.publish_passed(shop.warehouse)
    assert shop.rows() == 10
    with shop.warehouse.engine.connect() as connection:
        kinds = connection.scalars(sa.select(tables.publications.c.kind)).all()
    assert kinds == ["publish"]
