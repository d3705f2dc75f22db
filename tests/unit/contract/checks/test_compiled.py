"""What a contract's columns, keys and batches become: checks with their names, kinds and queries, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from sluice.contract.batches import Monthly, Single
from sluice.contract.checks import keys
from sluice.contract.checks.compile import Check, checks_of, is_unparsed
from sluice.contract.checks.version import sql_of
from sluice.contract.columns import Date, Int, Text, Timestamp, UtcTimestamp, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.errors import ContractError

UNPARSED_N = (
    """coalesce((_unparsed LIKE '%' || '"n":' || '%' ESCAPE '/') """
    """OR (_unparsed LIKE '%' || '"/_row":' || '%' ESCAPE '/'), false)"""
)


def contract_of(model: type[pa.DataFrameModel], batches: Any = None, **gate: Any) -> Contract:
    return Contract("shop", "orders", "me", model, Files("orders_{batch}.csv", batches or Single()), Gate(**gate))


def found(model: type[pa.DataFrameModel], batches: Any = None, batch: str = "all") -> list[Check]:
    return list(checks_of(contract_of(model, batches), batch))


def text_of(statement: Any) -> str:
    dialect = postgresql.dialect()
    dialect._backslash_escapes = False
    text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return " ".join(text.replace("%%", "%").split())


# ---- columns


def test_a_column_that_must_not_be_null_says_so_but_for_cells_that_did_not_parse() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", tolerance=0.25)

    [check] = found(Model)
    assert (check.name, check.kind, check.columns) == ("n not null", "row", ("n",))
    assert (check.severity, check.tolerance, check.pandera, check.untraced) == ("error", 0.25, None, None)
    assert sql_of(check) == f"n IS NOT NULL OR {UNPARSED_N}"
    assert text_of(is_unparsed("n")) == UNPARSED_N


def test_a_column_may_warn_of_nulls_alone() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable="warn", ge=1)

    assert [(each.name, each.severity) for each in found(Model)] == [("n not null", "warn"), ("n >= 1", "error")]


def test_a_check_that_only_warns_is_a_warning_of_a_column_and_of_the_table() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.check("n", name="small", raise_warning=True)
        def small(cls, numbers: Any) -> Any:
            return numbers < 9

        @pa.dataframe_check(name="whole", raise_warning=True)
        def whole(cls, rows: Any) -> Any:
            return rows["n"] > 0

        @pa.dataframe_check(name="strict")
        def strict(cls, rows: Any) -> Any:
            return rows["n"] > -9

    assert {each.name: (each.severity, each.columns, each.tolerance) for each in found(Model)} == {
        "n: small": ("warn", ("n",), None),
        "whole": ("warn", (), None),
        "strict": ("error", (), None),
    }


def test_a_check_that_keeps_nulls_is_asked_of_them() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.check("n", name="there", ignore_na=False)
        def there(cls, numbers: Any) -> Any:
            return numbers.notna() & (numbers > 1)

    [check] = found(Model)
    assert sql_of(check) == "n IS NOT NULL AND n > 1"


@pytest.mark.parametrize(
    ("options", "name", "why"),
    [({"element_wise": True}, "rule", "element_wise"), ({"groupby": "n"}, "rule", "groupby")],
)
def test_what_pandera_asks_value_by_value_or_by_group_goes_the_pandas_way(
    options: dict[str, Any], name: str, why: str
) -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)
        m: Int = column("A number.", nullable=True)

        @pa.check("m", name=name, **options)
        def rule(cls, numbers: Any) -> Any:
            return numbers.mean() > 1

    [check] = found(Model)
    assert (check.kind, check.untraced) == ("pandas", why)
    assert check.across == (None if why == "element_wise" else why), "value by value, no name in its code counts"


def test_a_check_is_asked_with_the_arguments_that_its_author_gave() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.check("n", name="rule", least=2)
        def rule(cls, numbers: Any, least: int) -> Any:
            return numbers >= least

        @pa.check("n", name="mean")
        def mean(cls, numbers: Any) -> Any:
            return numbers.mean() > 1

        @pa.check("n", name="by type")
        def by_type(cls, numbers: Any) -> Any:
            return numbers > 1 if type(numbers) is pd.Series else numbers > 2

    rule, mean, by_type = sorted(found(Model), key=lambda check: ("rule" not in check.name, check.kind))
    assert sql_of(rule) == "n >= 2"
    assert (mean.kind, mean.pandera) == ("aggregate", Model.to_schema().columns["n"].checks[1])
    assert (by_type.kind, by_type.untraced) == ("pandas", "type()")


# ---- keys


def test_keys_are_checks_with_queries_of_their_own() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True, unique=True, keep="first", tolerance=0.5, severity="warn")
        shop: Text = column("A shop.", nullable=True, references="shop__shops.shop", tolerance=0.1)
        serial: Int = column("A serial.", nullable=True, unique="dataset", severity="warn")

        class Config:
            unique = ["n", "shop"]

    unique, reference, in_batch, across, both = found(Model)
    assert (in_batch.name, in_batch.kind, in_batch.looks_up) == ("serial unique", "unique", None)
    assert (unique.name, unique.kind, unique.keep, unique.columns) == ("n unique", "unique", "first", ("n",))
    assert (unique.severity, unique.tolerance) == ("warn", 0.5)
    assert (reference.name, reference.kind) == ("shop references shop__shops.shop", "reference")
    assert (reference.looks_up, reference.columns) == (("shop__shops", ("shop",)), ("shop",))
    assert (reference.severity, reference.tolerance) == ("error", 0.1)
    assert (across.name, across.kind) == ("serial unique in shop__orders", "across_batches")
    assert (across.looks_up, across.columns) == (("shop__orders", ("serial",)), ("serial",))
    assert (across.severity, across.tolerance) == ("warn", None)
    assert (both.name, both.kind, both.columns) == ("(n, shop) unique", "unique", ("n", "shop"))
    assert (both.severity, both.tolerance, both.keep) == ("error", None, False)


def test_one_column_may_be_the_key_of_a_table_and_two_may_refer_together() -> None:
    class Model(pa.DataFrameModel):
        shop: Text = column("A shop.", nullable=True)
        n: Int = column("A number.", nullable=True)

        class Config:
            unique = "shop"

    contract = replace(contract_of(Model), references={("shop", "n"): "shop__receipts(shop, number)"})
    assert [(each.name, each.kind, each.columns, each.looks_up) for each in checks_of(contract, "all")] == [
        ("(shop) unique", "unique", ("shop",), None),
        (
            "(shop, n) references shop__receipts(shop, number)",
            "reference",
            ("shop", "n"),
            ("shop__receipts", ("shop", "number")),
        ),
    ]


TABLE = sa.table("batch", *(sa.column(name) for name in ("_row_number", "_unparsed", "n", "m")))
PLACED = (
    "SELECT placed._row_number FROM (SELECT batch._row_number AS _row_number, {} AS place FROM batch "
    "WHERE NOT {}) AS placed WHERE placed.place > 1"
)


@pytest.mark.parametrize(
    ("keep", "place"),
    [
        (False, "count(*) OVER (PARTITION BY batch.n)"),
        ("first", "row_number() OVER (PARTITION BY batch.n ORDER BY batch._row_number)"),
        ("last", "row_number() OVER (PARTITION BY batch.n ORDER BY batch._row_number DESC)"),
    ],
)
def test_duplicates_fail_all_but_the_row_that_is_kept(keep: Any, place: str) -> None:
    check = Check("n unique", "unique", ("n",), "error", None, keep=keep)
    assert text_of(keys.failing(check, TABLE, "2024-01")) == PLACED.format(place, UNPARSED_N)


def test_keys_that_are_looked_up_are_those_of_other_batches_or_of_another_dataset() -> None:
    there = Check("n references a__b.key", "reference", ("n",), "error", None, looks_up=("a__b", ("key",)))
    once = Check("n unique in a__b", "across_batches", ("n",), "error", None, looks_up=("a__b", ("n",)))
    start = "SELECT batch._row_number FROM batch WHERE batch.n IS NOT NULL AND"
    inner = "EXISTS (SELECT 1 AS anon_1 FROM staging.a__b WHERE staging.a__b."
    assert text_of(keys.failing(there, TABLE, "2024-01", "staging")) == f"{start} NOT ({inner}key = batch.n))"
    assert text_of(keys.failing(once, TABLE, "2024-01", "staging")) == (
        f"{start} ({inner}n = batch.n AND staging.a__b._batch != '2024-01'))"
    )
    assert "_batch != 'this batch'" in str(sql_of(once)), "as a reader is shown it"


# ---- the batch of a row


@pytest.mark.parametrize(
    ("kind", "inside"),
    [
        (Timestamp, "at >= '2024-02-01 00:00:00' AND at < '2024-03-01 00:00:00'"),
        (Date, "at >= '2024-02-01' AND at < '2024-03-01'"),
        (UtcTimestamp, "at >= '2024-02-01 05:00:00+00:00' AND at < '2024-03-01 05:00:00+00:00'"),
    ],
)
def test_a_row_must_be_of_its_batch_by_the_local_calendar(kind: Any, inside: str) -> None:
    body = {"__annotations__": {"at": kind}, "at": column("A moment.", nullable=True)}
    model = type("Model", (pa.DataFrameModel,), body)
    [check] = found(model, Monthly(start="2024-01", by="at", timezone="America/New_York"), "2024-02")
    [east] = found(model, Monthly(start="2024-01", by="at", timezone="Asia/Tokyo"), "2024-02")
    assert (sql_of(east) == inside) == (kind is not UtcTimestamp)
    assert (check.name, check.kind, check.columns) == ("at in batch", "row", ("at",))
    assert (check.severity, check.tolerance) == ("error", None)
    assert sql_of(check) == inside
    assert check.pandera is not None
    assert check.pandera.statistics["include_max"] is False


# ---- refusals


def refusal(model: type[pa.DataFrameModel], **gate: Any) -> str:
    with pytest.raises(ContractError) as refused:
        checks_of(contract_of(model, **gate), "all")
    return str(refused.value)


def test_a_contract_that_cannot_be_checked_is_refused_with_what_to_do() -> None:
    class Empty(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

    class Twice(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.dataframe_check(name="z")
        def first(cls, rows: Any) -> Any:
            return rows["n"] > 1

        @pa.dataframe_check(name="z")
        def second(cls, rows: Any) -> Any:
            return rows["n"] > 2

    class Taken(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.dataframe_check(name="n is integer")
        def rule(cls, rows: Any) -> Any:
            return rows["n"] > 1

    class Canary(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.dataframe_check(name="canary rows are rejected")
        def rule(cls, rows: Any) -> Any:
            return rows["n"] > 1

    class Checked(pa.DataFrameModel):
        n: Int = column("A number.")

    assert refusal(Empty) == "shop__orders: no checks, so its gate would never close; add a check to a column"
    assert refusal(Twice) == "shop__orders: two checks have the name 'z'; name one of them"
    for model, name in ((Taken, "n is integer"), (Canary, "canary rows are rejected")):
        assert refusal(model) == f"shop__orders: {name!r} is the name of a built-in check; choose another name"

    class Spelled(pa.DataFrameModel):
        n: Int = column("A number.", format="1,000")

    assert refusal(Spelled) == (
        "shop__orders: n: format='1,000' does not fit integer: write the number 1234.5 as the source does: "
        '"1.234,5" or "$1,234.5"'
    )
    assert refusal(Checked, tolerance={"n unique": 0.1}) == (
        "shop__orders: the gate has a tolerance for 'n unique', which is not one of its checks"
    )


def test_a_row_of_a_dataset_that_is_one_file_is_of_its_batch() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.")

    assert [check.name for check in found(Model, Single())] == ["n not null"]
