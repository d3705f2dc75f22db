"""What differs between two versions of a contract, and whom that breaks."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest

from sluice.cli import app
from sluice.contract.batches import Daily, EachFile, Monthly, Single
from sluice.contract.columns import Date, Float, Money, Text, column, days
from sluice.contract.contract import Contract, Files, Freshness, Gate
from sluice.contract.exchange.difference import differences
from sluice.contract.sources import Table

READERS, FILES, BOTH, NOBODY = ("readers",), ("files",), ("readers", "files"), ()
MODEL = {"code": (Text, {"unique": True}), "price": (Money, {"ge": 0}), "note": (Text, {"nullable": True})}


def contract(gate: Gate | None = None, *, reading: Files | None = None, **columns: Any) -> Contract:
    """The contract of three columns, with these instead; None leaves one out."""
    chosen = {name: each for name, each in {**MODEL, **columns}.items() if each is not None}
    fields = {name: column("What it is.", **options) for name, (_, options) in chosen.items()}
    notes = {name: kind for name, (kind, _) in chosen.items()}
    schema = type("Rows", (pa.DataFrameModel,), {"__annotations__": notes, "__module__": __name__, **fields})
    files = reading or Files(url="a.csv", batches=Single())
    return Contract(source="a", entity="b", owner="o@example.com", schema=schema, files=files, gate=gate or Gate())


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"note": None}, ("column note is gone", BOTH)),
        ({"day": (Date, {})}, ("column day is new", FILES)),
        ({"day": (Date, {"nullable": True, "since": "2030-01"})}, ("column day is new: files of 2030-01", FILES)),
        ({"day": (Date, {"nullable": True, "required": False})}, ("column day is new", NOBODY)),
        ({"price": (Money, {"ge": 0, "required": False})}, ("column price need not be in files any more", NOBODY)),
        ({"price": (Money, {"ge": 0, "since": "b"})}, ("column price need not be in files before b", NOBODY)),
        ({"note": (Text, {"nullable": True, "null_values": ("NA",)})}, ("column note is read as null for", FILES)),
        ({"note": (Text, {"nullable": True, "severity": "warn"})}, ("", ())),
        ({"note": (Text, {"severity": "warn"})}, ("column note may be null, with a warning", NOBODY)),
        ({"note": (Text, {"nullable": "warn"})}, ("column note may be null, with a warning", NOBODY)),
        ({"price": (Float, {"ge": 0})}, ("column price is float", BOTH)),
        ({"note": (Text, {})}, ("column note may not be null any more", FILES)),
        ({"code": (Text, {"unique": True, "nullable": True})}, ("column code may be null now", READERS)),
        ({"price": (Money, {"ge": 0, "unit": "USD"})}, ("column price is in USD", READERS)),
        ({"note": (Text, {"nullable": True, "source": "Note"})}, ("column note is not found as note", FILES)),
        ({"note": (Text, {"nullable": True, "pii": True})}, ("column note is marked as personal data", NOBODY)),
        ({"code": (Text, {})}, ("check 'code unique' is gone", READERS)),
        ({"note": (Text, {"nullable": True, "str_contains": "x"})}, ('check "note contains', FILES)),
        ({"price": (Money, {"ge": 0, "severity": "warn"})}, ("check 'price >= 0' only warns now", READERS)),
        ({"price": (Money, {"ge": 0, "tolerance": 0.1})}, ("check 'price >= 0' closes the gate for more", FILES)),
    ],
)  # fmt: skip
def test_each_kind_of_change_breaks_whom_it_must(new: dict[str, Any], expected: tuple[str, tuple[str, ...]]) -> None:
    found = [change for change in differences(contract(), contract(**new)) if change.what.startswith(expected[0])]
    assert [change.breaks for change in found] == ([expected[1]] if expected[0] else []), found


def test_the_same_contract_differs_in_nothing_and_a_wider_one_breaks_nobody() -> None:
    assert differences(contract(), contract()) == ()
    wide = contract(gate=Gate(max_rejected=0.2))
    assert [change.breaks for change in differences(contract(), wide)] == [NOBODY]
    assert [change.breaks for change in differences(wide, contract())] == [FILES]


MAY = Monthly(start="2021-05")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Files("a.csv", Single()), Files("b.csv", Single()), [NOBODY]),
        (Files("a.csv", Single()), Files("a.csv", Single("new")), [FILES]),
        (Files("a.csv", Single()), Files("a.csv", Single(), delimiter=";", encoding="cp1252", skip=2), [FILES] * 3),
        (Files("a.csv", Single()), Files("a.csv", Single(), ignore=("x",), null_values=("", "NA")), [FILES] * 2),
        (Files("a.csv", Single()), Files("a.csv", Single(), max_bytes=5), [FILES]),
        (Files("a.csv", Single(), max_bytes=5), Files("a.csv", Single(), max_bytes=6), [NOBODY]),
        (Files("a", MAY), Files("a", Monthly(start="2021-06", timezone="Europe/Berlin")), [FILES] * 2),
        (Files("a/", EachFile("(a)")), Files("a/", EachFile("(b)")), [FILES]),
        (Files("a.csv", Single()), Table("raw.a", key="id", url="a.csv"), [FILES]),
    ],
)  # fmt: skip
def test_how_files_are_read_and_when_they_come_is_compared(
    old: Files, new: Files, expected: list[tuple[str, ...]]
) -> None:
    found = differences(contract(reading=old), contract(reading=new))
    assert [change.breaks for change in found] == expected, found


def test_a_check_in_python_that_changed_demands_something_else() -> None:
    def checked(rule: Any) -> Contract:
        schema = contract().schema
        made = type("Checked", (schema,), {"__module__": __name__, "rule": pa.dataframe_check(rule, name="rule")})
        return Contract("a", "b", "o@example.com", made, Files("a.csv", Single()))

    def odd(cls: type, rows: pd.DataFrame) -> pd.Series:
        return rows["code"].map(len) % 2 == 1

    def even(cls: type, rows: pd.DataFrame) -> pd.Series:
        return rows["code"].map(len) % 2 == 0

    assert differences(checked(odd), checked(odd)) == ()
    (change,) = differences(checked(odd), checked(even))
    assert (change.what, change.breaks) == ("check 'rule' demands something else under the same name", BOTH)


def test_a_promise_of_freshness_that_is_loosened_breaks_readers_and_one_change_is_told_once() -> None:
    def promised(warn: float, error: float, **gate: Any) -> Contract:
        files = Files("a", Daily(start="2021-05-01"))
        return replace(contract(Gate(**gate), reading=files), freshness=Freshness(days(warn), days(error)))

    assert [change.breaks for change in differences(promised(1, 2), promised(1, 3))] == [READERS]
    assert [change.breaks for change in differences(promised(1, 2), promised(0.5, 2))] == [NOBODY]
    assert [change.breaks for change in differences(promised(1, 2), promised(1, 2, rows_vs="weekday"))] == [FILES]


def test_severity_and_tolerance_of_a_column_that_is_only_not_null_are_compared() -> None:
    strict, lenient = contract(note=(Text, {})), contract(note=(Text, {"severity": "warn"}))
    assert [(change.what, change.breaks) for change in differences(strict, lenient)] == [
        ("column note may be null now, with a warning", READERS)
    ]
    assert [change.breaks for change in differences(lenient, strict)] == [FILES]
    bounded = contract(note=(Text, {"tolerance": 0.1}))
    assert [change.breaks for change in differences(strict, bounded)] == [FILES]
    assert [change.breaks for change in differences(bounded, strict)] == [NOBODY]


CONTRACT = """
import pandera.pandas as pa
from sluice import Contract, Files, Int, Single, column
class Rows(pa.DataFrameModel):
    n: Int = column("A number.", ge={least})
