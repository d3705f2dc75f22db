"""Rows whose key must be published in another dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.checks.names import references_of
from sluice.contract.errors import DataError, Overtaken
from sluice.contract.gate import decide
from sluice.ledger import loads, references, schema
from sluice.ledger.references import ReferencesChanged
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, lost_keys, publish, reload
from tests.support.references import customers, orders, orders_once, write_customers, write_orders

CHECK = "customer_id references shop__customers.customer_id"


@pytest.fixture
def warehouse_url(database: sa.URL) -> sa.URL:
    """One kind of server is enough: what is special to one is not asked here."""
    return database


@pytest.fixture
def give(deliver: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Deliver customers, or orders of customers."""

    def put(contract: Any, batch: str, *numbers: int | str) -> Any:
        write = write_customers if contract.entity == "customers" else write_orders
        return deliver(contract, batch, write(tmp_path / f"{contract}_{batch}.csv", *numbers))

    return put


@pytest.fixture
def look(warehouse: Any) -> Callable[..., str]:
    """Count the orders whose customer is gone, as the end of a run does."""

    def count(contract: Any) -> str:
        [reference] = references_of(contract)
        return lost_keys.of_reference(warehouse, contract, reference)

    return count


def test_rows_whose_key_is_not_published_are_rejected_and_nulls_are_not(give, rows) -> None:
    give(customers(), "2024-01", 1, 2)
    give(customers(), "2024-02", 3)
    found = give(orders(max_rejected=0.5), "2024-02", 1, 2, 3, 4, "")
    assert found.decision.open
    assert rows("select customer_id from staging.shop__orders order by 1") == [(1,), (2,), (3,), (None,)]
    assert rows("select _row_number, _reasons from quarantine.shop__orders") == [(4, [CHECK])]
    [[sample]] = rows("select sample from ops.checks where check_name = :check", check=CHECK)
    assert sample == [{"_row_number": 4, "customer_id": 4}]
    kept = rows("select dataset, count from ops.reference_loads where load_id = :load", load=found.batch.load_id)
    assert kept == [("shop__customers", 2)]


def test_a_cell_that_does_not_parse_fails_for_that_alone(give, rows) -> None:
    give(customers(), "2024-01", 1)
    give(orders(max_rejected=0.5), "2024-01", 1, "one")
    assert rows("select _reasons from quarantine.shop__orders") == [(["customer_id is integer"],)]


@pytest.mark.parametrize(
    ("options", "opens", "published", "said"),
    [
        ({"tolerance": 0.5}, True, 1, ""),
        ({"tolerance": 0.4}, False, 0, f"50% of rows fail {CHECK} (tolerance 40%)"),
        ({"severity": "warn"}, True, 2, f"50% of rows fail {CHECK}"),
    ],
)
def test_tolerance_and_severity_hold_as_for_any_check(give, rows, options, opens, published, said) -> None:
    give(customers(), "2024-01", 1)
    found = give(orders(max_rejected=1, **options), "2024-01", 1, 9)
    assert found.decision.open is opens
    assert rows("select count(*) from staging.shop__orders") == [(published,)]
    assert [*found.decision.reasons, *found.decision.warnings] == ([said] if said else [])


def test_a_parent_that_is_held_or_missing_is_named_in_the_reason(give) -> None:
    give(customers(), "2024-01", 1)
    late = give(orders(tolerance=0), "2024-02", 1, 2)
    assert late.decision.reasons[0].endswith("(tolerance 0%) (shop__customers is published up to 2024-01)")

    assert not give(customers(), "2024-02", 2, -2).decision.open
    held = give(orders(tolerance=0), "2024-02", 1, 2)
    said = "(of shop__customers, what is published counts, not the newest load of 2024-02 (held))"
    assert held.decision.reasons[0].endswith(said)


def test_where_nothing_of_the_parent_is_published_the_reason_says_so(warehouse, give) -> None:
    warehouse.data.make_tables(warehouse.engine, customers())
    found = give(orders(), "2024-01", 1)
    assert found.decision.reasons == (
        f"100% of rows are rejected (at most 0%), most often for {CHECK} (1 row; nothing of shop__customers is "
        "published)",
    )
    lenient = give(orders(max_rejected=1), "2024-01", 1)
    assert lenient.decision.warnings == (f"100% of rows fail {CHECK} (nothing of shop__customers is published)",)


def test_a_parent_without_a_table_closes_the_gate(give) -> None:
    found = give(orders(), "2024-01", 1)
    assert not found.decision.open
    assert f"the check {CHECK} could not be run" in found.decision.reasons[0]


def test_a_replay_after_the_parent_came_publishes_the_rows(warehouse, give, rows) -> None:
    give(customers(), "2024-01", 1)
    contract = orders()
    assert not give(contract, "2024-01", 1, 2).decision.open
    give(customers(), "2024-02", 2)

    assert again(warehouse, contract, "2024-01").open
    assert rows("select customer_id from staging.shop__orders order by 1") == [(1,), (2,)]


