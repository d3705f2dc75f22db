"""How `sluice sql` prints rows: no value is broken over lines to fit, and none fills the screen unasked."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from sluice.cli.output import query, tables

NAMES = ("unique_id", "status", "message")
LONG = "test.sluice.fct_trips_amounts_add_up " + "x" * 200


@pytest.fixture
def printed(capsys, monkeypatch):
    """What is printed on a screen of so many columns."""

    def lines(rows, *, width: int = 80, form: str = "table", full: bool = False, terminal: bool = True) -> list[str]:
        console = Console(width=width, force_terminal=terminal, color_system=None)
        monkeypatch.setattr(tables, "out", console)
        monkeypatch.setattr(query, "out", console)
        monkeypatch.setattr(query.reader, "query", lambda *_: (NAMES, rows))
        query.show("select", form, full=full)
        return capsys.readouterr().out.splitlines()

    return lines


def test_a_narrow_result_is_a_table_with_a_line_a_row(printed) -> None:
    shown = printed([("a", "pass", "fine"), ("b", "fail", "two\nlines")])
    assert len(shown) == 7
    assert "two ↵ lines" in shown[4]


def test_a_wide_result_has_one_value_a_line_and_long_values_end_in_an_ellipsis(printed) -> None:
    shown = printed([(LONG, "pass", "y" * 50), ("b", None, LONG)])
    assert [line.split()[0] for line in shown] == ["row", *NAMES, "row", *NAMES, "(2"]
    assert shown[1].startswith("  unique_id  test.sluice.fct_trips_amounts_add_up xxx")
    assert shown[1].endswith("x…")
    assert max(map(len, shown)) <= 80


def test_full_prints_every_value_whole_on_one_line(printed) -> None:
    shown = printed([(LONG, "pass", "fine")], full=True)
    assert f"  unique_id  {LONG}" in shown


def test_no_value_is_cut_where_a_program_may_read_it(printed) -> None:
    shown = printed([(LONG, "pass", "fine")], terminal=False)
    assert f"  unique_id  {LONG}" in shown


def test_wide_characters_are_measured_as_a_terminal_shows_them(printed) -> None:
    shown = printed([("漢" * 20, "pass", "字" * 20)])
    assert shown[0] == "row 1", "40 + 40 columns do not fit into 80"


def test_csv_ends_its_lines_as_psql_does(capsysbinary, monkeypatch) -> None:
    monkeypatch.setattr(query.reader, "query", lambda *_: (NAMES, [("a", None, "b,c")]))
    query.show("select", "csv")
    assert capsysbinary.readouterr().out == b'unique_id,status,message\na,,"b,c"\n'


def test_times_in_json_are_in_iso_8601(capsys, monkeypatch) -> None:
    moment = datetime(2026, 11, 28, 8, 57, tzinfo=UTC)
    monkeypatch.setattr(query.reader, "query", lambda *_: (("at", "day"), [(moment, moment.date())]))
    query.show("select", "json")
    assert json.loads(capsys.readouterr().out) == [{"at": "2026-11-28T08:57:00+00:00", "day": "2026-11-28"}]
