"""Every row of a file comes out once, in order, typed; what cannot be typed keeps its text."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.pandas import DataFrameModel

from sluice.contract import columns
from sluice.contract.batches import Monthly, Single
from sluice.contract.columns import WHOLE_ROW
from sluice.contract.contract import Contract
from sluice.contract.drift import SchemaDrift
from sluice.contract.errors import DataError
from sluice.contract.values.casts import cast
from sluice.source.fetch import fetch, look
from sluice.source.files import SourceFile
from sluice.source.parts import stream
from sluice.source.readers.row_stream import RowStream, open_reader, open_rows
from sluice.source.sniff import EmptyFile
from tests.support.parcels import GOOD, HEADER, PARCELS, parcels

TEXT_TYPE = columns.column_type(pa.string())

BATCH = "2024-01"


def delivered(folder: Path, body: bytes | str, name: str = "parcels.csv") -> SourceFile:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return fetch(look(str(path)), folder)


def stored(folder: Path, table: pa.Table, **options: Any) -> SourceFile:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return delivered(folder, sink.getvalue(), "parcels.parquet")


def read(file: SourceFile, contract: Contract = PARCELS) -> list[dict[str, Any]]:
    with open_rows(file, contract, BATCH) as stream:
        rows = [row for batch in checked(stream) for row in batch.to_pylist()]
    assert [row["_row_number"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


def checked(stream: RowStream) -> list[pa.RecordBatch]:
    batches = list(stream)
    assert all(batch.schema == stream.schema and 0 < len(batch) <= 16_384 for batch in batches)
    assert stream.rows_read == stream.rows_counted == sum(map(len, batches))
    return batches


def lines(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def unparsed(row: dict[str, Any]) -> dict[str, str]:
    return json.loads(row["_unparsed"]) if row["_unparsed"] else {}


# ---- rows and cells


def test_a_good_row_is_typed(tmp_path: Path) -> None:
    (row,) = read(delivered(tmp_path, lines(GOOD)))
    assert row == {
        "parcel_id": 1,
        "sent_at": datetime(2024, 1, 2, 3, 4, 5),
        "due_on": date(2024, 1, 9),
        "weight": 1.5,
        "price": Decimal("12.30"),
        "insured": True,
        "note": "fragile",
        "surcharge": None,
        "_row_number": 1,
        "_unparsed": None,
    }


def test_a_cell_that_does_not_parse_is_null_and_keeps_its_text(tmp_path: Path) -> None:
    rows = read(delivered(tmp_path, lines("1,now,2024-02-30,NaN,$1.50,Y,ok", "2,,,,,,ok")))
    assert unparsed(rows[0]) == {
        "sent_at": "now", "due_on": "2024-02-30", "weight": "NaN", "price": "$1.50", "insured": "Y",
    }  # fmt: skip
    assert (rows[0]["price"], rows[0]["note"], rows[1]["_unparsed"]) == (None, "ok", None)


def test_bytes_that_are_no_text_are_kept_in_hexadecimal(tmp_path: Path) -> None:
    body = lines().encode() + b"1,,,,,,caf\xe9\n2,,,,,,a\0b\n\xff,,,,,,ok\n"
    rows = read(delivered(tmp_path, body))
    assert [unparsed(row) for row in rows] == [
        {"note": "\\x636166e9"}, {"note": "\\x610062"}, {"parcel_id": "\\xff"},
    ]  # fmt: skip


def test_a_ragged_row_is_one_row_with_its_raw_text(tmp_path: Path) -> None:
    body = lines(GOOD, "2,short", GOOD, GOOD + ",long", "5").encode() + b"6,\xff\n" + GOOD.encode()
    rows = read(delivered(tmp_path, body))
    assert [unparsed(row).get("_row") for row in rows] == [
        None, "2,short", None, GOOD + ",long", "5", "\\x362cff", None,
    ]  # fmt: skip
    assert all(rows[1][name] is None for name in PARCELS.schema.to_schema().columns)
    assert rows[2]["note"] == rows[6]["note"] == "fragile"


def test_an_empty_cell_is_null_and_a_quoted_one_is_empty_text(tmp_path: Path) -> None:
    rows = read(delivered(tmp_path, lines('1,,,,,,""', "2,,,,,,", '3,,,,,,"NULL"', "4,,,,,,NULL")))
    assert [row["note"] for row in rows] == ["", None, "NULL", "NULL"]


def test_what_means_null_is_the_contracts_word(tmp_path: Path) -> None:
    file = delivered(tmp_path, lines(r"1,NULL,\N,NULL,,,NULL", r"2,,,,,,\.", "3,,,,,,x"))
    rows = read(file, parcels(null_values=("NULL", r"\N", "")))
    assert [row["note"] for row in rows] == [None, r"\.", "x"]
    assert not any(row["_unparsed"] for row in rows)


def test_quotes_commas_and_other_delimiters_are_read(tmp_path: Path) -> None:
    rows = read(delivered(tmp_path, lines('1,,,,,,"a, ""b"""', '2,,,,,,5" pipe')))
    assert [row["note"] for row in rows] == ['a, "b"', '5" pipe']
    semicolons = lines(GOOD, '2,,,,,,"a;b"').replace(",", ";")
    rows = read(delivered(tmp_path, semicolons), parcels(delimiter=";"))
    assert [row["note"] for row in rows] == ["fragile", "a;b"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_are_skipped_and_counted_whatever_ends_a_line(tmp_path: Path, end: str) -> None:
    body = end.join(["\ufeff" + HEADER, "", GOOD, "", "", GOOD.replace("1,", "2,", 1)])
    with open_rows(delivered(tmp_path, body), PARCELS, BATCH) as stream:
        numbers = [n for batch in checked(stream) for n in batch.column("parcel_id").to_pylist()]
    assert (numbers, stream.blank_lines) == ([1, 2], 3)


def test_columns_may_come_in_any_order_and_under_an_older_name(tmp_path: Path) -> None:
    names = "note,Price_paid,insured,weight,due_on,sent_at,ParcelID"
    (row,) = read(delivered(tmp_path, f"{names}\nhi,1.5,0,,,,7\n"))
    assert (row["parcel_id"], row["price"], row["insured"], row["note"]) == (7, Decimal("1.50"), False, "hi")


def test_a_field_beyond_the_contracts_limit_rejects_its_row_only(tmp_path: Path) -> None:
    file = delivered(tmp_path, lines(GOOD, "2,,,,,," + "x" * 5000, GOOD))
    rows = read(file, parcels(max_field_bytes=1000))
    assert [row["note"] for row in rows] == ["fragile", None, "fragile"]
    assert unparsed(rows[1])["note"] == "x" * 1000 + "... (5,000 bytes)"


@pytest.mark.parametrize("size", [2_000_000, 9_000_000])
def test_a_huge_field_rejects_its_row_only(tmp_path: Path, size: int) -> None:
    rows = read(delivered(tmp_path, lines(GOOD, "2,,,,,," + "x" * size, GOOD)))
    assert [row["note"] for row in rows] == ["fragile", None, "fragile"]
    assert len(rows[1]["_unparsed"]) < 2000
    assert f"{size:,}"[:2] in rows[1]["_unparsed"]


def test_many_rows_come_in_batches_of_bounded_size(tmp_path: Path) -> None:
    body = lines(*(f"{n},,,,,,x" for n in range(1, 60_001)))
    file = delivered(tmp_path, gzip.compress(body.encode()))
    with open_rows(file, PARCELS, BATCH) as stream:
        numbers = [n for batch in checked(stream) for n in batch.column("_row_number").to_pylist()]
        assert stream.bytes_read == file.size
    assert numbers == list(range(1, 60_001))


# ---- quotes that swallow rows


@pytest.mark.parametrize(
    "rows",
    [
        ["1,,,,,,ok", '2,,,,,,"lost', "3,,,,,,ok", '4,,,,,,lost"', "5,,,,,,ok"],
        ["1,,,,,,ok", '2,,,,,,"open', "3,,,,,,ok"],
        ["1,,,,,,ok", '2,,,,,,"open'],
    ],
    ids=["two stray quotes", "never closed", "never closed at the end"],
)
def test_a_stray_quote_stops_the_file_and_names_its_line(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(DataError, match=r"line 3 .*has a quote in 'note' that is not closed"):
        read(delivered(tmp_path, lines(*rows)))


def test_a_quote_inside_of_a_field_is_a_character(tmp_path: Path) -> None:
    rows = read(delivered(tmp_path, lines('1,,,,,,5" and "open', '2,,,,,,"x"', '3,,,,,,5"')))
    assert [row["note"] for row in rows] == ['5" and "open', "x", '5"']


def test_a_stray_quote_is_found_where_the_file_is_cut_into_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["1,,,,,,ok", '2,,,,,,"lost', "3,,,,,,ok", '4,,,,,,lost"', "5,,,,,,ok"]
    for size in range(1, 120, 7):
        monkeypatch.setattr(stream, "BLOCK_BYTES", size)
        with pytest.raises(DataError, match="line 3"):
            read(delivered(tmp_path, lines(*rows)))


def test_a_line_break_in_a_field_is_read_where_the_contract_allows_it(tmp_path: Path) -> None:
    file = delivered(tmp_path, lines('1,,,,,,"two\n\nlines"', "", GOOD))
    with pytest.raises(DataError, match="multiline=True"):
        read(file)
    with open_rows(file, parcels(multiline=True), BATCH) as stream:
        notes = [note for batch in checked(stream) for note in batch.column("note").to_pylist()]
    assert (notes, stream.blank_lines) == (["two\n\nlines", "fragile"], 1)


def test_what_is_wrong_with_a_file_is_told_without_its_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2") as caught:
        read(delivered(tmp_path, lines('1,,,,,,"ann@example.com', GOOD)))
    assert "example.com" not in str(caught.value)


def test_a_quote_that_is_never_closed_stops_a_multiline_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="quote"):
        read(delivered(tmp_path, lines(GOOD, '2,,,,,,"open', GOOD)), parcels(multiline=True))


# ---- files that are not whole


def packed() -> dict[str, bytes]:
    body = lines(*(f"{n},,,{random.Random(n).random()},,,x" for n in range(20_000))).encode()
    return {"gzip": gzip.compress(body), "zstd": zstandard.ZstdCompressor(write_checksum=True).compress(body)}


PACKED = packed()


@pytest.mark.parametrize("packing", PACKED)
def test_damaged_compression_is_never_taken_for_a_whole_file(tmp_path: Path, packing: str) -> None:
    whole = PACKED[packing]
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for body in (whole[:-1], whole[: len(whole) // 2], whole[:-9], whole + b"garbage", bytes(flipped)):
        with pytest.raises(DataError) as caught:
            read(delivered(tmp_path, body))
        assert "parcels.csv" in str(caught.value)


@pytest.mark.parametrize("packing", PACKED)
def test_a_file_of_several_compressed_members_is_read_whole(tmp_path: Path, packing: str) -> None:
    pack = gzip.compress if packing == "gzip" else zstandard.compress
    rows = read(delivered(tmp_path, PACKED[packing] + pack(GOOD.encode() + b"\n")))
    assert (len(rows), rows[-1]["note"]) == (20_001, "fragile")


def test_a_bomb_ends_at_the_contracts_limit(tmp_path: Path) -> None:
    file = delivered(tmp_path, gzip.compress(lines().encode() + b"1,,,,,,x\n" * 2_000_000))
    with pytest.raises(DataError, match=r"more than the 1,000,000 bytes"):
        read(file, parcels(max_bytes=1_000_000))


@pytest.mark.parametrize("body", [HEADER, HEADER + "\n", HEADER + "\r\n\r\n", "\n\n"])
def test_a_file_without_rows_is_empty(tmp_path: Path, body: str) -> None:
    with pytest.raises(EmptyFile):
        read(delivered(tmp_path, body))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = delivered(tmp_path, lines(GOOD))
    with open_rows(file, PARCELS, BATCH) as stream:
        os.utime(file.path, (1, 1))
        with pytest.raises(DataError, match="changed while"):
            list(stream)


def test_a_header_in_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UTF-8"):
        read(delivered(tmp_path, b"caf\xe9," + lines(GOOD).encode()))


# ---- Parquet

TYPED = pa.table(
    {
        "ParcelID": pa.array([1.0, 2.0, 2.5]),
        "sent_at": pa.array([0, 1000, 1], pa.timestamp("ns")),
        "due_on": pa.array([0, 1, None], pa.date32()),
        "weight": pa.array([1.5, float("nan"), None]),
        "price": pa.array([16.500000000000002, 1.005, 2.0]),
        "insured": pa.array([True, None, False]),
        "note": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
)


def test_typed_columns_are_taken_exactly_or_not_at_all(tmp_path: Path) -> None:
    rows = read(stored(tmp_path, TYPED))
    assert [row["price"] for row in rows] == [Decimal("16.50"), None, Decimal("2.00")]
    assert [row["note"] for row in rows] == ["a", "b", "a"]
    assert [unparsed(row) for row in rows] == [
        {},
        {"weight": "NaN", "price": "1.005"},
        {"parcel_id": "2.5", "sent_at": "1970-01-01 00:00:00.000000001"},
    ]


def test_a_column_without_a_value_has_any_type(tmp_path: Path) -> None:
    table = TYPED.set_column(3, "weight", pa.nulls(3))
    assert [row["weight"] for row in read(stored(tmp_path, table))] == [None] * 3


def test_cut_and_empty_parquet_files_are_refused(tmp_path: Path) -> None:
    whole = stored(tmp_path, TYPED).path.read_bytes()
    for body in (whole[:-1], whole[: len(whole) // 2]):
        with pytest.raises(DataError, match="damaged or truncated"):
            read(delivered(tmp_path, body))
    with pytest.raises(EmptyFile):
        read(stored(tmp_path, TYPED.slice(0, 0)))


def test_a_flipped_bit_in_a_page_is_found_where_the_writer_left_checksums(tmp_path: Path) -> None:
    table = pa.table({**{n: TYPED[n] for n in TYPED.column_names}, "note": ["needle" * 9] * 3})
    body = stored(tmp_path, table, write_page_checksum=True, compression="none").path.read_bytes()
    place = body.index(b"needle")
    flipped = body[:place] + b"N" + body[place + 1 :]
    with pytest.raises(DataError, match="damaged"):
        read(delivered(tmp_path, flipped))


# ---- drift

DRIFTS = [
    ({"note": None}, ["note"], [], []),
    ({"colour": "x"}, [], ["colour"], []),
    ({"note": None, "notes": "x"}, ["note"], ["notes"], []),
    ({"price": None, "Price": "1"}, ["price"], ["Price"], []),
    ({"price": None, " price": "1"}, ["price"], [" price"], []),
    ({"Price_paid": "1"}, [], ["Price_paid"], []),
    ({"note": None, "weight": None, "a": "", "b": ""}, ["weight", "note"], ["a", "b"], []),
]  # fmt: skip


@pytest.mark.parametrize(("change", "missing", "extra", "retyped"), DRIFTS)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_drift_names_every_column_old_and_new(
    tmp_path: Path,
    kind: str,
    change: dict[str, str | None],
    missing: list[str],
    extra: list[str],
    retyped: list[str],
) -> None:
    cells: dict[str, Any] = {name: TYPED[name] for name in TYPED.column_names}
    cells.update({name: pa.array([value] * 3) for name, value in change.items() if value is not None})
    cells = {name: column for name, column in cells.items() if change.get(name, "") is not None}
    if kind == "parquet":
        file = stored(tmp_path, pa.table(cells))
    else:
        file = delivered(tmp_path, ",".join(cells) + "\n" + "," * (len(cells) - 1) + "\n")
    with pytest.raises(SchemaDrift) as caught:
        open_rows(file, PARCELS, BATCH)
    drift = caught.value
    assert (list(drift.missing), list(drift.extra), list(drift.retyped)) == (missing, extra, retyped)
    assert all(name in str(drift) for name in (*missing, *extra, "post__parcels", BATCH))


PATCHES = {
    "missing": ({"note": None}, r"note: Optional\[Text\] = column\(\.\.\., nullable=True\)"),
    "extra": ({"Colour of": "x"}, r'colour_of: Text = column\("what it holds", source="Colour of", nullable=True\)'),
    "renamed": ({"note": None, "notes": "x"}, r'note: Text = column\(\.\.\., source=\("note", "notes"\)\)'),
    "case changed": (
        {"due_on": None, "DUE_ON": None},
        r'due_on: Date = column\(\.\.\., source=\("due_on", "DUE_ON"\)\)',
    ),
}


def patched(message: str, of: Contract = PARCELS) -> Contract:
    """The contract with the lines of a message's patch in it."""
    lines = message.split("the existing arguments):\n")[1].replace("column(...", 'column("As before."')
    names: dict[str, Any] = {**vars(columns), "Optional": Optional, "Parcels": PARCELS.schema, "__name__": __name__}
    exec(compile(f"class Patched(Parcels):\n{lines}", "patch", "exec", dont_inherit=True), names)
    return replace(of, schema=names["Patched"])


@pytest.mark.parametrize("case", PATCHES)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_drift_comes_with_a_patch_that_accepts_the_file(tmp_path: Path, kind: str, case: str) -> None:
    change, line = PATCHES[case]
    cells: dict[str, Any] = {name: TYPED[name] for name in TYPED.column_names if name not in change}
    cells.update({name: pa.array(["x"] * 3) for name, value in change.items() if value is not None})
    if case == "case changed":
        cells["DUE_ON"] = TYPED["due_on"]
    file = (
        stored(tmp_path, pa.table(cells))
        if kind == "parquet"
        else delivered(tmp_path, ",".join(cells) + "\n1" + "," * (len(cells) - 1) + "\n")
    )
    with pytest.raises(SchemaDrift, match=line) as caught:
        open_rows(file, PARCELS, BATCH)
    assert read(file, patched(str(caught.value)))


def test_a_retyped_column_comes_with_a_patch_that_accepts_the_file(tmp_path: Path) -> None:
    file = stored(tmp_path, TYPED.set_column(1, "sent_at", pa.array(["a"] * 3)))
    with pytest.raises(SchemaDrift, match=r"sent_at: Text = column\(\.\.\.\)") as caught:
        open_rows(file, parcels(batches=Monthly(start="2024-01")), BATCH)
    assert read(file, patched(str(caught.value), parcels(batches=Monthly(start="2024-01"))))[0]["sent_at"] == "a"
    with pytest.raises(SchemaDrift) as caught:  # a text cannot date batches
        open_rows(file, PARCELS, BATCH)
    assert "sent_at: Text" not in str(caught.value)


@pytest.mark.parametrize("pii", [True, False])
def test_a_file_without_its_header_shows_no_personal_row(tmp_path: Path, pii: bool) -> None:
    class People(DataFrameModel):
        email: columns.Text = columns.column("Address.", pii=pii)
        note: columns.Text = columns.column("Words.", str_length={"min_value": 1})

    contract = replace(parcels(batches=Single()), schema=People)
    with pytest.raises(SchemaDrift, match="Does it have no header, or a delimiter other than ','") as caught:
        open_rows(delivered(tmp_path, "ann@example.com,none\n"), contract, "all")
    assert ("ann@example.com" in str(caught.value)) is not pii
    assert "Expected are 'email', 'note'" in str(caught.value)


def test_what_no_contract_could_accept_is_left_out_of_the_patch(tmp_path: Path) -> None:
    table = TYPED.append_column("Note", TYPED["note"]).append_column("tags", pa.array([1, 2, 3], pa.duration("s")))
    with pytest.raises(SchemaDrift, match="drop one from the file") as caught:
        open_rows(stored(tmp_path, table.append_column("n", pa.array([1] * 3))), PARCELS, BATCH)
    message = str(caught.value)
    assert "accepts all else" in message
    assert 'n: Int = column("what it holds", nullable=True)' in message
    assert "tags:" not in message


def test_lossless_widening_and_another_order_are_no_drift(tmp_path: Path) -> None:
    table = pa.table(
        {
            "note": pa.array(["a"], pa.large_string()),
            "price": pa.array([Decimal("1.5")], pa.decimal128(5, 1)),
            "weight": pa.array([1], pa.int32()),
            "due_on": pa.array([0], pa.date32()),
            "sent_at": pa.array([0], pa.timestamp("ms")),
            "insured": pa.array([True]),
            "ParcelID": pa.array([7], pa.int8()),
        }
    )
    (row,) = read(stored(tmp_path, table))
    assert (row["parcel_id"], row["weight"], row["price"], row["note"]) == (7, 1.0, Decimal("1.50"), "a")


def test_a_renamed_column_keeps_its_older_names_in_the_patch(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift, match=r'source=\("price", "Price_paid", "PRICE"\)'):
        read(delivered(tmp_path, lines(GOOD).replace("price", "PRICE")))


def test_a_shortened_name_is_taken_for_a_renamed_column(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift, match=r"missing: insured \('insured'\); renamed 'isd'\?"):
        read(delivered(tmp_path, lines(GOOD).replace("insured", "isd")))


def test_a_retyped_column_is_named_with_both_types(tmp_path: Path) -> None:
    table = TYPED.set_column(1, "sent_at", pa.array(["a"] * 3)).set_column(5, "insured", pa.array([1, 2, 3]))
    with pytest.raises(SchemaDrift, match=r"sent_at.* is string .*not timestamp") as caught:
        read(stored(tmp_path, table))
    assert caught.value.retyped == ("sent_at", "insured")


def test_a_name_that_stands_twice_is_drift(tmp_path: Path) -> None:
    table = pa.table([*TYPED.columns, TYPED["note"]], names=[*TYPED.column_names, "note"])
    with pytest.raises(SchemaDrift, match="'note' occurs 2 times"):
        open_rows(stored(tmp_path, table), PARCELS, BATCH)
    with pytest.raises(SchemaDrift, match="extra: 'note_2'"):
        open_rows(delivered(tmp_path, f"{HEADER},note\n{GOOD},x\n"), PARCELS, BATCH)


def test_a_column_is_due_from_its_first_batch_on(tmp_path: Path) -> None:
    file = delivered(tmp_path, lines(GOOD))
    with pytest.raises(SchemaDrift) as caught:
        open_rows(file, PARCELS, "2025-01")
    assert caught.value.missing == ("surcharge",)


def test_a_file_of_ten_thousand_strange_columns_gets_a_short_message(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift) as caught:
        open_rows(delivered(tmp_path, ",".join(f"c{n}" for n in range(10_000)) + "\n"), PARCELS, BATCH)
    assert len(caught.value.extra) == 10_000
    assert len(str(caught.value)) < 5000


# ---- any file


def quoted(cell: str) -> str:
    """By RFC 4180; Python's own writer leaves a lone CR bare."""
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set('",\r\n') else cell


WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
NASTY = st.one_of(st.sampled_from(["", '"', '""', ",", "\n", "\r\n", "\r", "\\N", "\\.", "a\0", "NULL"]), WORDS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.one_of(NASTY.map(lambda note: ["1", note]), st.lists(NASTY, max_size=4)), min_size=1),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 200),
)
def test_any_csv_gives_every_row_once_and_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], end: str, block: int
) -> None:
    monkeypatch.setattr(stream, "BLOCK_BYTES", block)
    written = [row[:1] + [""] * 5 + row[1:2] if len(row) == 2 and row[0] == "1" else row for row in rows]
    written = [row for row in written if row and row != [""]]  # a row without a cell is a blank line
    body = end.join([HEADER, *(",".join(map(quoted, row)) for row in written)])
    file = delivered(tmp_path, body)
    if not written:
        with pytest.raises(EmptyFile):
            read(file, parcels(multiline=True))
        return
    out = read(file, parcels(multiline=True))
    assert len(out) == len(written)
    for cells, row in zip(written, out, strict=True):
        if len(cells) != 7:
            assert "_row" in unparsed(row)
        elif "\0" in cells[6]:
            assert unparsed(row) == {"note": "\\x" + cells[6].encode().hex()}
        else:
            assert (row["note"] or "", row["_unparsed"]) == (cells[6], None)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), block=st.integers(1, 100), multiline=st.booleans())