def test_a_batch_is_audited_again_if_its_parent_was_published_meanwhile(warehouse, give, rows, tmp_path) -> None:
    give(customers(), "2024-01", 1, 2)
    contract = orders(max_rejected=0.5)
    give(contract, "2024-01", 1)  # makes its tables
    file = fetch.fetch(fetch.look(str(write_orders(tmp_path / "o.csv", 1, 2))), tmp_path)
    with warehouse.engine.begin() as connection:
        batch = loads.begin(connection, contract, "2024-01", file, None)
    with open_rows(file, contract, "2024-01") as stream:
        batch = load.load(warehouse, contract, batch, stream)
    report = audit.audit(warehouse, contract, batch)
    assert report.rejected == 0

    give(customers(), "2024-01", 1, 3)  # customer 2 is gone
    with pytest.raises(ReferencesChanged, match="other loads of shop__customers are published"):
        publish.publish(warehouse, contract, batch, report, decide(contract.gate, report))
    assert rows("select count(*) from staging.shop__orders") == [(1,)]

    report = audit.audit(warehouse, contract, batch)
    publish.publish(warehouse, contract, batch, report, decide(contract.gate, report))
    assert rows("select customer_id from staging.shop__orders") == [(1,)]
    assert rows("select _reasons from quarantine.shop__orders") == [([CHECK],)]


def test_no_parent_is_published_between_the_last_look_and_the_commit(warehouse, give, rows) -> None:
    """The publishing transaction of a child holds what a publication of its parent waits for."""
    give(customers(), "2024-01", 1)
    child = give(orders(), "2024-01", 1)
    with warehouse.engine.connect() as publishing, warehouse.engine.connect() as other:
        references.verify(publishing, child.batch)
        other.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            references.announce(other, "shop__customers")
        publishing.rollback()
        other.rollback()
        references.announce(other, "shop__customers")
        other.rollback()


def test_an_overtaken_publication_waits_for_no_other(warehouse, give) -> None:
    contract = orders()
    give(customers(), "2024-01", 1, 2)
    old = give(contract, "2024-01", 1)
    give(contract, "2024-01", 1, 2)
    with warehouse.engine.connect() as other:
        references.announce(other, contract.dataset_id)  # as a release that took over does
        with pytest.raises(Overtaken, match="a later run took over"):
            publish.publish(warehouse, contract, old.batch, old.report, old.decision)


def test_a_parent_that_loses_keys_leaves_the_rows_and_opens_a_warning_until_they_are_back(give, look, rows) -> None:
    contract = orders()
    give(customers(), "2024-01", 1, 2, 3)
    give(contract, "2024-01", 1, 2, 2, 3)
    give(contract, "2024-02", 2)
    assert look(contract) == ""

    give(customers(), "2024-01", 1, 3)
    said = (
        "3 published rows of shop__orders (2024-01, 2024-02) with a customer_id that is no longer published in "
        "shop__customers.customer_id"
    )
    assert look(contract) == said
    assert rows("select count(*) from staging.shop__orders") == [(5,)]
    open_now = "select kind, dataset, facts ->> 'next_command' from ops.incidents where resolved_at is null"
    assert rows(open_now) == [("warning", "shop__orders", "sluice quarantine replay shop__orders 2024-01")]
    assert look(contract) == said  # in each run, until it is over

    give(customers(), "2024-02", 2)
    assert look(contract) == ""
    assert rows("select resolved_as from ops.incidents") == [("recovered",)]


def test_a_parent_that_was_replaced_without_a_loss_is_no_warning(give, look, rows) -> None:
    contract = orders()
    give(customers(), "2024-01", 1, 2)
    give(contract, "2024-01", 1)
    give(customers(), "2024-01", 1, 5)
    assert look(contract) == ""
    assert rows("select count(*) from ops.incidents") == [(0,)]


def test_a_loss_between_two_runs_is_found_though_both_came_after_the_last_count(give, look) -> None:
    contract = orders()
    give(customers(), "2024-01", 1)
    give(contract, "2024-01", 1)
    assert look(contract) == ""
    give(customers(), "2024-01", 1, 2)
    give(contract, "2024-02", 2)
    give(customers(), "2024-01", 1)
    assert look(contract).startswith("1 published row of shop__orders (2024-02)")


def test_rows_that_were_published_with_a_warning_are_not_reported_as_lost(give, look) -> None:
    contract = orders(severity="warn")
    give(customers(), "2024-01", 1, 2)
    give(contract, "2024-01", 1, 2, 9)
    give(customers(), "2024-01", 1, 2, 3)
    assert look(contract) == ""
    give(customers(), "2024-01", 1)
    assert look(contract).startswith("1 published row of shop__orders (2024-01)")


