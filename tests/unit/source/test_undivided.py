"""Lines of one column: what seems to divide them is said, and what is one text stays one."""

from __future__ import annotations

import pytest

from sluice.source.dialects.undivided import is_aligned, rare_delimiter, seeming_delimiter

ROWS = range(1, 12)
ONE_COLUMN = {
    "words": ["word", *(f"word{n}" for n in ROWS)],
    "ids": ["id", *map(str, ROWS)],
    "sentences": ["sentence", *(f"This is sentence number {n}.  It has: two parts." for n in ROWS)],
    "sentences without a header": [f"This is sentence number {n} of the text." for n in ROWS],
    "sentences of one beginning": ["line", *(f"Two blanks.  And {'x' * n} then.  More." for n in ROWS)],
    "full names": ["full name", *(f"Ann Roe{n}" for n in ROWS)],
    "times": [f"{n:02d}:30:{n:02d}" for n in ROWS],
    "times under a name": ["at", *(f"{n:02d}:30:{n:02d}" for n in ROWS)],
    "moments": [f"2024-01-{n:02d} 10:00:00" for n in ROWS],
    "lines of a log": [f"2024-01-{n:02d} 10:00:00 INFO started" for n in ROWS],
    "addresses": [f"https://example.com/{n}" for n in ROWS],
    "addresses with a port": [f"http://example.com:8080/{n}" for n in ROWS],
    "hardware addresses": [f"00:1B:44:11:3A:{n:02X}" for n in ROWS],
    "IPv6": [f"fe80::1:{n}" for n in ROWS],
    "ratios": ["ratio", *(f"{n}:{n + 1}" for n in ROWS)],
    "dates": [f"{n:02d}/01/2024" for n in ROWS],
    "paths": [f"/var/log/f{n}" for n in ROWS],
    "phone numbers": [f"030 123 {n:04d}" for n in ROWS],
    "UUIDs": [f"00000000-0000-0000-0000-{n:012d}" for n in ROWS],
    "mails": [f"ann{n}@example.com" for n in ROWS][:2],
}


@pytest.mark.parametrize("kind", ONE_COLUMN)
def test_one_column_stays_one_without_a_warning(kind: str) -> None:
    lines = [f"{line}\n" for line in ONE_COLUMN[kind]]
    assert (rare_delimiter(lines), seeming_delimiter(lines), is_aligned(lines)) == ("", "", False)


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("{n}:n{n}:c", ":"),
        ("u{n}:x:10{n}:100:User:/bin/sh", ":"),
        ("{n}::Film::Drama", "::"),
        ("{n};;n", ";;"),
        ("{n}||n||c", "||"),
        ("{n}~|~n~|~c", "~|~"),
        ("{n}\t\tn\t\tc", "\t\t"),
        ("{n}§n§c", "§"),
    ],
)
def test_a_rare_delimiter_divides_every_line_alike(line: str, sign: str) -> None:
    assert rare_delimiter([f"{line.format(n=n)}\n" for n in ROWS]) == sign


@pytest.mark.parametrize(
    ("header", "row", "sign"),
    [
        ("key1: a", "key{n}: b", ":"),
        ("id#name", "{n}#n", "#"),
        ("id$name", "{n}$n", "$"),
        ("id name city", "{n} n c", " "),
        ("x/y/z", "{n}/n/c", "/"),
        ("1.5 2 3", "{n}.5 2 3", " "),
    ],
)
def test_a_sign_that_seems_to_divide_lines_is_named(header: str, row: str, sign: str) -> None:
    assert seeming_delimiter([f"{header}\n", *(f"{row.format(n=n)}\n" for n in ROWS)]) == sign


def test_blanks_that_align_columns_are_seen_below_a_title_too() -> None:
    rows = [f"{n:<6}{'n' * n:<12}{n * 1.5:>6}\n" for n in ROWS]
    assert is_aligned(["id    name       amount\n", *rows])
    assert is_aligned(["Sales of the year, in thousands\n", *rows])
    assert not is_aligned(rows[:2])
