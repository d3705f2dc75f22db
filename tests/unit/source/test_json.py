"""JSON: every record once and in order, each value exact, nested values as JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.contract.batches import Single
from sluice.contract.columns import Bool, Date, Float, Int, Json, Money, Text, Timestamp, column
from sluice.contract.contract import Contract, Files
from sluice.contract.drift import SchemaDrift
from sluice.contract.errors import DataError
from sluice.source.fetch import fetch, look
from sluice.source.files import SourceFile
from sluice.source.parts import stream
from sluice.source.readers.row_stream import open_rows
from sluice.source.sample import sample_of
from sluice.source.sniff import EmptyFile


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number.", source="id")
    placed_at: Timestamp = column("When.", nullable=True)
    due: Date = column("Promised day.", nullable=True)
    weight: Float = column("Weight.", nullable=True)
    total: Money = column("Sum.", nullable=True)
    paid: Bool = column("Whether it is paid.", nullable=True)
    note: Text = column("Words.", nullable=True)
    customer: Json = column("Who.", nullable=True)
    coupon: Text | None = column("Coupon.", nullable=True)


ORDERS = Contract(
    source="shop", entity="orders", owner="tests", schema=Orders, files=Files(url="orders.json", batches=Single())
)
FULL = {
    "id": 1,
    "placed_at": "2024-01-02T03:04:05",
    "due": "2024-01-09",
    "weight": 1.5,
    "total": 12.3,
    "paid": True,
    "note": "a\nb",
    "customer": {"name": "Zoë", "tags": ["x", 1, None]},
}


def delivered(folder: Path, body: bytes | str) -> SourceFile:
    path = folder / "orders.json"
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return fetch(look(str(path)), folder)


def read(file: SourceFile, **files: Any) -> list[dict[str, Any]]:
    with open_rows(file, replace(ORDERS, files=replace(ORDERS.files, **files)), "all") as found:
        rows = [row for batch in found for row in batch.to_pylist()]
        assert found.rows_read == found.rows_counted == len(rows)
    assert [row["_row_number"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


def unparsed(row: dict[str, Any]) -> dict[str, str]:
    return json.loads(row["_unparsed"]) if row["_unparsed"] else {}


LINES, ARRAY, WITHIN = "lines", "array", "within"
DECOYS = '{"items": "[{", "meta": {"items": [{"id": 0}], "n\\"o": [1, [2]]}, "da\\u0074a": {"items": '


def laid_out(layout: str, *records: Any) -> str:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in records]
    if layout == WITHIN:  # beside arrays and keys that look like it
        return DECOYS + laid_out(ARRAY, *texts) + ', "next": null}, "items": []}\n'
    return "\n".join(texts) + "\n" if layout == LINES else "[\n  " + ",\n  ".join(texts) + "\n]\n"


@pytest.mark.parametrize("layout", [LINES, ARRAY])
def test_a_record_is_typed(tmp_path: Path, layout: str) -> None:
    first, second = read(delivered(tmp_path, laid_out(layout, FULL, {"id": 2})))
    customer = json.loads(first.pop("customer"))
    assert customer == FULL["customer"]
    assert first == {
        "order_id": 1,
        "placed_at": datetime(2024, 1, 2, 3, 4, 5),
        "due": date(2024, 1, 9),
        "weight": 1.5,
        "total": Decimal("12.30"),
        "paid": True,
        "note": "a\nb",
        "coupon": None,
        "_row_number": 1,
        "_unparsed": None,
    }
    assert (second["order_id"], second["note"], second["_unparsed"]) == (2, None, None)


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    body = laid_out(
        LINES,
        '{"id": 9223372036854775807, "total": 0.10, "note": 1.10, "customer": [1.10, 12345678901234567890]}',
        '{"id": 9223372036854775808, "total": 0.001, "weight": 1e400}',
        *[FULL],
    )
    first, second, _ = read(delivered(tmp_path, body))
    assert (first["order_id"], first["total"], first["note"]) == (2**63 - 1, Decimal("0.10"), "1.10")
    assert first["customer"] == "[1.10, 12345678901234567890]"
    assert unparsed(second) == {"order_id": "9223372036854775808", "total": "0.001", "weight": "1e400"}


def test_a_cell_that_does_not_parse_is_null_and_keeps_its_text(tmp_path: Path) -> None:
    rows = read(
        delivered(
            tmp_path,
            laid_out(
                LINES,
                {**FULL, "id": "x1", "paid": "maybe", "weight": float("nan"), "note": {"deep": [1]}},
                {"id": 2, "note": "a\0b", "customer": "just a text"},
            ),
        )
    )
    assert unparsed(rows[0]) == {"order_id": "x1", "paid": "maybe", "weight": "NaN", "note": '{"deep": [1]}'}
    assert unparsed(rows[1]) == {"note": "\\x610062"}
    assert rows[1]["customer"] == '"just a text"'


@pytest.mark.parametrize(
    "line", ['{"id": 2', '{"id": 2,}', "2", "[1, 2]", '{"id": 2, "id": 3}', "[" * 3000, '{"id": "a\tb"}', "   "]
)
def test_a_line_that_is_not_one_object_is_rejected_whole_with_its_text(tmp_path: Path, line: str) -> None:
    rows = read(delivered(tmp_path, laid_out(LINES, FULL, line, FULL)))
    assert [unparsed(row).get("_row") for row in rows] == [None, line, None]


def test_bytes_that_are_not_text_reject_their_line(tmp_path: Path) -> None:
    rows = read(delivered(tmp_path, laid_out(LINES, FULL).encode() + b'{"note": "\xff"}\n'))
    assert unparsed(rows[1]) == {"_row": "\\x" + b'{"note": "\xff"}'.hex()}


def test_half_a_character_is_kept_and_rejected(tmp_path: Path) -> None:
    body = laid_out(LINES, FULL, '{"id": 2, "note": "\\ud800", "customer": {"a": "\\ud800"}}')
    assert set(unparsed(read(delivered(tmp_path, body))[1])) == {"note", "customer"}


def test_a_number_that_the_database_cannot_hold_in_json_is_rejected(tmp_path: Path) -> None:
    body = laid_out(LINES, FULL, '{"id": 2, "customer": {"a": 1e999999}}')
    assert unparsed(read(delivered(tmp_path, body))[1]) == {"customer": '{"a": 1e999999}'}


def test_a_key_that_comes_up_late_is_drift_before_a_row_is_read(tmp_path: Path) -> None:
    body = laid_out(LINES, *[FULL] * 30_000, {"id": 2, "surprise": 1})
    with pytest.raises(SchemaDrift, match="extra: 'surprise'") as caught:
        read(delivered(tmp_path, body))
    assert "Text" in str(caught.value)
    assert len(read(delivered(tmp_path, body), ignore=("surprise",))) == 30_001


def test_a_key_that_no_record_has_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift, match="missing: customer"):
        read(delivered(tmp_path, laid_out(LINES, {k: v for k, v in FULL.items() if k != "customer"})))


def test_an_empty_text_is_text_and_the_contracts_word_may_mean_null(tmp_path: Path) -> None:
    file = delivered(tmp_path, laid_out(LINES, {**FULL, "note": "", "total": ""}))
    assert (read(file)[0]["note"], read(file)[0]["total"]) == ("", None)
    assert read(file, quoted_null=True)[0]["note"] is None


def test_blank_lines_line_ends_and_a_mark_are_read_past(tmp_path: Path) -> None:
    body = b"\xef\xbb\xbf" + laid_out(LINES, FULL, "", FULL).replace("\n", "\r\n").encode() + json.dumps(FULL).encode()
    assert len(read(delivered(tmp_path, body))) == 3
    assert len(read(delivered(tmp_path, gzip.compress(body)))) == 3
    assert len(read(delivered(tmp_path, laid_out(ARRAY, FULL).encode("utf-16")))) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('[{"id": 1}, {"id": 2}', "array is not closed"),
        ('[{"id": 1}] trailing', "text after its JSON array"),
        ('[{"id": 1}, {"id": 2, "x": {]', "array is not closed"),
    ],
)
def test_an_array_that_is_cut_or_followed_by_text_is_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(delivered(tmp_path, body))


@pytest.mark.parametrize("body", ["[]", "[ ]\n", " [\n]"])
def test_an_array_without_a_record_is_empty(tmp_path: Path, body: str) -> None:
    with pytest.raises(EmptyFile):
        read(delivered(tmp_path, body))


def test_a_record_that_is_too_long_is_rejected_in_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK_BYTES", 1 << 12)
    long = {**FULL, "note": "x" * (5 << 20)}
    rows = read(delivered(tmp_path, laid_out(ARRAY, FULL, long, FULL)))
    assert [len(unparsed(row).get("_row", "")) > 1000 for row in rows] == [False, True, False]
    rows = read(delivered(tmp_path, laid_out(LINES, {**FULL, "note": "x" * 5000})), max_field_bytes=4000)
    assert unparsed(rows[0])["note"].endswith("... (5,000 bytes)")


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.fixed_dictionaries({"id": st.integers(0, 99), "customer": VALUES, "note": TEXTS}), min_size=1),
    block=st.integers(1, 50),
    layout=st.sampled_from([LINES, ARRAY, WITHIN]),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_any_record_comes_out_as_it_went_in_whatever_the_blocks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    records: list[dict[str, Any]],
    block: int,
    layout: str,
    indent: int | None,
    ascii_only: bool,
) -> None:
    monkeypatch.setattr(stream, "BLOCK_BYTES", block)
    rest = dict.fromkeys(set(FULL) - set(records[0]))
    full = [{**each, **rest} for each in records]
    texts = [json.dumps(each, ensure_ascii=ascii_only, indent=indent if layout != LINES else None) for each in full]
    rows = read(delivered(tmp_path, laid_out(layout, *texts)), records="data.items" if layout == WITHIN else "")
    assert [row["order_id"] for row in rows] == [each["id"] for each in records]
    assert [row["note"] for row in rows] == [each["note"] for each in records]
    for row, each in zip(rows, records, strict=True):
        assert (None if row["customer"] is None else json.loads(row["customer"])) == each["customer"]


@pytest.mark.parametrize("layout", [json.dumps, lambda value: json.dumps(value, indent=2)])
def test_one_object_with_the_rows_inside_is_refused_with_the_option_that_reads_them(
    tmp_path: Path, layout: Callable[[Any], str]
) -> None:
    file = delivered(tmp_path, layout({"meta": {"n": 2, "tags": ["a"]}, "data": {"items": [FULL, {"id": 2}]}}))
    files = Files("x", Single())
    with pytest.raises(DataError, match=r"array of objects inside, data\.items\..*: --records data\.items$"):
        sample_of(file, files, frozenset())
    rows = read(file, records="data.items")
    assert [(row["order_id"], row["total"]) for row in rows] == [(1, Decimal("12.30")), (2, None)]
    sample, _ = sample_of(file, replace(files, records="data.items"), frozenset({"records"}))
    assert (sample.rows, sample.columns[0].to_pylist()) == (2, [b"1", b"2"])


def test_several_arrays_of_objects_are_all_named(tmp_path: Path) -> None:
    body = json.dumps({"a": [{"id": 1}], "b": {"c": [{"id": 2, "d": [{}]}], "e": [1]}, "f": [[{}]]}, indent=1)
    with pytest.raises(DataError, match=r"inside: a, b\.c\. Choose .* --records a$"):
        read(delivered(tmp_path, body))


@pytest.mark.parametrize("body", ['{\n  "error": "busy"\n}', '{\n"a": {"x": 1},\n"b": {"x": 2}\n}'])
def test_one_object_without_an_array_of_objects_is_refused(tmp_path: Path, body: str) -> None:
    with pytest.raises(DataError, match="one JSON object without an array of objects"):
        read(delivered(tmp_path, body))


def test_a_single_line_is_one_row_where_it_is_said_so(tmp_path: Path) -> None:
    file = delivered(tmp_path, json.dumps({"id": 1, "tags": [{"a": 1}]}))
    with pytest.raises(DataError, match='If the object itself is a row, add --records ""'):
        sample_of(file, Files("x", Single()), frozenset())
    sample, _ = sample_of(file, Files("x", Single()), frozenset({"records"}))
    assert (sample.rows, list(sample.names)) == (1, ["id", "tags"])


def test_a_damaged_first_line_of_many_is_one_rejected_row(tmp_path: Path) -> None:
    rows = read(delivered(tmp_path, laid_out(LINES, '{"id": 1, "customer": {', FULL, FULL)))
    assert [bool(unparsed(row)) for row in rows] == [True, False, False]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"data": {"items": [{"id": 1}, {"id": 2}', "JSON is not closed"),
        ('{"data": {"items": [{"id": 1}]', "JSON is not closed"),
        ('{"data": {"items": [{"id": 1}]}} {"a": 1}', "more than one JSON object"),
        ('{"data": {"items": [{"id": 1}], "items": [{"id": 2}]}}', "two arrays at data.items"),
        ('{"data": {"rows": [{"id": 1}], "items": {}}}', r'no array at Files\(records="data.items"\).*: data.rows$'),
        ('[{"id": 1}]', "no array at .*: none"),
    ],
)
def test_an_array_within_that_is_not_there_once_and_whole_is_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(delivered(tmp_path, body), records="data.items")


def test_an_array_within_that_is_empty_holds_no_row(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        read(delivered(tmp_path, '{"data": {"items": [ ]}}'), records="data.items")