FILES = Files(url="a.csv", batches=Single())
CONTRACT = Contract(source="a", entity="b", owner="o@example.com", schema=Rows, files=FILES)
"""


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        app.main(["contract", "diff", *arguments])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out + said.err


def test_the_command_compares_with_a_revision_of_git_and_ends_with_2_if_a_change_is_breaking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "contracts/a_b.py"
    file.parent.mkdir()
    file.write_text(CONTRACT.format(least=0))
    name = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for call in (("init", "-q"), ("add", "."), (*name, "commit", "-qm", "first")):
        subprocess.run(["git", *call], check=True)
    assert diff(capsys, "HEAD:contracts/a_b.py", "contracts/a_b.py") == (0, "a__b: the same\n")
    file.write_text(CONTRACT.format(least=1))
    code, said = diff(capsys, "HEAD:contracts/a_b.py", "contracts/a_b.py")
    assert code == 2
    assert said.splitlines() == [
        "breaks readers: check 'n >= 0' is gone: rows that fail it come in",
        "breaks files: check 'n >= 1' is new: rows that fail it are rejected",
        "a__b: breaking",
    ]
    code, said = diff(capsys, "nowhere:contracts/a_b.py", "contracts/a_b.py")
    assert (code, "REVISION:FILE" in said, len(said.splitlines())) == (5, True, 1)