def test_any_bytes_give_every_line_once_or_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, block: int, multiline: bool
) -> None:
    monkeypatch.setattr(stream, "BLOCK_BYTES", block)
    file = delivered(tmp_path, HEADER.encode() + b"\n" + body)
    try:
        rows = read(file, parcels(multiline=multiline))
    except DataError as error:
        outcome = str(error)
    else:
        outcome = f"{file.path}: {len(rows)} rows"
        assert multiline or len(rows) == len([line for line in body.splitlines() if line])
    assert str(file.path) in outcome


@pytest.mark.parametrize("first", [b"plain", b"\x80"])
def test_a_quote_within_a_field_that_joins_lines_is_refused_with_its_line(tmp_path: Path, first: bytes) -> None:
    body = lines(GOOD, '1,,,,,,"two\nlines"').encode() + first + f',,,,,,5" pipe\n{GOOD}\n{GOOD}\n'.encode()
    with pytest.raises(DataError, match=r'line 4 .* has a quote.*set Files\(quote=""\)'):
        read(delivered(tmp_path, body), parcels(multiline=True))


# ---- the real months


@pytest.mark.real_data
def test_every_real_month_is_read_whole(tmp_path: Path) -> None:
    folder = os.environ.get("SLUICE_REAL_DATA")
    if not folder:
        pytest.skip("SLUICE_REAL_DATA does not name the real taxi records")
    tlc = pytest.importorskip("contracts.tlc_yellow_trips").CONTRACT
    files = sorted(Path(folder).rglob("yellow_tripdata_*.csv.gz"))
    assert files
    for path in files:
        batch = path.name.removeprefix("yellow_tripdata_")[:7]
        with gzip.open(path, "rt", newline="") as text:
            given_rows = list(csv.DictReader(text))
        with open_rows(fetch(look(str(path)), tmp_path), tlc, batch) as stream:
            batches = checked(stream)
        table = pa.Table.from_batches(batches)
        assert table["_unparsed"].null_count == len(given_rows)
        for column in tlc.columns:
            name = next((source for source in column.sources if source in given_rows[0]), None)
            expected = [row[name] or None if name else None for row in given_rows]
            for text, value in zip(expected, table[column.name].to_pylist(), strict=True):
                assert (text is None) == (value is None)
                if value is not None and text != str(value):
                    assert Decimal(str(text)) == Decimal(str(value))


