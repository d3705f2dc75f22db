"""The judge of benchmarks/files.py: what counts as right, and what as silently wrong."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from file_cells import encoded
from file_values import Loaded, truth_of, verdict_of

TEXT = "id;zip;country;paid;on\n1;00501;NA;1.234,50;31.12.2024\n2;10001;DE;NA;01.02.2024\n"
RIGHT: list[list[Any]] = [[1, "00501", "NA", 1234.5, date(2024, 12, 31)], [2, "10001", "DE", None, date(2024, 2, 1)]]


def loaded(rows: list[list[Any]], **how: Any) -> Loaded:
    return Loaded(["ID", "ZIP", "Country", "Paid", "On"], [[encoded(cell) for cell in row] for row in rows], **how)


def changed(place: int, value: Any) -> list[list[Any]]:
    """The right rows but for one cell of the first."""
    return [[*RIGHT[0][:place], value, *RIGHT[0][place + 1 :]], RIGHT[1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    "row", [RIGHT, changed(3, Decimal("1234.50")), changed(4, datetime(2024, 12, 31)), changed(0, 1.0)]
)
def test_a_value_in_any_type_is_right(path: Path, row: list[list[Any]]) -> None:
    assert verdict_of(truth_of(path), loaded(row)) == ("right", "")


@pytest.mark.parametrize(
    "rows",
    [changed(1, 501), changed(2, None), changed(3, 1.2345), changed(3, None), changed(4, date(2024, 12, 3)), RIGHT[:1]],
)
def test_a_value_that_is_other_than_in_the_file_is_silently_wrong(path: Path, rows: list[list[Any]]) -> None:
    assert verdict_of(truth_of(path), loaded(rows))[0] == "silently wrong"


def test_what_is_reported_is_not_silent(path: Path) -> None:
    assert verdict_of(truth_of(path), loaded(RIGHT[1:], rejected=[1])) == ("rejected visibly", "1 rows")
    assert verdict_of(truth_of(path), Loaded(refused="no way")) == ("refused", "no way")


def test_a_sidecar_says_what_is_right(path: Path) -> None:
    expected = {"columns": ["a"], "rows": [["x"], [None], [2.5]], "bad_rows": [3]}
    path.with_name("orders.csv.expected.json").write_text(json.dumps(expected))
    truth = truth_of(path)
    rows = [[encoded("x")], [encoded(None)]]
    assert verdict_of(truth, Loaded(["a"], rows, rejected=[3])) == ("right", "")


def test_a_ragged_file_needs_a_sidecar(path: Path) -> None:
    path.write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(ValueError, match="same number of fields"):
        truth_of(path)
