"""Quarantined rows that a changed contract accepts, and held loads that a person lets through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.batches import Monthly
from sluice.contract.contract import Contract
from sluice.contract.errors import DataError, ToolError
from sluice.contract.gate import decide
from sluice.ledger import loads
from sluice.ledger import tables as ledger
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, publish, quarantine, reload
from sluice.staging import load as staging_load
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse
from tests.support import shops

BAD = [
    "11,2021-01-02 10:00:00,north,11,0.00,1.5,",  # not_free_in_bulk
    "12,2021-01-02 10:00:00,north,1,1.005,1.5,",  # no cents
    "13,2021-01-02 10:00:00,north,0,9.50,0.1,",  # quantity >= 1
    "14,2021-01-02 10:00:00,north",  # cut short
]


@pytest.fixture(params=["a partition each", "shared partitions"], autouse=True)
def partitions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether batches share partitions: a verdict, a replay and a release are the same either way."""
    monkeypatch.setattr(Monthly, "many", request.param == "shared partitions")


@pytest.fixture
def again(warehouse: Warehouse) -> Callable[[Contract, str], sa.Row]:
    """Replay a batch, and give the ledger's row of the new load."""

    def put(contract: Contract, name: str) -> sa.Row:
        of = reload.replayed(warehouse, contract, name)
        with warehouse.engine.begin() as connection:
            batch = loads.begin_replay(connection, contract, of, None)
        try:
            batch = reload.load_again(warehouse, contract, batch, of)
        except ToolError as error:
            publish.fail(warehouse, contract, batch, str(error))
            raise
        report = audit.audit(warehouse, contract, batch)
        decision = decide(contract.gate, report)
        (publish.publish if decision.open else publish.hold)(warehouse, contract, batch, report, decision)
        with warehouse.engine.connect() as connection:
            row: sa.Row = connection.execute(
                sa.select(ledger.batches).order_by(ledger.batches.c.load_id.desc())
            ).first()  # type: ignore[assignment]
        return row

    return put


def deliver_bad(deliver, tmp_path: Path, **gate: object):  # type: ignore[no-untyped-def]
    path = shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD])
    return deliver(shops.contract(**gate), "2021-01", path)


def test_a_replay_lets_in_what_passes_now_and_keeps_the_rest(deliver, again, rows, tmp_path) -> None:
    first = deliver_bad(deliver, tmp_path)
    assert rows("select count(*) from quarantine.shop__orders") == [(4,)]

    load = again(shops.contract(shops.LenientOrders), "2021-01")

    assert (load.status, load.replay_of) == ("published", first.batch.load_id)
    assert (load.rows_read, load.rows_accepted, load.rows_rejected) == (14, 11, 3)
    shown = rows("select order_id, _row_number, price, weight, _load_id from staging.shop__orders where order_id > 10")
    assert [(r.order_id, r._row_number, str(r.price), r.weight) for r in shown] == [(13, 13, "9.50", 0.1)]
    assert {r._load_id for r in shown} == {load.load_id}
    left = rows("select _row_number, _reasons, _row from quarantine.shop__orders order by 1")
    assert [(r._row_number, r._reasons) for r in left] == [
        (11, ["not_free_in_bulk"]),
        (12, ["price is decimal(10,2)"]),
        (14, ["row is well-formed"]),
    ]
    assert left[1]._row["price"] == "1.005"
    assert "14,2021-01-02 10:00:00,north" in left[2]._row["_row"]


def test_a_replay_twice_gives_the_same_tables_as_once(deliver, again, rows, tmp_path) -> None:
    deliver_bad(deliver, tmp_path)
    tables = (
        "select order_id, _row_number, price from staging.shop__orders order by 1",
        "select _row_number, _reasons, _row from quarantine.shop__orders order by 1",
    )
    again(shops.contract(shops.LenientOrders), "2021-01")
    once = [rows(table) for table in tables]
    again(shops.contract(shops.LenientOrders), "2021-01")
    assert [rows(table) for table in tables] == once


