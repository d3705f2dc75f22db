"""Checks become SQL when every operation in them is known to mean the same there; else they say why not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from sluice.contract.batches import Single
from sluice.contract.checks.compile import Check, checks_of, columns_read
from sluice.contract.checks.version import sql_of, text_of, version_of
from sluice.contract.columns import Float, Int, Money, Text, Timestamp, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.derive.odcs import odcs_yaml
from sluice.contract.errors import ContractError
from sluice.project.datasets import contracts


class Things(pa.DataFrameModel):
    number: Int = column("A number.", nullable=True)
    weight: Float = column("A weight.", nullable=True)
    price: Money = column("A price.", nullable=True)
    name: Text = column("A name.", nullable=True)
    at: Timestamp = column("A time.", nullable=True)
    until: Timestamp = column("A later time.", nullable=True)


def contract(model: type[pa.DataFrameModel] = Things, **gate: Any) -> Contract:
    return Contract("test", "things", "me@example.com", model, Files("things.csv", Single()), Gate(**gate))


def traced(rule: Callable[[Any], Any]) -> tuple[str, str]:
    """The way a table's check goes, and its SQL (or why it has none)."""

    class Model(Things):
        @pa.dataframe_check(name="rule")
        def rule_of_the_table(cls, things: Any) -> Any:
            return rule(things)

    [check] = [check for check in checks_of(contract(Model), "all") if check.name == "rule"]
    return check.kind, sql_of(check) or str(check.untraced)


def test_the_columns_that_a_check_reads_are_those_it_names_and_those_of_its_sql() -> None:
    class Model(Things):
        counted: Int = column("A number.", unique=True)

        @pa.dataframe_check(name="rule")
        def rule(cls, things: Any) -> Any:
            return things["at"] <= things["until"]

        @pa.dataframe_check(name="hidden")
        def hidden(cls, things: Any) -> Any:
            return things["number"].rank() > 1

    assert {check.name: columns_read(check) for check in checks_of(contract(Model), "all")} == {
        "counted not null": {"counted"},
        "counted unique": {"counted"},
        "rule": {"at", "until"},
        "hidden": set(),
    }


