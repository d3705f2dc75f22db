"""Batches of the calendar: their names, their order, their periods by the clock of a time zone, and which are due."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pandera.pandas as pa
import pytest

import sluice
from sluice.contract.batches import (
    CALENDARS,
    Calendar,
    Daily,
    Hourly,
    Monthly,
    Quarterly,
    Weekly,
    Yearly,
    calendar_of,
)
from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.version import sql_of, version_of
from sluice.contract.columns import Date, UtcTimestamp, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.errors import ConfigError, ContractError
from sluice.file_check.deliveries import batches_of
from sluice.source.addresses import discover, expand
from tests.support.documented import table

CADENCES = [row for row in table("sources.md", "cadence") if not row[1].startswith("EachFile")]
BERLIN = "Europe/Berlin"
STARTS = {Hourly: "2020-01-01T00", Daily: "2020-01-01", Weekly: "2020-W01", Monthly: "2020-01",
          Quarterly: "2020-Q1", Yearly: "2020"}  # fmt: skip


def contract(batches: Any, kind: Any = None, url: str = "x_{batch}.csv") -> Contract:
    body = {name: column("When.", nullable=True) for name in ("ordered_at", "picked_up_at", "at")}
    kinds = dict.fromkeys(body, kind or UtcTimestamp)
    model = type("Model", (pa.DataFrameModel,), {"__annotations__": kinds, **body})
    return Contract("t", "x", "me@example.com", model, Files(url, batches))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("cadence", "declared", "url", "file", "batch", "period"), CADENCES)
def test_a_cadence_of_the_guide_finds_its_file_and_names_its_batch(
    tmp_path: Any, cadence: str, declared: str, url: str, file: str, batch: str, period: str
) -> None:
    batches = eval(declared, dict(vars(sluice), **{name: getattr(sluice, name) for name in sluice.__all__}))
    found = contract(batches, url=url)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert discover(str(tmp_path / url), found) == (batch,), cadence
    assert expand(url, found, [batch]) == {batch: file}
    if "/" not in file:
        assert batches_of(found, [file], []) == [batch]
    if isinstance(batches, Calendar):
        begins, ends = re.findall("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", period)
        assert batches.window(batch) == (datetime.fromisoformat(begins), datetime.fromisoformat(ends))
        assert type(calendar_of(batch)) is type(batches)


def test_the_guide_shows_every_cadence() -> None:
    assert {row[1].split("(")[0] for row in CADENCES} == {*(kind.__name__ for kind in CALENDARS), "Single"}


@pytest.mark.parametrize("kind", CALENDARS)
def test_names_sort_in_the_order_of_time_and_none_is_left_out(kind: type[Calendar]) -> None:
    batches = kind(start=STARTS[kind])
    last = {Hourly: "2020-03-01T00", Daily: "2021-03-01"}.get(kind, kind.example)  # type: ignore[type-abstract]
    names = batches.between(batches.start, last)
    assert list(names) == sorted(names)
    assert len(set(names)) == len(names)
    for earlier, later in pairwise(names):
        assert batches.after(earlier) == later
        assert batches.instants(earlier)[1] == batches.instants(later)[0]
    assert batches.due(batches.instants(names[-1])[1]) == names[-batches.look_back :]
    assert batches.due(batches.instants(names[0])[0]) == ()
    assert all(re.fullmatch("[0-9A-Za-z-]{4,13}", name) for name in names)  # safe in tables, folders and addresses


@pytest.mark.parametrize(
    ("kind", "name", "example"),
    [
        (Hourly, "2021-01-31", "2021-01-31T05"),
        (Hourly, "2021-01-31T24", "2021-01-31T05"),
        (Daily, "2021-02-30", "2021-01-31"),
        (Daily, "2021-2-3", "2021-01-31"),
        (Weekly, "2021-W53", "2021-W04"),
        (Weekly, "2021-W00", "2021-W04"),
        (Monthly, "2021-13", "2021-01"),
        (Monthly, "../2021-01", "2021-01"),
        (Monthly, "\uff12021-01", "2021-01"),
        (Quarterly, "2021-Q5", "2021-Q1"),
        (Yearly, "0000", "2021"),
        (Yearly, "9999", "2021"),
        (Yearly, 2021, "2021"),
    ],
)
def test_what_is_not_a_batch_of_the_calendar_is_refused(kind: type[Calendar], name: Any, example: str) -> None:
    with pytest.raises(ConfigError, match=f"is not an? {kind.noun}: write it as {example}"):
        kind(start=STARTS[kind]).validate(name)
    with pytest.raises(ContractError, match=r"t__x: start: batch .* write it as"):
        contract(kind(start=name))


def test_a_year_may_have_53_weeks_and_its_first_may_begin_in_the_year_before() -> None:
    weeks = Weekly(start="2020-W01")
    assert weeks.window("2020-W53") == (datetime(2020, 12, 28), datetime(2021, 1, 4))
    assert weeks.after("2020-W53") == "2021-W01"
    assert weeks.window("2020-W01")[0] == datetime(2019, 12, 30)


def test_the_hour_that_a_clock_shows_twice_is_one_batch_and_the_one_that_it_leaves_out_is_none() -> None:
    hours = Hourly(start="2024-01-01T00", look_back=3, timezone=BERLIN)
    assert hours.instants("2024-10-27T02") == (utc("2024-10-27 00:00"), utc("2024-10-27 02:00"))
    assert hours.instants("2024-10-27T01")[1] == utc("2024-10-27 00:00")
    assert hours.due(utc("2024-10-27 01:59"))[-1] == "2024-10-27T01"
    assert hours.due(utc("2024-10-27 02:00"))[-1] == "2024-10-27T02"
    assert hours.between("2024-03-31T01", "2024-03-31T03") == ("2024-03-31T01", "2024-03-31T03")
    assert hours.due(utc("2024-03-31 02:00")) == ("2024-03-31T01", "2024-03-31T03")
    with pytest.raises(ConfigError, match="the clock of Europe/Berlin leaves this hour out"):
        hours.validate("2024-03-31T02")


def test_a_day_is_as_long_as_its_time_zone_makes_it() -> None:
    days = Daily(start="2011-01-01", timezone=BERLIN)
    first, after = days.instants("2024-03-31")
    assert (first, after) == (utc("2024-03-30 23:00"), utc("2024-03-31 22:00"))
    assert days.due(utc("2024-03-31 21:59"))[-1] == "2024-03-30"
    assert days.due(utc("2024-03-31 22:00"))[-1] == "2024-03-31"
    samoa = Daily(start="2011-01-01", timezone="Pacific/Apia")  # which crossed the date line
    assert samoa.between("2011-12-29", "2011-12-31") == ("2011-12-29", "2011-12-31")


def test_rows_with_a_zone_are_dated_by_the_clock_of_the_time_zone() -> None:
    [check] = checks_of(contract(Daily("2024-01-01", by="at", timezone=BERLIN)), "2024-03-31")
    assert sql_of(check) == "at >= '2024-03-30 23:00:00+00:00' AND at < '2024-03-31 22:00:00+00:00'"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Daily("2024-01-01", look_back=0), "look_back is a number of days, at least 1"),
        (lambda: Daily("2024-01-01", timezone="Berlin"), "timezone 'Berlin' is not known; for example Europe/Berlin"),
        (lambda: Daily("2024-01-01", timezone="../x"), "timezone '../x' is not known"),
        (lambda: Daily("2024-01-01", timezone=3), "timezone 3 is not known"),
        (lambda: contract(Hourly("2024-01-01T00", by="at"), Date), "'at' cannot date batches"),
        (
            lambda: replace(contract(Monthly("2024-01")), gate=Gate(rows_vs="weekday")),
            "for batches of a day or an hour",
        ),
        (lambda: Gate(rows_vs="week"), "rows_vs is 'last' or 'weekday'"),
    ],
)
def test_what_no_calendar_can_have_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        make()


def test_a_name_that_with_its_batch_is_too_long_for_a_table_is_refused() -> None:
    model = contract(Single := sluice.Single()).schema
    Contract("t" * 19, "x" * 19, "me", model, Files("x", Daily("2024-01-01")))
    with pytest.raises(ContractError, match="too long for the names of its tables"):
        Contract("t" * 19, "x" * 19, "me", model, Files("x", Hourly("2024-01-01T00")))
    Contract("t" * 19, "x" * 19, "me", model, Files("x", Single))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("x_{year}{month}.csv", r"name a batch with all of \{year\}, \{month\}, \{day\}, or with \{batch\}"),
        ("x_{hour}_{batch}.csv", r"\{hour\} is unknown; .* \{batch\}, .* \{day\}"),
        ("x.csv", "all batches of t__x would be one file"),
    ],
)
def test_an_address_that_does_not_name_each_batch_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand(url, contract(Daily("2024-01-01")), ["2024-01-01", "2024-01-02"])


def test_the_same_weekday_is_looked_for_in_the_weeks_before() -> None:
    days = Daily("2024-01-01").weeks_before("2024-03-02", 2)
    assert days == ("2024-02-24", "2024-02-17")
    assert Hourly("2024-01-01T00").weeks_before("2024-01-03T05", 1) == ("2023-12-27T05",)


def test_what_a_gate_compares_rows_with_is_part_of_its_version_only_where_it_is_not_the_default() -> None:
    days = contract(Daily("2024-01-01", by="at"))
    assert version_of(replace(days, gate=Gate(rows_vs="last"))) == version_of(days)
    assert version_of(replace(days, gate=Gate(rows_vs="weekday"))) != version_of(days)


def test_another_time_zone_is_another_version_where_a_column_dates_rows() -> None:
    days = contract(Daily("2024-01-01", by="at"))
    london = contract(Daily("2024-01-01", by="at", timezone="Europe/London"))  # in January the same moments
    assert version_of(london) != version_of(days)
    assert version_of(contract(Daily("2024-01-01", by="at", timezone="UTC"))) == version_of(days)