def test_a_held_batch_is_replayed_and_published_once_its_contract_allows(deliver, again, rows, tmp_path) -> None:
    held = deliver_bad(deliver, tmp_path, max_rejected=0.0)
    assert not held.decision.open

    load = again(shops.contract(), "2021-01")

    assert (load.status, load.replay_of, load.rows_accepted) == ("published", held.batch.load_id, 10)
    assert rows("select count(*) from staging.shop__orders") == [(10,)]
    assert [row.status for row in rows("select status from ops.batches order by load_id")] == [
        "superseded",
        "published",
    ]
    assert rows("select count(*) from pg_class where relname ~ 'replayed|findings|incoming'") == [(0,)]


def test_a_replay_that_closes_the_gate_leaves_what_readers_have(deliver, again, rows, tmp_path) -> None:
    deliver_bad(deliver, tmp_path)
    load = again(shops.contract(max_rejected=0.0), "2021-01")
    assert load.status == "held"
    assert rows("select count(*) from staging.shop__orders") == [(10,)]
    assert rows("select distinct status from ops.batches order by 1") == [("held",), ("published",)]


def test_rows_that_left_the_quarantine_stop_a_replay(deliver, again, warehouse, rows, tmp_path) -> None:
    deliver_bad(deliver, tmp_path)
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("delete from quarantine.shop__orders where _row_number = 12"))
    with pytest.raises(ToolError, match="read 14 rows, of which 13 are left"):
        again(shops.contract(), "2021-01")
    assert rows("select count(*) from staging.shop__orders") == [(10,)]


def test_a_release_publishes_a_held_load_and_says_who_and_why(deliver, warehouse, rows, tmp_path) -> None:
    held = deliver_bad(deliver, tmp_path, max_rejected=0.0)

    publish.release(warehouse, shops.contract(max_rejected=0.0), held.batch, "ada", "the shop moved")

    assert rows("select count(*) from staging.shop__orders") == [(10,)]
    [load] = rows("select * from ops.batches")
    assert (load.status, load.released_by, load.released_why) == ("published", "ada", "the shop moved")
    assert load.reasons
    with pytest.raises(ToolError, match="is published"):
        publish.release(warehouse, shops.contract(), held.batch, "ada", "twice")


def test_a_held_load_cannot_be_released_once_a_killed_load_has_taken_its_place(
    deliver, warehouse, rows, tmp_path
) -> None:
    contract = shops.contract(max_rejected=0.0)
    held = deliver_bad(deliver, tmp_path, max_rejected=0.0)
    file = fetch.fetch(fetch.look(str(shops.write(tmp_path / "new.csv", BAD))), tmp_path)
    with warehouse.engine.begin() as connection:
        killed = loads.begin(connection, contract, "2021-01", file, None)
    with open_rows(file, contract, "2021-01") as stream:
        staging_load.load(warehouse, contract, killed, stream)  # and not a step further: nothing of it was audited

    with pytest.raises(ToolError, match="is superseded"):
        publish.release(warehouse, contract, held.batch, "ada", "why not")
    with pytest.raises(DataError, match="no held load"):
        reload.replayed(warehouse, contract, "2021-01")
    assert rows("select count(*) from staging.shop__orders") == [(0,)]


def loaded_again(warehouse: Warehouse, contract: Contract) -> Batch:
    """A replay that comes no further: its rows are loaded, and nothing of them is audited."""
    of = reload.replayed(warehouse, contract, "2021-01")
    with warehouse.engine.begin() as connection:
        cut_off = loads.begin_replay(connection, contract, of, None)
    return reload.load_again(warehouse, contract, cut_off, of)


@pytest.mark.parametrize("held", [True, False])
def test_a_replay_that_was_cut_off_is_done_by_the_next(deliver, again, warehouse, rows, tmp_path, held: bool) -> None:
    deliver_bad(deliver, tmp_path, max_rejected=0.0 if held else 0.5)
    for _ in range(2):
        loaded_again(warehouse, shops.contract(shops.LenientOrders))

    load = again(shops.contract(shops.LenientOrders), "2021-01")

    assert (load.status, load.rows_read, load.rows_accepted, load.rows_rejected) == ("published", 14, 11, 3)
    assert rows("select count(*), count(distinct _row_number) from staging.shop__orders") == [(11, 11)]
    assert rows("select count(*), count(distinct _load_id) from quarantine.shop__orders") == [(3, 1)]
    statuses = [row.status for row in rows("select status from ops.batches order by load_id")]
    assert statuses == ["superseded", "abandoned", "abandoned", "published"]
    assert rows("select count(*) from pg_class where relname ~ 'replayed|findings|incoming'") == [(0,)]