def or_else(rule: Callable[[], Any], otherwise: Any) -> Any:
    """As an author writes it who expects an error of pandas."""
    try:
        return rule()
    except Exception:  # noqa: BLE001 - what the test is about
        return otherwise


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        (lambda t: t["number"] >= 1, "number >= 1"),
        (lambda t: t.number >= t.price, "number >= price"),
        (lambda t: Decimal("1.5") <= t["price"], "price >= 1.5"),
        (lambda t: t["number"] > 1 if isinstance(t["number"], pd.Series) else t["number"] < 1, "number > 1"),
        (lambda t: t["number"] > 1 if isinstance(t, pd.DataFrame) else t["number"] < 1, "number > 1"),
        (lambda t: t["weight"] < 2, "weight < CAST(2 AS DOUBLE PRECISION)"),
        (lambda t: ~((t["number"] > 10) & (t["price"] == 0)), "NOT (number > 10 AND price = 0)"),
        (lambda t: (t["number"] > 10) | t["name"].isna(), "number > 10 OR name IS NULL"),
        (lambda t: t["number"].between(1, 5), "number >= 1 AND number <= 5"),
        (lambda t: t["number"].isin([1, 2]), "coalesce(number IN (1, 2), false)"),
        (lambda t: t["name"] < "m", '(name COLLATE "C") < (\'m\' COLLATE "C")'),
        (lambda t: t["name"].str.len() > 3, "char_length(name) > 3"),
        (lambda t: t["at"].dt.year == 2021, "CAST(EXTRACT(year FROM at) AS BIGINT) = 2021"),
        (lambda t: t["number"] + t["price"] > 0, "number + price > 0"),
        (lambda t: abs(t["number"]) < 5, "abs(number) < 5"),
        (lambda t: t["number"].fillna(0) == 0, "coalesce(number, 0) = 0"),
        (lambda t: t["number"].isin([1, None]), "coalesce(number IN (1), true)"),
        (lambda t: t["name"].str.fullmatch("[A-Z]{2}|x-y"), "name ~ '^(?:(?:(?:[A-Z]){2}|x\\-y))$'"),
        (
            lambda t: t["number"].mean() < 5,
            "coalesce(CAST(avg(number) AS DOUBLE PRECISION) < CAST(5 AS DOUBLE PRECISION), false)",
        ),
    ],
)
def test_usual_pandas_spellings_become_sql(rule: Callable[[Any], Any], sql: str) -> None:
    kind, text = traced(rule)
    assert kind == ("aggregate" if "avg" in sql else "row"), text
    assert text == sql


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (lambda t: t["number"] / t["weight"] > 1, "/ a column, or zero"),
        (lambda t: t["number"] % 2 == 0, "unsupported operand"),
        (lambda t: t["name"].str.upper() == "A", ".str.upper"),
        (lambda t: t["name"].str.contains("a(?=b)"), "engines read differently"),
        (lambda t: t["name"].str.contains("(a)\\1"), "engines read differently"),
        (lambda t: t["name"].str.contains("\\ba"), "engines read differently"),
        (lambda t: t["name"].str.contains("(?i)a"), "engines read differently"),
        (lambda t: t["name"].str.contains("a{,3}"), "engines read differently"),
        (lambda t: t["name"].str.contains("[[:alpha:]]"), "engines read differently"),
        (lambda t: t["name"].str.contains("a", case=False), "with flags"),
        (lambda t: t["name"].str.fullmatch("^a|b$"), "alternatives that contain ^ or $"),
        (lambda t: t["name"].str.contains("(^a)*"), "repeats an anchor"),
        (lambda t: t["name"].str.contains("a{256}"), "counts beyond 255"),
        (lambda t: t["number"] > t["number"].mean(), "aggregate over all rows"),
        (lambda t: t["number"].duplicated(), ".duplicated"),
        (lambda t: np.sqrt(t["weight"]) > 1, ""),
        (lambda t: t["number"] == t["name"], "compares integer with text"),
        (lambda t: t["number"] == "1", "compares integer with text"),
        (lambda t: t["weight"] < float("nan"), "the value nan"),
        (lambda t: t["missing"] > 0, "missing"),
        (lambda t: t["number"] > 1 and t["number"] < 5, "asks for one truth value"),
        (lambda t: [value > 1 for value in t["number"]], "walks over the values"),
        (lambda t: t["number"].apply(lambda value: value > 1), ".apply"),
        (lambda t: t["number"] + 1, "answers with integer"),
        (lambda _: True, "answers with bool"),
        (lambda t: t["number"].between(1, 5, inclusive="niether"), "inclusive='niether'"),
        (lambda t: t[t["number"] > 1]["number"] > 2, "selects rows"),
        (lambda t: t["weight"].isin([0.0, 1.5]), "-0.0"),
        (lambda t: t["weight"].mean().between(1, 5), "between() of one value"),
        (lambda t: t["number"] > 1 if type(t["number"]) is pd.Series else t["number"] < 1, "type()"),
        (lambda t: t["number"] > 1 if t["number"].__class__.__name__ == "Series" else t["number"] < 1, "type()"),
        (lambda t: or_else(lambda: t["name"].str.upper() == "A", t["name"].notna()), ".str.upper"),
    ],
)
def test_what_has_no_known_equal_in_sql_goes_the_pandas_way_and_says_why(
    rule: Callable[[Any], Any], reason: str
) -> None:
    kind, why = traced(rule)
    assert kind == "pandas"
    assert reason in why


def test_an_authors_check_that_has_the_name_of_one_of_panderas_is_the_authors() -> None:
    class Model(Things):
        @pa.check("number", min_value=3)
        def greater_than(cls, number: Any, min_value: int) -> Any:
            return number >= min_value

    [check] = checks_of(contract(Model), "all")
    assert (check.name, sql_of(check)) == ("number: greater_than", "number >= 3")


def test_a_column_check_passes_its_nulls_as_pandera_drops_them() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", nullable=True, isin=[1, 2])

    [check] = checks_of(contract(Model), "all")
    assert sql_of(check) == "number IN (1, 2)"  # unknown for a null, and unknown passes


