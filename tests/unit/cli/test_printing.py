"""What the console shows of rows."""

from __future__ import annotations

import pytest

from sluice.cli.output import tables


@pytest.mark.parametrize("columns", [3, 40])
def test_every_value_of_a_wide_row_can_be_read(capsys: pytest.CaptureFixture[str], columns: int) -> None:
    names = [f"name_of_column_{n}" for n in range(columns)]
    tables.print_rows(names, [[f"value {row}-{n}" for n in range(columns)] for row in range(2)])
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    assert all(f"value {row}-{n}" in shown for row in range(2) for n in range(columns))


def test_nothing_in_a_wide_row_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_rows(["wide" * 50], [["[red]x[/red] \x1b[31m"]])
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "\x1b[31m" not in shown