@pytest.mark.parametrize("failed", [True, False])
def test_after_a_replay_without_a_verdict_only_the_held_rows_are_released(
    deliver, warehouse, rows, tmp_path, failed: bool
) -> None:
    contract = shops.contract(max_rejected=0.0)
    held = deliver_bad(deliver, tmp_path, max_rejected=0.0)
    batch = loaded_again(warehouse, contract)
    if failed:
        publish.fail(warehouse, contract, batch, "the database was away")

    publish.release(warehouse, contract, held.batch, "ada", "the shop moved")
    assert rows("select count(*), max(_row_number) from staging.shop__orders") == [(10, 10)]
    assert rows("select count(*) from pg_class where relname ~ 'replayed|findings|incoming'") == [(0,)]


def test_a_load_that_fails_before_its_first_row_leaves_the_held_one(deliver, warehouse, rows, tmp_path) -> None:
    contract = shops.contract(max_rejected=0.0)
    held = deliver_bad(deliver, tmp_path, max_rejected=0.0)
    with pytest.raises(DataError, match="does not have the contract's columns"):
        deliver(contract, "2021-01", shops.write(tmp_path / "drifted.csv", ["1,2"], header="OrderId,shop"))

    publish.release(warehouse, contract, held.batch, "ada", "the shop moved")
    assert rows("select count(*) from staging.shop__orders") == [(10,)]


def test_a_listed_load_names_the_first_of_its_reasons_also_where_as_many_rows_fail_another(
    deliver, warehouse, tmp_path
) -> None:
    contract = shops.contract()
    deliver_bad(deliver, tmp_path)  # one row for each reason
    mostly_none = ["15,2021-02-02 10:00:00,north,0,9.50,0.1,", "16,2021-02-02 10:00:00,north,0,9.50,0.1,"]
    again = [line.replace("2021-01", "2021-02") for line in [*shops.good_lines(10), *BAD, *mostly_none]]
    deliver(contract, "2021-02", shops.write(tmp_path / "p.csv", again))
    with warehouse.engine.connect() as connection:
        listed = quarantine.held_and_rejected(connection, [contract])
        reasons = [quarantine.reasons(connection, contract, load_id=each["load"]) for each in listed]
    assert [each["most_fail"] for each in listed] == [found[0][0] for found in reasons]
    assert [found[0] for found in reasons] == [("not_free_in_bulk", 1), ("quantity >= 1", 3)]
    assert [name for name, _ in reasons[0]] == sorted(name for name, _ in reasons[0])


def test_retention_drops_old_rejected_rows_and_held_batches_only(deliver, warehouse, rows, tmp_path) -> None:
    contract = shops.contract(retention=timedelta(days=30), max_rejected=0.0)
    deliver_bad(deliver, tmp_path, max_rejected=0.0)
    assert quarantine.expire(warehouse, contract) == 0
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("update quarantine.shop__orders set _quarantined_at = now() - interval '31 days'"))
        connection.execute(sa.text("update ops.batches set finished_at = now() - interval '31 days'"))

    assert quarantine.expire(warehouse, contract) == 4
    assert rows("select count(*) from quarantine.shop__orders") == [(0,)]
    assert rows("select count(*) from pg_class where relname ~ 'incoming'") == [(0,)]
    [load] = rows("select load_id, rows_rejected, status from ops.batches")
    assert (load.rows_rejected, load.status) == (4, "held")  # so that the next night finds what it found before
    with warehouse.engine.connect() as connection:
        [listed] = quarantine.held_and_rejected(connection, [contract])
    assert (listed["status"], listed["rejected"], listed["rows_dropped"]) == (
        "held",
        0,
        f"{datetime.now(UTC):%Y-%m-%d}",
    )
    assert quarantine.expire(warehouse, contract) == 0
    with pytest.raises(DataError, match="are gone"):
        publish.release(warehouse, contract, Batch("shop__orders", "2021-01", load.load_id), "ada", "late")


