"""Several files that are one batch: one verdict, one load, and every rejected row says which file it is from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from sluice.cli.output.quarantine import _place, _sample
from sluice.contract.batches import Daily, EachFile, Single
from sluice.contract.columns import Int, Text, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.errors import DataError
from sluice.ledger import files, loads
from sluice.project import datasets
from sluice.runs import lifecycle, plan
from sluice.runs.preview import Would, _foreseen
from sluice.source import fetch
from sluice.source.files import Listing, SourceMissing
from sluice.staging import audit, quarantine_export
from sluice.staging.reload import load_again
from sluice.steps import idle
from sluice.warehouse.warehouse import Warehouse


class Numbers(pa.DataFrameModel):
    number: Int = column("A number.", ge=0, unique=True)


DAYS = Daily("2024-01-01")


def contract(folder: Path, batches: Any = DAYS, name: str = "n_{batch}_*.csv") -> Contract:
    return Contract("t", "numbers", "me@example.com", Numbers, Files(f"{folder}/{name}", batches), Gate(0.5))


def write(path: Path, *numbers: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("number\n" + "".join(f"{number}\n" for number in numbers), encoding="utf-8")
    return path


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    write(tmp_path / "inbox/n_2024-01-01_b.csv", 3, -4, 5)
    write(tmp_path / "inbox/n_2024-01-01_a.csv", 1, 2)
    write(tmp_path / "inbox/n_2024-01-01_c.csv", 6, -7)
    write(tmp_path / "inbox/n_2024-01-02_a.csv", 8)
    return tmp_path / "inbox"


def found(each: Contract, monkeypatch: pytest.MonkeyPatch, *batches: str) -> dict[str, plan.Delivery]:
    monkeypatch.setitem(datasets.contracts(), str(each), each)
    return {delivery.batch: delivery for delivery in plan.deliveries([str(each)], batches or None, None)}


def listing(each: Contract, monkeypatch: pytest.MonkeyPatch, batch: str) -> Listing:
    known = found(each, monkeypatch)[batch].listing
    assert known is not None
    return known


def test_the_files_of_a_batch_are_one_load_whose_rows_say_their_file(
    warehouse: Warehouse,
    deliver: Callable[..., Any],
    rows: Callable[..., Any],
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = contract(inbox)
    done = deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01"))
    assert (done.decision.open, done.report.accepted, done.report.rejected) == (True, 5, 2)
    assert [row[0] for row in rows("select status from ops.batches")] == ["published"]
    kept = rows("select number, address, bytes, length(sha256), first_row, rows from ops.files order by number")
    assert [tuple(row) for row in kept] == [
        (1, f"{inbox}/n_2024-01-01_a.csv", 11, 64, 1, 2),
        (2, f"{inbox}/n_2024-01-01_b.csv", 14, 64, 3, 3),
        (3, f"{inbox}/n_2024-01-01_c.csv", 12, 64, 6, 2),
    ]
    staged = rows("select _row_number, number from staging.t__numbers order by 1")
    assert [tuple(row) for row in staged] == [(1, 1), (2, 2), (3, 3), (5, 5), (6, 6)]
    [checked] = [result for result in done.report.results if result.failing]
    where = {"_row_number": 4, "_file": f"{inbox}/n_2024-01-01_b.csv", "_file_row": 2, "number": -4}
    assert checked.sample[0] == where
    with warehouse.engine.connect() as connection:
        shown = _sample(connection, each, "2024-01-01", checked.name, 5)
        assert shown[0] == where
        assert _place(shown[0]) == f"row 2 of {inbox}/n_2024-01-01_b.csv (row 4 of the batch)"
        out = inbox.parent / "rejected.csv"
        assert quarantine_export.export(connection, each, None, out) == 2
    assert f"{inbox}/n_2024-01-01_c.csv,2" in out.read_text()


def test_a_replay_keeps_which_file_a_row_is_from(
    warehouse: Warehouse, deliver: Callable[..., Any], inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = contract(inbox)
    deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01"))
    with warehouse.engine.begin() as connection:
        of = loads.published(connection, str(each), "2024-01-01")
        assert of is not None
        batch = loads.begin_replay(connection, each, of, None)
    report = audit.audit(warehouse, each, load_again(warehouse, each, batch, of))
    with warehouse.engine.connect() as connection:
        assert files.places(connection, batch.load_id).of(7) == {
            "_file": f"{inbox}/n_2024-01-01_c.csv",
            "_file_row": 2,
        }
    assert [row["_file_row"] for result in report.results for row in result.sample] == [2, 2]


def test_a_file_that_is_added_changed_or_replaced_makes_its_batch_new_and_no_other(
    warehouse: Warehouse,
    deliver: Callable[..., Any],
    rows: Callable[..., Any],
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = contract(inbox)
    for batch in ("2024-01-01", "2024-01-02"):
        deliver(each, batch, listing(each, monkeypatch, batch))

    def would() -> dict[str, Would]:
        with warehouse.engine.connect() as connection:
            known = loads.readers_have(connection, str(each))
        return {b: _foreseen(d, [known[b]]).would for b, d in found(each, monkeypatch).items()}

    assert set(would().values()) == {Would.UNCHANGED}
    for change in (
        lambda: write(inbox / "n_2024-01-01_d.csv", 9),
        lambda: write(inbox / "n_2024-01-01_a.csv", 1, 2, 10),
        lambda: write((inbox / "n_2024-01-01_c.csv").rename(inbox / "n_2024-01-01_e.csv"), 11),
    ):
        change()
        assert would() == {"2024-01-01": Would.LOAD, "2024-01-02": Would.UNCHANGED}
        deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01"))
        assert set(would().values()) == {Would.UNCHANGED}
    numbers = rows("select number from staging.t__numbers where _batch = '2024-01-01' order by 1")
    assert [row[0] for row in numbers] == [1, 2, 3, 5, 9, 10, 11]
    current = rows("select count(*) from ops.files join ops.batches using (load_id) where status = 'published'")
    assert current == [(5,)]


def test_a_published_file_that_is_no_longer_there_holds_its_batch(
    deliver: Callable[..., Any], rows: Callable[..., Any], inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = contract(inbox)
    deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01"))
    (inbox / "n_2024-01-01_a.csv").rename(inbox / "n_2024-01-01_z.csv")
    write(inbox / "n_2024-01-01_c.csv", 6)
    (inbox / "n_2024-01-01_b.csv").unlink()
    held = deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01")).decision
    assert held.reasons == (
        f"its file {inbox}/n_2024-01-01_b.csv, published with 3 rows, is no longer there; put it back, or, if this is "
        "correct, release it",
    )
    assert rows("select count(*) from staging.t__numbers") == [(5,)], "readers keep its rows"
    write(inbox / "n_2024-01-01_d.csv", 9)
    assert deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01")).decision.open


def test_a_file_twice_in_a_batch_holds_it_unless_it_was_accepted_or_is_of_another_folder(
    deliver: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sold(pa.DataFrameModel):
        number: Int = column("A number.")
        shop: Text = column("Where.")

    name = "shop=*/n_{batch}_*.csv"
    each = Contract("t", "sold", "me@example.com", Sold, Files(f"{tmp_path}/{name}", DAYS))
    one, _ = (write(tmp_path / f"shop={shop}/n_2024-01-01_a.csv", 1) for shop in ("north", "south"))
    assert deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01")).decision.open
    two = write(tmp_path / "shop=north/n_2024-01-01_b.csv", 1)
    held = deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01")).decision
    assert f"its files {one} and {two} have the same bytes" in str(held)
    accepting = replace(each, gate=Gate(same_bytes="accept"))
    assert deliver(accepting, "2024-01-01", listing(each, monkeypatch, "2024-01-01")).decision.open
    write(tmp_path / "shop=south/n_2024-01-01_c.csv", 2)
    assert deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01")).decision.open, "accepted before"


def test_all_files_that_match_may_be_the_one_batch_there_is(
    deliver: Callable[..., Any], rows: Callable[..., Any], inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = contract(inbox, Single(), "n_*.csv")
    deliver(each, "all", listing(each, monkeypatch, "all"))
    assert rows("select count(*) from ops.files") == [(4,)]
    assert [row[0] for row in rows("select number from staging.t__numbers order by 1")] == [1, 2, 3, 5, 6, 8]


def test_a_broken_file_fails_its_batch_by_name_and_leaves_nothing(
    warehouse: Warehouse,
    deliver: Callable[..., Any],
    rows: Callable[..., Any],
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = contract(inbox)
    (inbox / "n_2024-01-01_b.csv").write_text("other\n1\n")
    with pytest.raises(DataError, match=r"n_2024-01-01_b\.csv"):
        deliver(each, "2024-01-01", listing(each, monkeypatch, "2024-01-01"))
    assert rows("select count(*) from ops.files") == [(0,)]
    with warehouse.engine.connect() as connection:
        assert not sa.inspect(connection).has_table("t__numbers__incoming_2024_01_01", schema="staging")


@pytest.mark.parametrize(
    ("name", "batches", "gone"),
    [("n_{batch}_*.csv", DAYS, "2024-01-02"), ("", EachFile("n_(.+)[.]csv"), "2024-01-02_a")],
)
def test_a_file_that_was_listed_and_cannot_be_had_is_an_incident_until_it_can(
    warehouse: Warehouse,
    rows: Callable[..., Any],
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    batches: Any,
    gone: str,
) -> None:
    monkeypatch.setattr(lifecycle, "_warehouse", lambda: warehouse)
    path = inbox / "n_2024-01-02_a.csv"
    path.unlink()
    path.symlink_to(inbox / "nothing")
    delivery = found(contract(inbox, batches, name), monkeypatch)[gone]
    assert _foreseen(delivery, []).would is (Would.LOAD if delivery.listing else Would.UNKNOWN)
    nothing_new = idle._nothing_new(warehouse, [delivery])
    assert nothing_new is None, "a flow must run, which reports it"
    for _ in range(2):
        with pytest.raises(SourceMissing) as error:
            fetch.fetch(plan.look(delivery), inbox)  # type: ignore[arg-type] # of no table
        assert lifecycle.undelivered(delivery, error.value).verdict == "failed"
    [incident] = rows("select subject, resolved_at from ops.incidents")
    assert tuple(incident) == (f"batch t__numbers {gone}", None)


def test_a_batch_that_is_asked_for_and_has_no_file_is_missing(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [only] = found(contract(inbox), monkeypatch, "2024-01-03").values()
    assert str(only.problem) == (
        f"{inbox}/n_2024-01-03_*.csv: no file matches; check the path, or use another with --url"
    )