def test_a_column_check_that_would_fail_its_nulls_is_guarded() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", nullable=True)

        @pa.check("number", name="told")
        def told(cls, numbers: Any) -> Any:
            return numbers.notna() & (numbers > 1)

    [check] = checks_of(contract(Model), "all")
    assert sql_of(check) == "number IS NULL OR number IS NOT NULL AND number > 1"


def test_names_and_values_reach_sql_quoted() -> None:
    class Model(pa.DataFrameModel):
        order: Text = column("A reserved word.", isin=["'; drop table x; --"], nullable=True)

    [check] = checks_of(contract(Model), "all")
    assert sql_of(check) == """"order" IN ('''; drop table x; --')"""


class Size(IntEnum):
    SMALL = 1
    LARGE = 5


class Colour(str, Enum):  # noqa: UP042 - whose str() is not its value
    RED = "red"


@pytest.mark.parametrize(
    ("kind", "options", "name", "sql"),
    [
        (Int, {"isin": list(Size)}, "c in (1, 5)", "c IN (1, 5)"),
        (Int, {"ge": Size.LARGE}, "c >= 5", "c >= 5"),
        (Text, {"eq": Colour.RED}, "c = 'red'", "c = 'red'"),
        (Text, {"isin": np.array(["a", "b"])}, "c in ('a', 'b')", "c IN ('a', 'b')"),
        (Float, {"ge": np.float64(0.5)}, "c >= 0.5", "c >= CAST(0.5 AS DOUBLE PRECISION)"),
    ],
)
def test_members_of_an_enum_and_values_of_numpy_are_the_values_they_hold(
    kind: Any, options: dict[str, Any], name: str, sql: str
) -> None:
    body = {"__annotations__": {"c": kind}, "c": column("A column.", nullable=True, **options)}
    [check] = checks_of(contract(type("Model", (pa.DataFrameModel,), body)), "all")
    assert (check.name, sql_of(check)) == (name, sql)


def test_a_set_has_one_order_in_every_process() -> None:
    def model(listed: Any) -> type[pa.DataFrameModel]:
        class Model(Things):
            name: Text = column("A name.", isin=listed, nullable=True)

            @pa.dataframe_check(name="rule")
            def rule(cls, things: Any) -> Any:
                return things["name"].isin(listed)

        return Model

    of_set, of_list = (contract(model(kind("fbdacge"))) for kind in (frozenset, sorted))
    found, sorted_ones = checks_of(of_set, "all"), checks_of(of_list, "all")
    assert [(check.name, sql_of(check)) for check in found] == [(check.name, sql_of(check)) for check in sorted_ones]
    assert version_of(of_set) == version_of(of_list)


def test_a_contract_without_checks_is_refused() -> None:
    with pytest.raises(ContractError, match="no checks, so its gate"):
        checks_of(contract(), "all")


def test_a_check_that_raises_whatever_it_is_asked_is_left_to_pandas() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", nullable=True)

        @pa.dataframe_check(name="broken")
        def broken(cls, rows: Any) -> Any:
            return 1 / 0, rows

    [check] = checks_of(contract(Model), "all")
    assert (check.kind, check.untraced) == ("pandas", "ZeroDivisionError: division by zero")


def test_a_tolerance_for_no_check_is_refused() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", ge=1)

    with pytest.raises(ContractError, match="'number > 1', which is not one of its checks"):
        checks_of(contract(Model, tolerance={"number > 1": 0.1}), "all")


def test_a_tolerance_for_one_check_goes_before_its_columns() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", ge=1, lt=9, tolerance=0.5)

    found = checks_of(contract(Model, tolerance={"number < 9": 0.1}), "all")
    assert {check.name: check.tolerance for check in found} == {
        "number not null": 0.5,
        "number >= 1": 0.5,
        "number < 9": 0.1,
    }


def test_the_version_changes_with_what_is_demanded_and_with_nothing_else() -> None:
    def model(least: int, words: str) -> type[pa.DataFrameModel]:
        class Model(pa.DataFrameModel):
            number: Int = column(words, ge=least)

        return Model

    same, reworded, stricter = model(1, "A number."), model(1, "Another word."), model(2, "A number.")
    versions = [version_of(contract(each)) for each in (same, reworded, stricter)]
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ";"}, {"encoding": "cp1252"}, {"skip": 1}, {"comment": "#"}, {"quote": "'"}, {"trim": True}],
)
def test_a_file_that_is_read_otherwise_is_loaded_again(options: dict[str, Any]) -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", ge=1)

    files = Files("things.csv", Single(), **options)
    assert version_of(Contract("test", "things", "me@example.com", Model, files)) != version_of(contract(Model))


