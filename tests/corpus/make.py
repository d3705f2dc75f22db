"""Write the files of `expected.toml` again: python -m tests.corpus.make. Each is ten good rows and one thing more.

To add a file: its bytes here, what must become of it in `expected.toml`.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
HEADER = "id,name,amount,at,day,ok,share"
LINE = "{n},name {n},{n}.50,2024-05-{n:02d} 10:00:00,2024-05-{n:02d},true,0.{n}"
GOOD = [LINE.format(n=n) for n in range(1, 11)]
CELLS = LINE.format(n=11).split(",")


def csv(*more: str, lines: list[str] = GOOD, header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join([header, *lines, *more]) + end).encode()


def row(**cells: str) -> str:
    """The eleventh row, with other cells."""
    names = HEADER.split(",")
    return ",".join(cells.get(name, cell) for name, cell in zip(names, CELLS, strict=True))


def table(**columns: pa.Array | None) -> pa.Table:
    """Ten good rows, with other columns; None leaves one out."""
    made = {
        "id": pa.array(range(1, 11), pa.int64()),
        "name": pa.array([f"name {n}" for n in range(1, 11)]),
        "amount": pa.array([n + 0.5 for n in range(1, 11)]).cast(pa.decimal128(10, 2)),
        "at": pa.array([1714557600_000000 + n for n in range(10)], pa.timestamp("us")),
        "day": pa.array(range(19844, 19854), pa.int32()).cast(pa.date32()),
        "ok": pa.array([True] * 10),
        "share": pa.array([0.1 * n for n in range(1, 11)]),
    }
    return pa.table({name: column for name, column in {**made, **columns}.items() if column is not None})


def parquet(made: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(made, sink, **options)
    return sink.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def of_cells() -> Iterator[tuple[str, bytes]]:
    """CSV files with one row that may not be taken as it is."""
    for name, cells in {
        "nul_byte": {"name": "a\0b"},
        "exponent_too_large": {"share": "1e400"},
        "nan": {"share": "NaN"},
        "infinity": {"share": "-inf"},
        "third_decimal": {"amount": "1.005"},
        "thousands_separator": {"amount": '"1,500.00"'},
        "currency_sign": {"amount": "$1.50"},
        "fraction_for_an_integer": {"id": "11.7"},
        "integer_with_zero_fraction": {"id": "11.0"},
        "hexadecimal_integer": {"id": "0x0b"},
        "underscore_in_a_number": {"id": "1_1"},
        "arabic_digits": {"id": "\u0661\u0661"},
        "integer_beyond_64_bits": {"id": "9223372036854775808"},
        "plus_sign": {"id": "+11"},
        "word_now": {"at": "now"},
        "word_today": {"day": "today"},
        "word_infinity_as_a_date": {"day": "infinity"},
        "february_30": {"day": "2024-02-30"},
        "hour_24": {"at": "2024-05-11 24:00:00"},
        "leap_second": {"at": "2024-05-11 23:59:60"},
        "year_0": {"day": "0000-05-11"},
        "year_1": {"day": "0001-05-11"},
        "before_christ": {"day": "2024-05-11 BC"},
        "two_digit_year": {"day": "24-05-11"},
        "slashes_in_a_date": {"day": "03/04/2024"},
        "utc_offset": {"at": "2024-05-11 10:00:00+05:30"},
        "letter_z": {"at": "2024-05-11T10:00:00Z"},
        "yes_for_a_boolean": {"ok": "maybe"},
        "formula": {"name": "=cmd()"},
        "script": {"name": "<script>alert(1)</script>"},
        "terminal_escape": {"name": "\x1b[31mred"},
        "right_to_left_mark": {"name": "\u202eabc"},
        "emoji": {"name": "🚰"},
        "null_word_as_text": {"name": "NULL"},
        "backslash_n": {"name": "\\N"},
        "quoted_line_break": {"name": '"two\nlines"'},
        "quoted_quote": {"name": '"say ""hi"""'},
        "spaces_around_a_number": {"id": " 11 "},
        "tab_in_a_number": {"share": "0.1\t"},
        "no_id": {"id": ""},
        "id_twice": {"id": "10"},
    }.items():
        yield f"cell_{name}.csv", csv(row(**cells))