def test_of_a_published_load_it_is_said_when_its_rejected_rows_were_dropped(deliver, warehouse, rows, tmp_path) -> None:
    contract = shops.contract(retention=timedelta(days=30))
    deliver_bad(deliver, tmp_path)
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("update quarantine.shop__orders set _quarantined_at = now() - interval '31 days'"))
    assert quarantine.expire(warehouse, contract) == 4

    with warehouse.engine.connect() as connection:
        [listed] = quarantine.held_and_rejected(connection, [contract])
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert (listed["status"], listed["rows_dropped"]) == ("published", today)
    with pytest.raises(DataError, match=f"the 4 rejected rows of load 1 were dropped on {today}.*Load its file again"):
        reload.replayed(warehouse, contract, "2021-01")
    assert rows("select count(*) from staging.shop__orders") == [(10,)]


def test_retention_takes_samples_and_the_results_of_replaced_loads_and_leaves_the_counts_of_the_last(
    deliver, warehouse, rows, tmp_path
) -> None:
    contract = shops.contract(retention=timedelta(days=30))
    deliver_bad(deliver, tmp_path)
    last = deliver(contract, "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(11), *BAD])).batch.load_id
    other = deliver(
        contract, "2021-02", shops.write(tmp_path / "f.csv", [line.replace("2021-01", "2021-02") for line in BAD])
    ).batch.load_id
    with warehouse.engine.begin() as connection:
        old = "update ops.batches set finished_at = now() - interval '31 days' where batch = '2021-01'"
        connection.execute(sa.text(old))
        files = (
            "insert into ops.files select load_id, 1, 'a', 1, '', null, 1, 1 from ops.batches"  # as of several files
        )
        connection.execute(sa.text(files))
    before = rows("select check_name, failing from ops.checks where load_id = :load order by 1", load=last)
    quarantine.expire(warehouse, contract)

    assert rows("select check_name, failing from ops.checks where load_id = :load order by 1", load=last) == before
    kept = rows("select load_id, sum(jsonb_array_length(sample)) > 0 as sampled from ops.checks group by 1 order by 1")
    assert [tuple(row) for row in kept] == [(last, False), (other, True)]
    assert rows("select load_id from ops.files order by 1") == [(last,), (other,)]


def test_retention_takes_what_passed_in_old_batches_that_the_site_shows_no_more(
    deliver, warehouse, rows, tmp_path
) -> None:
    contract = shops.contract(retention=timedelta(days=30))
    deliver_bad(deliver, tmp_path)
    more = (
        "with more as (insert into ops.batches (dataset, batch, status, address, bytes, sha256, contract_version, "
        "rows_read, rows_counted, rows_accepted, rows_rejected, started_at, finished_at) "
        "select dataset, (2021 + n / 12)::text || '-' || lpad((n % 12 + 1)::text, 2, '0'), status, address, bytes, "
        "sha256 || n, contract_version, rows_read, rows_counted, rows_accepted, rows_rejected, started_at, finished_at "
        "from ops.batches, generate_series(1, 30) as n returning load_id) "
        "insert into ops.checks select more.load_id, check_name, outcome, severity, tolerance, rows, failing, error, "
        "sample from ops.checks, more"
    )
    age = "update ops.batches set finished_at = now() - interval '31 days'"
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text(age))
    quarantine.expire(warehouse, contract)
    [every] = rows("select count(*) from ops.checks")
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text(more))
    quarantine.expire(warehouse, contract)

    of_load = "select count(*), min(failing) > 0 from ops.checks where load_id {} 1 group by load_id"
    [oldest] = rows(of_load.format("="))
    assert 0 < oldest[0] < every[0]
    assert oldest[1]  # what failed is kept
    assert {tuple(row) for row in rows(of_load.format(">"))} == {(every[0], False)}