def test_a_column_that_is_read_otherwise_is_loaded_again() -> None:
    def version(**options: Any) -> str:
        class Model(pa.DataFrameModel):
            number: Int = column("A number.", ge=1, **options)

        return version_of(contract(Model))

    assert len({version(), version(null_values=("-",)), version(null_values=("?",)), version(format="1.234,5")}) == 4


def test_versions_that_ledgers_hold_stay() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", ge=1)

    files = Files("things.csv", Single(), null_values=("-",), delimiter=";")
    options = Contract("test", "things", "me@example.com", Model, files)
    assert (version_of(contract(Model)), version_of(options)) == ("bc7a1a4b16ad", "d8e1e72a4e98")


def test_where_a_file_lies_and_how_large_it_may_be_is_no_demand() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", ge=1)

    def version(url: str = "things.csv", **options: Any) -> str:
        files = Files(url, Single(), **options)
        return version_of(Contract("test", "things", "me@example.com", Model, files))

    assert version() == version("other.csv") == version(max_bytes=1000) == version(max_ratio=9)
    assert version(null_values=("-",)) != version()


def test_the_arguments_of_a_check_of_panderas_own_are_demanded_in_pandas_too() -> None:
    def check(pattern: str) -> Check:
        class Model(pa.DataFrameModel):
            name: Text = column("A name.", nullable=True, str_matches=pattern)

        [check] = checks_of(contract(Model), "all")
        return check

    one, again, other = map(check, (r"(?=a)b", r"(?=a)b", r"(?=a)c"))  # looking ahead is not traced
    assert one.kind == "pandas"
    assert text_of(one) == text_of(again) == "[('pattern', '(?=a)b')]"
    assert text_of(other) != text_of(one)


def test_a_key_demands_what_its_name_and_columns_say() -> None:
    class Model(pa.DataFrameModel):
        number: Int = column("A number.", nullable=True, unique=True)

    [check] = checks_of(contract(Model), "all")
    assert text_of(check) is None
    assert "count(*) OVER (PARTITION BY batch.number)" in str(sql_of(check)), "the query is shown all the same"


@pytest.mark.parametrize("dataset", contracts())
def test_the_shipped_contracts_run_wholly_in_the_database(dataset: str) -> None:
    found = contracts()[dataset]
    first = getattr(found.files.batches, "start", "all")
    assert {check.kind for check in checks_of(found, first)} <= {"row", "unique"}


def test_pandas_and_sql_agree_that_isin_has_no_unknown() -> None:
    numbers = pd.Series([1, None], dtype="int64[pyarrow]")
    assert list(numbers.isin([1])) == [True, False]


LIMIT = 2


def is_even(number: int) -> bool:
    return number % LIMIT == 0


def test_the_version_changes_with_the_code_of_a_check_that_runs_in_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    def model(rule: Callable[[int], bool]) -> type[pa.DataFrameModel]:
        class Model(Things):
            @pa.check("number", name="rule", element_wise=True)
            def rule_of_a_number(cls, number: int) -> bool:
                return rule(number)

        return Model

    even, again = (version_of(contract(model(is_even))) for _ in range(2))
    odd = version_of(contract(model(lambda number: number % 2 == 1)))
    monkeypatch.setitem(globals(), "LIMIT", 4)  # named by the function that the check calls
    assert len({even, odd, version_of(contract(model(is_even)))}) == 3
    assert even == again


def test_a_check_against_the_present_is_not_another_contract_each_night() -> None:
    class Model(Things):
        @pa.dataframe_check(name="not in the future")
        def past(cls, things: Any) -> Any:
            return things["at"] <= pd.Timestamp.now()

    first, second = (checks_of(contract(Model), "all")[0] for _ in range(2))
    assert first.kind == "row"
    assert sql_of(first) != sql_of(second)
    version_of.cache_clear()
    assert version_of(contract(Model)) == version_of(contract(Model))
    assert odcs_yaml(contract(Model)) == odcs_yaml(contract(Model))