def of_lines() -> Iterator[tuple[str, bytes]]:
    """CSV files whose lines or bytes are strange."""
    yield "lines_short_row.csv", csv("11,name 11")
    yield "lines_long_row.csv", csv(row() + ",more")
    yield "lines_blank_between.csv", csv("", row(), "")
    yield "lines_crlf_and_lf.csv", csv() + row().encode() + b"\r\n"
    yield "lines_no_end_of_line.csv", csv(row())[:-1]
    yield "lines_quote_never_closed.csv", csv(row(name='"never'))
    yield "lines_invalid_utf8.csv", csv(row(name="NAME")).replace(b"NAME", b"\xff\xfe")
    yield "lines_header_only.csv", csv(lines=[])
    yield "lines_nothing.csv", b""
    yield "lines_only_blank.csv", b"\n\n\n"
    yield "lines_html.csv", b"<!DOCTYPE html><html><body>Error 500</body></html>\n"
    yield "lines_json_error.csv", b'{"error": "not found"}\n'
    for name, header in {
        "column_more": f"{HEADER},colour",
        "column_missing": HEADER.removesuffix(",share"),
        "column_renamed": HEADER.replace("amount", "total"),
        "column_in_other_case": HEADER.replace("amount", "Amount"),
        "column_twice": HEADER.replace("name", "id"),
    }.items():
        extra = {"column_more": ",red", "column_missing": None}.get(name, "")
        lines = [line.rsplit(",", 1)[0] if extra is None else line + extra for line in GOOD]
        yield f"lines_{name}.csv", csv(header=header, lines=lines)
    turned = [",".join(reversed(line.split(","))) for line in GOOD]
    yield "lines_columns_reordered.csv", csv(header=",".join(reversed(HEADER.split(","))), lines=turned)
    packed = gzip.compress(csv(row()), mtime=0)
    yield "packed_cut.csv.gz", packed[: len(packed) // 2]
    yield "packed_flipped_bit.csv.gz", flipped(packed, len(packed) // 2)
    yield "packed_garbage_after.csv.gz", packed + b"garbage"
    yield "packed_two_members.csv.gz", gzip.compress(csv(), mtime=0) + gzip.compress(f"{row()}\n".encode(), mtime=0)
    yield "packed_not_at_all.csv.gz", csv(row())


def of_parquet() -> Iterator[tuple[str, bytes]]:
    """Parquet files: retyped, cut, damaged."""
    whole = parquet(table())
    yield "parquet_as_expected.parquet", whole
    yield "parquet_cut.parquet", whole[: len(whole) // 2]
    yield "parquet_footer_flipped.parquet", flipped(whole, len(whole) - 20)
    yield "parquet_no_magic_bytes.parquet", whole[:-4] + b"NOPE"
    yield "parquet_named_csv.csv", whole
    yield "parquet_empty.parquet", parquet(table().slice(0, 0))
    changed = {
        "id_as_double": {"id": pa.array([float(n) for n in range(1, 11)])},
        "id_with_a_fraction": {"id": pa.array([n + (0.5 if n == 10 else 0.0) for n in range(1, 11)])},
        "id_as_text": {"id": pa.array([str(n) for n in range(1, 11)])},
        "id_as_int16": {"id": pa.array(range(1, 11), pa.int16())},
        "id_as_uint64": {"id": pa.array(range(1, 11), pa.uint64())},
        "id_beyond_64_bits": {"id": pa.array([*range(1, 10), 2**64 - 1], pa.uint64())},
        "name_as_dictionary": {"name": pa.array([f"name {n}" for n in range(1, 11)]).dictionary_encode()},
        "name_all_null": {"name": pa.nulls(10)},
        "amount_of_three_decimals": {"amount": pa.array([n + 0.5 for n in range(1, 11)]).cast(pa.decimal128(10, 3))},
        "amount_as_double": {"amount": pa.array([n + 0.5 for n in range(1, 11)])},
        "at_in_milliseconds": {"at": pa.array([1714557600_000 + n for n in range(10)], pa.timestamp("ms"))},
        "at_with_a_zone": {
            "at": pa.array([1714557600_000000 + n for n in range(10)], pa.timestamp("us", "Asia/Kathmandu"))
        },
        "day_as_timestamp": {"day": pa.array([1714521600_000000] * 10, pa.timestamp("us"))},
        "share_as_float": {"share": pa.array([n / 4 for n in range(10)], pa.float32())},
        "share_not_a_number": {"share": pa.array([*([0.5] * 9), float("nan")])},
        "ok_as_integer": {"ok": pa.array([0, 1] * 5, pa.int64())},
        "column_missing": {"share": None},
        "column_more": {"colour": pa.array(["red"] * 10)},
        "column_nested": {"name": pa.array([["a"]] * 10)},
    }
    for name, columns in changed.items():
        yield f"parquet_{name}.parquet", parquet(table(**columns))


def main() -> None:
    for name, data in (*of_cells(), *of_lines(), *of_parquet()):
        (HERE / name).write_bytes(data)


if __name__ == "__main__":
    main()
