"""A batch's way through load, audit, gate and publish, on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from sluice.contract.batches import EachFile, Single
from sluice.contract.columns import Int, Text, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.errors import ConfigError, DataError
from sluice.ledger import loads
from sluice.staging import publish
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.audit import scan
from tests.support import hidden_rules, shops

# Each bad line names the checks it must trip.
BAD = {
    "11,2021-01-02 10:00:00,east,1,9.50,1.5,": {"shop in ('north', 'south')"},
    "12,2021-01-02 10:00:00,north,0,-1.00,1.5,": {"quantity >= 1", "price >= 0"},
    "13,2021-02-01 00:00:00,north,1,9.50,1.5,": {"ordered_at in batch"},
    "14,2020-12-31 23:59:59,north,1,9.50,1.5,": {"ordered_at in batch"},
    "15,2021-01-02 10:00:00,north,11,0.00,1.5,": {"not_free_in_bulk"},
    "16,2021-01-02 10:00:00,north,1,1.005,1.5,": {"price is decimal(10,2)"},
    "17,2021-01-02 10:00:00,north,1,ten,NaN,": {"price is decimal(10,2)", "weight is float"},
    "18,,south,1,9.50,1.5,no address": {"ordered_at not null", "email contains '@'"},
    "19,2021-01-02 10:00:00,north": {"row is well-formed"},
}


def test_accepted_rows_are_visible_and_each_rejected_row_is_kept_with_every_reason(deliver, rows, tmp_path) -> None:
    lines = [*shops.good_lines(10), *BAD]
    delivered = deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", lines))

    assert delivered.decision.open, delivered.decision
    assert [row.order_id for row in rows("select order_id from staging.shop__orders order by 1")] == list(range(1, 11))
    kept = rows("select _row_number, _reasons, _row from quarantine.shop__orders order by _row_number")
    assert [set(row._reasons) for row in kept] == list(BAD.values())
    assert [row._row_number for row in kept] == list(range(11, 11 + len(BAD)))
    assert kept[6]._row["price"] == "ten"
    assert kept[6]._row["order_id"] == 17


def test_every_row_read_is_accepted_or_rejected(deliver, rows, tmp_path) -> None:
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD]))
    [load] = rows("select * from ops.batches")
    assert (load.status, load.rows_read, load.rows_accepted, load.rows_rejected) == ("published", 19, 10, 9)
    assert rows("select count(*) from staging.shop__orders") == [(load.rows_accepted,)]
    assert rows("select count(*) from quarantine.shop__orders") == [(load.rows_rejected,)]


def test_the_database_refuses_a_finished_load_whose_rows_do_not_add_up(warehouse, deliver, rows, tmp_path) -> None:
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", shops.good_lines(3)))
    with pytest.raises(sa.exc.IntegrityError, match="every_row_accounted_for"), warehouse.engine.begin() as connection:
        connection.execute(sa.text("update ops.batches set rows_rejected = rows_rejected + 1"))


def test_loading_a_batch_again_replaces_it_whole(deliver, rows, tmp_path) -> None:
    path = shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD])
    first, second = deliver(shops.contract(), "2021-01", path), deliver(shops.contract(), "2021-01", path)

    assert rows("select count(*), min(_load_id) from staging.shop__orders") == [(10, second.batch.load_id)]
    assert rows("select count(*), min(_load_id) from quarantine.shop__orders") == [(9, second.batch.load_id)]
    assert dict(map(tuple, rows("select load_id, status from ops.batches"))) == {
        first.batch.load_id: "superseded",
        second.batch.load_id: "published",
    }


def test_a_closed_gate_leaves_what_readers_have(deliver, rows, tmp_path) -> None:
    contract = shops.contract(max_rejected=0.1)
    deliver(contract, "2021-01", shops.write(tmp_path / "good.csv", shops.good_lines(10)))
    held = deliver(contract, "2021-01", shops.write(tmp_path / "bad.csv", [*shops.good_lines(10, first=100), *BAD]))

    assert str(held.decision) == (
        "gate closed: 47.37% of rows are rejected (at most 10%), most often for price is decimal(10,2) (2 rows)"
    )
    assert rows("select min(order_id), max(order_id), count(*) from staging.shop__orders") == [(1, 10, 10)]
    assert [row.status for row in rows("select status from ops.batches order by load_id")] == ["published", "held"]
    assert rows("select count(*) from staging.shop__orders__incoming_2021_01") == [(10,)]
    assert rows("select count(*) from quarantine.shop__orders") == [(9,)]


def test_a_check_over_its_tolerance_closes_the_gate_and_one_within_it_does_not(deliver, tmp_path) -> None:
    def with_zero_quantity(count: int) -> list[str]:
        return [line.replace(",north,", ",north,-", 1) for line in shops.good_lines(count, first=50)]

    contract = shops.contract(max_rejected=1.0)
    half, more = [*shops.good_lines(5), *with_zero_quantity(5)], [*shops.good_lines(4), *with_zero_quantity(5)]
    within = deliver(contract, "2021-01", shops.write(tmp_path / "a.csv", half))
    beyond = deliver(contract, "2021-01", shops.write(tmp_path / "b.csv", more))
    assert within.decision.open
    assert beyond.decision.reasons == ("55.56% of rows fail quantity >= 1 (tolerance 50%)",)


def test_a_warning_keeps_the_rows(deliver, rows, tmp_path) -> None:
    lines = [line.replace(",1.5,", ",0,") for line in shops.good_lines(10)]
    delivered = deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", lines))
    assert delivered.decision.open
    assert delivered.decision.warnings == ("100% of rows fail weight > 0 (tolerance 10%)",)
    assert rows("select count(*) from staging.shop__orders") == [(10,)]
    assert rows("select outcome, failing from ops.checks where check_name = 'weight > 0'") == [("warned", 10)]


def test_all_rows_of_a_duplicate_key_are_rejected_as_in_pandera(deliver, rows, tmp_path) -> None:
    lines = [*shops.good_lines(5), *shops.good_lines(2)]
    deliver(shops.contract(max_rejected=1.0), "2021-01", shops.write(tmp_path / "o.csv", lines))
    assert [row.order_id for row in rows("select order_id from staging.shop__orders order by 1")] == [3, 4, 5]
    assert rows("select distinct _reasons from quarantine.shop__orders") == [(["order_id unique"],)]


def test_cells_that_did_not_parse_are_no_duplicates(deliver, rows, tmp_path) -> None:
    lines = [*shops.good_lines(10), *(f"{word},2021-01-02 10:00:00,south,1,9.50,1.5," for word in ("ten", "twelve"))]
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", lines))
    assert rows("select distinct _reasons from quarantine.shop__orders") == [(["order_id is integer"],)]


def test_too_few_rows_beside_the_batch_before_close_the_gate(deliver, tmp_path) -> None:
    contract = shops.contract(rows_vs_last=(0.5, 2.0))
    deliver(contract, "2021-01", shops.write(tmp_path / "jan.csv", shops.good_lines(10)))
    february = [line.replace("2021-01", "2021-02") for line in shops.good_lines(4)]
    held = deliver(contract, "2021-02", shops.write(tmp_path / "feb.csv", february))
    assert held.decision.reasons == ("4 rows are 0.40 times the 10 of the batch before (0.5 to 2.0 allowed)",)


def test_a_file_of_two_stray_quotes_that_swallow_rows_is_found_out(deliver, rows, tmp_path) -> None:
    lines = shops.good_lines(6)
    lines[1] = lines[1].replace("north", '"north')
    lines[3] = lines[3].replace("north", 'north"')
    with pytest.raises(DataError):
        deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", lines))
    assert rows("select status from ops.batches") == [("failed",)]
    assert rows("select count(*) from staging.shop__orders") == [(0,)]


def test_samples_name_rows_and_mask_personal_data(deliver, rows, tmp_path) -> None:
    lines = [*shops.good_lines(10), "18,2021-01-02 10:00:00,south,1,9.50,1.5,secret person"]
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", lines))
    [(sample,)] = rows("select sample from ops.checks where check_name like 'email%'")
    assert sample == [{"_row_number": 11, "email": "***"}]
    assert rows("select _row ->> 'email' from quarantine.shop__orders") == [("secret person",)]


class Untraceable(pa.DataFrameModel):
    number: Int = column("A number.", nullable=True)

    @pa.check("number", name="even", element_wise=True)
    def even(cls, number: int) -> bool:
        return number % 2 == 0


class Raising(pa.DataFrameModel):
    number: Int = column("A number.")

    @pa.check("number", name="crashes", element_wise=True)
    def crashes(cls, number: int) -> bool:  # noqa: ARG002
        raise RuntimeError("what now")


class Mean(pa.DataFrameModel):
    number: Int = column("A number.", ge=0)

    @pa.dataframe_check(name="low on average")
    def low_on_average(cls, table: pd.DataFrame) -> bool:
        return table["number"].mean() < 10


def numbers(model: type[pa.DataFrameModel]) -> Contract:
    files = Files("n.csv", Single())
    return Contract("test", "numbers", "test@example.com", model, files, Gate(max_rejected=0.5))


def write_numbers(path: Path, values: list[object]) -> Path:
    return shops.write(path, [str(value) for value in values], header="number")


class Overflowing(pa.DataFrameModel):
    number: Int = column("A number.", ge=3)

    @pa.dataframe_check(name="small square")
    def small_square(cls, table: pd.DataFrame) -> pd.Series:
        return table["number"] * table["number"] < 100


def test_a_traced_check_that_crashes_is_errored_and_the_others_still_report(deliver, rows, tmp_path) -> None:
    path = write_numbers(tmp_path / "n.csv", [1, 4, 5_000_000_000])
    delivered = deliver(numbers(Overflowing), "all", path)
    assert delivered.decision.reasons == ("the check small square could not be run: bigint out of range",)
    assert rows("select check_name, outcome, failing from ops.checks order by 1") == [
        ("canary rows are rejected", "passed", 0),
        ("number >= 3", "passed", 1),
        ("number not null", "passed", 0),
        ("small square", "errored", 0),
    ]


class OverflowingSum(pa.DataFrameModel):
    number: Int = column("A number.")

    @pa.dataframe_check(name="sum of squares")
    def sum_of_squares(cls, table: pd.DataFrame) -> bool:
        return (table["number"] * table["number"]).sum() < 100

    @pa.dataframe_check(name="sum")
    def sum(cls, table: pd.DataFrame) -> bool:
        return table["number"].sum() > 100


def test_an_aggregate_that_crashes_says_why_and_the_others_still_report(deliver, tmp_path) -> None:
    delivered = deliver(numbers(OverflowingSum), "all", write_numbers(tmp_path / "n.csv", [1, 5_000_000_000]))
    assert delivered.decision.reasons == ("the check sum of squares could not be run: bigint out of range",)
    assert [(result.name, result.failing) for result in delivered.report.checks if not result.error] == [
        ("number not null", 0),
        ("sum", 0),
    ]


class Forgetful(pa.DataFrameModel):
    number: Int = column("A number.")

    @pa.check("number", name="without a return", element_wise=True)
    def forgetful(cls, number: int) -> None:
        number > 3  # noqa: B015


class ForgetfulOfSome(pa.DataFrameModel):
    number: Int = column("A number.")

    @pa.dataframe_check(name="without a return")
    def forgetful(cls, rows: pd.DataFrame) -> pd.Series:
        return rows.apply(lambda row: True if row["number"] > 1 else None, axis=1)


@pytest.mark.parametrize("model", [Forgetful, ForgetfulOfSome])
def test_a_check_that_answers_none_closes_the_gate(deliver, tmp_path, model: type[pa.DataFrameModel]) -> None:
    delivered = deliver(numbers(model), "all", write_numbers(tmp_path / "n.csv", [1, 2]))
    assert not delivered.decision.open
    assert "does not return one truth value per row" in delivered.decision.reasons[0]


class Unsure(pa.DataFrameModel):
    number: Int = column("A number.", nullable=True)
    note: Text = column("Nothing that a check reads.", nullable=True)

    @pa.dataframe_check(name="positive, row by row", element_wise=True)
    def row_by_row(cls, row: pd.Series) -> bool:
        return row["number"] > 0

    @pa.dataframe_check(name="positive, applied")
    def applied(cls, rows: pd.DataFrame) -> pd.Series:
        return rows.apply(lambda row: row["number"] > 0, axis=1)

    @pa.check("number", name="positive, mapped", element_wise=True)
    def mapped(cls, number: int) -> bool:
        return number > 0 if number != 4 else pd.NA

    @pa.dataframe_check(name="positive, compared")
    def compared(cls, rows: pd.DataFrame) -> pd.Series:
        return rows["number"].astype("float64[pyarrow]") > 0

    @pa.check("number", name="positive, applied to a column")
    def applied_to_column(cls, values: pd.Series) -> pd.Series:
        return values.map(lambda value: value > 0 if value != 4 else None)

    @pa.dataframe_check(name="positive, with a help")
    def helped(cls, rows: pd.DataFrame) -> pd.Series:
        rows["help"] = rows["number"].map(lambda value: None if str(value) == "4" else value > 0)
        return rows["help"] & True


def test_a_row_that_a_function_calls_unknown_fails_and_one_that_columns_leave_unknown_passes(deliver, tmp_path) -> None:
    contract = replace(numbers(Unsure), files=Files("n.csv", Single(), null_values=("NA",)))
    path = shops.write(tmp_path / "n.csv", ["1,x", "NA,x", "4,NA", "5,NA"], header="number,note")
    delivered = deliver(contract, "all", path)
    assert {result.name: result.failing for result in delivered.report.checks} == {
        "positive, row by row": 1,
        "positive, applied": 1,
        "number: positive, mapped": 1,
        "positive, compared": 0,
        "number: positive, applied to a column": 1,
        "positive, with a help": 1,
    }


def test_an_audit_that_sees_no_row_closes_the_gate(deliver, rows, tmp_path, monkeypatch) -> None:
    real = scan._failing_rows
    monkeypatch.setattr(scan, "_failing_rows", lambda *given: real(*given).where(sa.false()))
    delivered = deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD]))
    assert not delivered.decision.open
    assert "canary rows are rejected could not be run" in delivered.decision.reasons[0]
    assert rows("select count(*) from staging.shop__orders") == [(0,)]


def test_the_canary_rows_leave_no_trace(deliver, rows, tmp_path) -> None:
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD]))
    assert rows("select count(*) from staging.shop__orders where _row_number < 1") == [(0,)]
    assert rows("select count(*) from quarantine.shop__orders where _row_number < 1") == [(0,)]


def test_a_check_that_cannot_be_traced_runs_in_pandas(deliver, rows, tmp_path) -> None:
    delivered = deliver(numbers(Untraceable), "all", write_numbers(tmp_path / "n.csv", [2, 4, 5, 6]))
    assert delivered.decision.open
    assert rows("select number from staging.test__numbers order by 1") == [(2,), (4,), (6,)]
    assert rows("select _reasons from quarantine.test__numbers") == [(["number: even"],)]


class Changing(pa.DataFrameModel):
    number: Int = column("A number.", nullable=True)

    @pa.dataframe_check(name="changes them")
    def changes(cls, rows: pd.DataFrame) -> pd.Series:
        rows["number"] = rows["number"].fillna(0)
        return rows["number"] >= 0

    @pa.check("number", name="positive", element_wise=True)
    def positive(cls, number: int) -> bool:
        return number > 0

    @pa.dataframe_check(name="sees them as they are", element_wise=True)
    def unchanged(cls, row: pd.Series) -> bool:
        return pd.isna(row["number"]) or row["number"] > 0


def test_a_check_that_changes_the_rows_it_is_given_changes_no_verdict_of_another(deliver, tmp_path) -> None:
    contract = replace(numbers(Changing), files=Files("n.csv", Single(), null_values=("NA",)))
    delivered = deliver(contract, "all", write_numbers(tmp_path / "n.csv", [1, "NA", 2]))
    assert {result.name: result.failing for result in delivered.report.checks} == {
        "number: positive": 0,
        "changes them": 0,
        "sees them as they are": 0,
    }


class Personal(pa.DataFrameModel):
    number: Int = column("A number.", pii=True)

    @pa.check("number", name="quotes it", element_wise=True)
    def quotes(cls, number: int) -> bool:
        raise ValueError(f"{number} is no good")


def test_a_crash_quotes_no_personal_data(deliver, rows, tmp_path) -> None:
    delivered = deliver(numbers(Personal), "all", write_numbers(tmp_path / "n.csv", [271828]))
    assert delivered.decision.reasons == ("the check number: quotes it could not be run: ValueError",)
    assert "271828" not in str(rows("select * from ops.checks")) + str(rows("select * from ops.batches"))


def test_a_check_that_crashes_closes_the_gate(deliver, rows, tmp_path) -> None:
    delivered = deliver(numbers(Raising), "all", write_numbers(tmp_path / "n.csv", [2, 4]))
    assert delivered.decision.reasons == ("the check number: crashes could not be run: RuntimeError: what now",)
    assert rows("select outcome, error from ops.checks where check_name = 'number: crashes'") == [
        ("errored", "RuntimeError: what now")
    ]


@pytest.mark.parametrize(("value", "opens"), [(9, True), (11, False)])
def test_an_aggregate_check_judges_the_whole_batch(deliver, tmp_path, value: int, opens: bool) -> None:
    delivered = deliver(numbers(Mean), "all", write_numbers(tmp_path / "n.csv", [value] * 3))
    assert delivered.decision.open is opens


def test_switching_pandera_off_from_outside_opens_no_gate(deliver, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PANDERA_VALIDATION_ENABLED", "False")
    delivered = deliver(numbers(Untraceable), "all", write_numbers(tmp_path / "n.csv", [1, 3, 5]))
    assert not delivered.decision.open


class Coded(pa.DataFrameModel):
    code: Text = column("One of many codes.", isin=[f"code{n:05}" for n in range(1500)])


def test_a_code_list_of_any_length_has_a_name_that_the_ledger_holds(deliver, rows, tmp_path) -> None:
    contract = Contract("test", "codes", "me@example.com", Coded, Files("c.csv", Single()), Gate(max_rejected=0.5))
    path = tmp_path / "c.csv"
    path.write_text("code\ncode00001\ncode99999\n")
    assert deliver(contract, "all", path).decision.open
    [[name, failing]] = rows("select check_name, failing from ops.checks where check_name like 'code in%'")
    assert (failing, len(name) <= 200) == (1, True)
    assert name.startswith("code in ('code00000', 'code00001', ")


class Apart(pa.DataFrameModel):
    number: Int = column("A number.", nullable=True)

    @pa.dataframe_check(name="no number twice")
    def twice(cls, numbers):
        return ~numbers["number"].duplicated()


def test_a_check_that_looks_across_rows_is_never_asked_of_chunks(deliver, tmp_path) -> None:
    far_apart = [*range(20_000), 0]  # more than a chunk
    delivered = deliver(numbers(Apart), "all", write_numbers(tmp_path / "n.csv", far_apart))
    [reason] = delivered.decision.reasons
    assert reason.startswith("the check no number twice could not be run: it looks across rows")


class FromLibrary(pa.DataFrameModel):
    number: Int = column("A number.", nullable=True)

    @pa.dataframe_check(name="not far above the mean")
    def near(cls, numbers):
        return getattr(hidden_rules, "not_far_above_the_mean")(numbers["number"])  # noqa: B009 - its code tells nothing


def test_nor_is_one_that_a_library_hides_though_every_row_of_the_first_chunk_passes(deliver, tmp_path) -> None:
    high_at_last = [*[1] * 17_000, *[20_000] * 2_000]  # in their own chunk none is far above the mean
    delivered = deliver(numbers(FromLibrary), "all", write_numbers(tmp_path / "n.csv", high_at_last))
    [reason] = delivered.decision.reasons
    assert reason.startswith("the check not far above the mean could not be run: its result for a row depends on")


def test_a_batch_whose_tables_would_be_those_of_another_is_refused_and_its_rows_are_not_released(
    deliver, warehouse, rows, tmp_path
) -> None:
    path = shops.write(tmp_path / "o.csv", ["11,2021-01-02 10:00:00,east,1,9.50,1.5,", *shops.good_lines(1)])
    contract = shops.contract(max_rejected=0)
    files = replace(contract, files=Files(f"{tmp_path}/", EachFile(r"o(.+)\.csv")))
    held = deliver(files, "a-b", path).batch
    with pytest.raises(ConfigError, match="shop__orders a_b: batch a-b was loaded before"):
        deliver(files, "a_b", path)
    deliver(files, "a-c", path)
    deliver(contract, "2021-01", path)  # a name of the calendar is not looked for
    with warehouse.engine.begin() as connection:  # as a version before could have left it
        connection.execute(sa.text(f"update ops.batches set batch = 'a_b' where load_id = {held.load_id}"))
    with pytest.raises(DataError, match="are of batch a-b, so there is nothing to release"):
        publish.release(warehouse, files, Batch(held.dataset_id, "a_b", held.load_id), "me", "why not")
    assert rows("select count(*) from staging.shop__orders") == [(0,)]


def test_the_batch_before_is_found_by_the_order_of_text_whatever_the_servers_is(deliver, warehouse, tmp_path) -> None:
    contract = replace(shops.contract(max_rejected=0.9), files=Files(f"{tmp_path}/", EachFile(r"o(.+)\.csv")))
    names = ["B", "a", "a.1", "a10"]  # others put B behind a, or a10 before a.1
    for number, name in enumerate(names, start=1):
        deliver(contract, name, shops.write(tmp_path / "o.csv", shops.good_lines(number, first=100 * number)))
    with warehouse.engine.connect() as connection:
        before = [loads.rows_of_batch_before(connection, "shop__orders", name) for name in names]
        assert before == [None, 1, 2, 3]
        assert [row.batch for row in connection.execute(loads.newest("shop__orders"))] == names