def again(warehouse: Any, contract: Any, name: str) -> Any:
    """Replay a batch, and give the decision on it."""
    of = reload.replayed(warehouse, contract, name)
    with warehouse.engine.begin() as connection:
        batch = loads.begin_replay(connection, contract, of, None)
    batch = reload.load_again(warehouse, contract, batch, of)
    report = audit.audit(warehouse, contract, batch)
    decision = decide(contract.gate, report)
    (publish.publish if decision.open else publish.hold)(warehouse, contract, batch, report, decision)
    return decision


def put(deliver: Any, folder: Path, contract: Any, batch: str, *numbers: int | str) -> Any:
    """Deliver orders with these numbers."""
    path = folder / f"{batch}.csv"
    path.write_text("\n".join(["order_id,customer_id", *(f"{number},1" for number in numbers)]) + "\n")
    return deliver(contract, batch, path)


def test_a_key_of_another_published_batch_is_rejected_and_that_of_the_replaced_one_is_not(
    deliver, rows, tmp_path
) -> None:
    contract = orders_once(max_rejected=0.5)
    put(deliver, tmp_path, contract, "2024-01", 1, 2, "")
    found = put(deliver, tmp_path, contract, "2024-02", 2, 3, 4, "")
    assert [str(each) for each in found.report.results if each.failing] == [
        "25% of rows fail order_id unique in shop__orders"
    ]
    put(deliver, tmp_path, contract, "2024-01", 1, 2, 5, "")  # corrected: its own keys are no duplicates
    once = "select _batch, order_id from staging.shop__orders where order_id is not null order by 2"
    assert [row.order_id for row in rows(once)] == [1, 2, 3, 4, 5]
    assert rows("select _batch, _reasons from quarantine.shop__orders") == [
        ("2024-02", ["order_id unique in shop__orders"])
    ]


def test_a_row_that_is_a_duplicate_within_and_across_has_both_reasons(deliver, rows, tmp_path) -> None:
    contract = orders_once(max_rejected=0.9)
    put(deliver, tmp_path, contract, "2024-01", 1)
    put(deliver, tmp_path, contract, "2024-02", 1, 1, 2)
    assert rows("select _row_number, _reasons from quarantine.shop__orders order by 1") == [
        (1, ["order_id unique", "order_id unique in shop__orders"]),
        (2, ["order_id unique", "order_id unique in shop__orders"]),
    ]


def test_a_held_batch_is_released_only_if_its_keys_were_compared_with_what_is_published(
    warehouse, deliver, rows, tmp_path
) -> None:
    contract = orders_once()
    put(deliver, tmp_path, contract, "2024-01", 1)
    held = put(deliver, tmp_path, contract, "2024-02", 1, 2, 3)
    assert not held.decision.open
    put(deliver, tmp_path, contract, "2024-03", 3)
    with pytest.raises(DataError, match="sluice quarantine replay shop__orders 2024-02"):
        publish.release(warehouse, contract, held.batch, "me", "it is fine")
    assert again(warehouse, contract, "2024-02").reasons[0].startswith("66.67% of rows are rejected")
    with warehouse.engine.connect() as connection:
        newest = loads.latest(connection, "shop__orders", "2024-02", "held")
    publish.release(warehouse, contract, replace(held.batch, load_id=newest.load_id), "me", "it is fine")
    assert rows("select order_id from staging.shop__orders order by 1") == [(1,), (2,), (3,)]


def test_a_warehouse_from_before_references_gets_their_tables(warehouse, give, rows) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE ops.reference_loads, ops.reference_counts"))
        assert schema.state(connection) is schema.State.OLDER
        schema.create(connection)
        assert schema.state(connection) is schema.State.CURRENT
    give(customers(), "2024-01", 1)
    assert give(orders(), "2024-01", 1).decision.open


def test_a_contract_without_references_keeps_its_version() -> None:
    from sluice.contract.checks.version import version_of
    from tests.support import shops

    assert version_of(shops.contract()) == VERSION
    assert version_of(orders()) != version_of(replace(orders(), schema=orders(severity="warn").schema))


VERSION = "2ce59e1598f1"  # of the release before references


def test_what_is_kept_of_the_other_loads_does_not_grow_with_their_number(warehouse, deliver, rows, tmp_path) -> None:
    contract = orders_once()
    for month in range(1, 13):
        put(deliver, tmp_path, contract, f"2024-{month:02}", month)
    sizes = rows("select count, pg_column_size(r) from ops.reference_loads r order by count")
    assert [row[0] for row in sizes] == list(range(12))
    assert len({row[1] for row in sizes}) == 1


def test_a_warehouse_that_kept_every_load_is_brought_up_to_date(warehouse, give, rows) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ops.reference_loads ADD COLUMN loads bigint[] NOT NULL"))
        connection.execute(sa.text("ALTER TABLE ops.reference_loads DROP COLUMN count, DROP COLUMN digest"))
        schema.create(connection)
    give(customers(), "2024-01", 1)
    assert give(orders(), "2024-01", 1).decision.open