def test_a_parquet_bomb_is_measured_before_it_is_unpacked(tmp_path: Path) -> None:
    """100 kB that unpack to 2.5 GB: one long text, repeated as a dictionary's number."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 16_000, pa.int32()), pa.array(["x" * 160_000]))
    file = stored(tmp_path, pa.table({"text": texts}))
    reader = open_reader(file, PARCELS.files)
    largest = 0
    before = pa.total_allocated_bytes()
    for rows in reader:
        largest = max(largest, sum(cast(column, TEXT_TYPE)[0].nbytes for column in rows.columns))
    assert pa.total_allocated_bytes() - before < 64 << 20
    assert largest <= 16 << 20
    with pytest.raises(DataError, match=r"holds more than the 268,435,456 bytes, unpacked.*Files\(max_bytes="):
        list(open_reader(file, parcels(max_bytes=256 << 20).files))


def test_a_page_that_would_not_fit_into_memory_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    table = pa.table({"text": ["x" * 500_000] * 400})
    pq.write_table(table, path, use_dictionary=False, compression="zstd", data_page_size=1 << 30, write_batch_size=400)
    with pytest.raises(DataError, match=r"has a page of .* ask the provider to write pages of 1 MB"):
        list(open_reader(fetch(look(str(path)), tmp_path), PARCELS.files))


def test_a_long_value_of_a_parquet_file_rejects_its_row_only(tmp_path: Path) -> None:
    for dictionary in (True, False):
        path = tmp_path / "long.parquet"
        pq.write_table(pa.table({"text": ["a", "x" * 3000, None]}), path, use_dictionary=dictionary)
        [rows] = open_reader(fetch(look(str(path)), tmp_path), parcels(max_field_bytes=1000).files)
        assert (cast(rows.columns[0], TEXT_TYPE)[0].to_pylist(), list(rows.cells)) == (["a", None, None], [(1, 0)])


def test_a_header_between_rows_is_a_malformed_row(tmp_path: Path) -> None:
    body = b"\xef\xbb\xbf" + lines(GOOD, HEADER, GOOD).encode()
    assert [unparsed(row) for row in read(delivered(tmp_path, body))] == [{}, {WHOLE_ROW: HEADER}, {}]
    bad = lines(GOOD, HEADER, GOOD).encode().replace(b"fragile", b"\xff")
    assert unparsed(read(delivered(tmp_path, bad))[1]) == {WHOLE_ROW: HEADER}


def test_a_delimiter_of_several_characters_divides_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = lines(*[GOOD] * 9, GOOD + ",x").replace(",", "::")
    contract = replace(PARCELS, files=replace(PARCELS.files, delimiter="::"))
    plain = read(delivered(tmp_path, lines(*[GOOD] * 9)))
    for size in (1, 7, 64, 1 << 20):
        monkeypatch.setattr(stream, "BLOCK_BYTES", size)
        found = read(delivered(tmp_path, body), contract)
        assert found[:9] == plain
        assert unparsed(found[9]) == {WHOLE_ROW: f"{GOOD},x".replace(",", "::")}
    with pytest.raises(DataError, match=r"a character U\+001F"):
        read(delivered(tmp_path, body + "\x1f"), contract)


def test_a_header_with_another_number_of_names_than_fields_is_refused_with_the_option(tmp_path: Path) -> None:
    wide = lines(GOOD, GOOD).replace(HEADER, f"{HEADER},more")
    with pytest.raises(SchemaDrift, match=r"names, and its rows have .* fields.*Files\(names=.*Files\(skip=1\)"):
        read(delivered(tmp_path, wide))
    named = replace(PARCELS, files=replace(PARCELS.files, names=tuple(HEADER.split(","))))
    assert len(read(delivered(tmp_path, wide), named)) == 2
