"""Packed files: one compressed stream, or the members of a zip archive. Whole or refused, and never a bomb."""

from __future__ import annotations

import bz2
import io
import lzma
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.contract.contract import Contract
from sluice.contract.drift import SchemaDrift
from sluice.contract.errors import DataError
from sluice.source.fetch import fetch, look
from sluice.source.files import SourceFile
from sluice.source.parts import archive, stream
from sluice.source.readers.row_stream import open_rows
from sluice.source.sample import sample_of
from sluice.source.sniff import EmptyFile
from tests.support.parcels import GOOD, HEADER, PARCELS, parcels

BODY = "\n".join([HEADER, *(f"{n},,,{random.Random(n).random()},,,x" for n in range(20_000))]).encode() + b"\n"
SMALL = f"{HEADER}\n{GOOD}\n".encode()


def delivered(folder: Path, body: bytes) -> SourceFile:
    path = folder / "parcels.bin"
    path.write_bytes(body)
    return fetch(look(str(path)), folder)


def rows_of(file: SourceFile, contract: Contract = PARCELS) -> list[dict[str, Any]]:
    with open_rows(file, contract, "2024-01") as found:
        rows = [row for batch in found for row in batch.to_pylist()]
        assert found.rows_read == found.rows_counted == len(rows)
    assert [row["_row_number"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as packed:
        for name, body in members.items():
            packed.writestr(name, body)
    return sink.getvalue()


PACK = {"bzip2": bz2.compress, "xz": lzma.compress, "zip": lambda body: zipped({"a.csv": body})}


@pytest.mark.parametrize("packing", PACK)
def test_a_packed_file_gives_the_rows_of_the_plain_one(tmp_path: Path, packing: str) -> None:
    file = delivered(tmp_path, PACK[packing](BODY))
    assert (file.format, file.compression) == ("csv", packing)
    packed = rows_of(file)
    assert packed == rows_of(delivered(tmp_path, BODY))


@pytest.mark.parametrize("packing", PACK)
def test_damage_is_never_taken_for_a_whole_file(tmp_path: Path, packing: str) -> None:
    whole = PACK[packing](BODY)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for body in (whole[:-1], whole[: len(whole) // 2], whole[:-9], bytes(flipped)):
        with pytest.raises(DataError, match=r"parcels\.bin"):
            rows_of(delivered(tmp_path, body))


@pytest.mark.parametrize("packing", ["bzip2", "xz"])
def test_a_file_of_several_streams_is_read_whole(tmp_path: Path, packing: str) -> None:
    padding = b"\0" * 8 if packing == "xz" else b""
    body = PACK[packing](BODY) + padding + PACK[packing](GOOD.encode() + b"\n") + padding
    rows = rows_of(delivered(tmp_path, body))
    assert (len(rows), rows[-1]["note"]) == (20_001, "fragile")


def test_an_xz_file_that_asks_for_much_memory_is_refused_with_the_way_out(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
    with pytest.raises(DataError, match="may use 128 MB of memory; xz -9 needs half"):
        delivered(tmp_path, lzma.compress(SMALL, lzma.FORMAT_XZ, filters=filters))


@pytest.mark.parametrize("packing", PACK)
def test_a_bomb_ends_at_the_ratio_that_the_contract_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    monkeypatch.setattr(stream, "RATIO_FROM", 1 << 20)
    bomb = PACK[packing](SMALL + b"1,,,,,,x\n" * 500_000)
    with pytest.raises(DataError, match=r"more than 20 times its size.*Files\(max_ratio=2000\)"):
        rows_of(delivered(tmp_path, bomb), parcels(max_ratio=20))
    assert len(rows_of(delivered(tmp_path, bomb), parcels(max_ratio=1_000_000))) == 500_001


def test_what_systems_leave_in_a_folder_does_not_count_as_a_file(tmp_path: Path) -> None:
    body = zipped({"data/": b"", "__MACOSX/data/._a.csv": b"\0", "data/.DS_Store": b"\0", "data/a.csv": SMALL})
    assert [row["note"] for row in rows_of(delivered(tmp_path, body))] == ["fragile"]


def test_an_archive_of_several_files_asks_which_are_meant(tmp_path: Path) -> None:
    file = delivered(tmp_path, zipped({"a.csv": SMALL, "b.csv": SMALL, "readme.txt": b"Read me."}))
    with pytest.raises(DataError, match=r'holds 3 files: a\.csv, b\.csv, readme\.txt.*Files\(member="a\.csv"\)'):
        rows_of(file)
    assert len(rows_of(file, parcels(member="a.csv"))) == 1
    assert len(rows_of(file, parcels(member="*.csv"))) == 2
    with pytest.raises(DataError, match=r'no file that matches Files\(member="c\.csv"\); it holds a\.csv'):
        rows_of(file, parcels(member="c.csv"))


def test_joined_files_may_order_their_columns_in_their_own_way(tmp_path: Path) -> None:
    turned = ",".join(reversed(HEADER.split(","))) + "\n" + ",".join(reversed(GOOD.split(","))) + "\n3\n"
    rows = rows_of(delivered(tmp_path, zipped({"1.csv": SMALL, "2.csv": turned.encode()})), parcels(member="*"))
    assert [row["note"] for row in rows] == ["fragile", "fragile", None]
    assert rows[2]["_unparsed"] == '{"_row": "3"}'
    assert {**rows[0], "_row_number": 2} == rows[1]


def test_a_joined_file_without_the_contracts_columns_is_named(tmp_path: Path) -> None:
    file = delivered(tmp_path, zipped({"1.csv": SMALL, "2.csv": SMALL.replace(b"note", b"remark")}))
    with pytest.raises(SchemaDrift, match=r"\(2\.csv\) does not have the contract's columns"):
        rows_of(file, parcels(member="*"))


@pytest.mark.parametrize("packing", PACK)
def test_packed_parquet_is_read(tmp_path: Path, packing: str) -> None:
    names = HEADER.split(",")
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array([None, None]) for name in names}), sink)
    assert len(rows_of(delivered(tmp_path, PACK[packing](sink.getvalue())))) == 2


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({}, DataError, "an archive without a file"),
        ({"a.csv": b""}, EmptyFile, r"\(a\.csv\): the file is empty"),
        ({"a.html": b"<html>"}, DataError, r"\(a\.html\): is an HTML or XML page"),
        ({"mimetype": b"", "content.xml": b""}, DataError, "a spreadsheet in the format ods; ask .* for xlsx or CSV"),
        ({f"{n}.csv": b"a\n1\n" for n in range(archive.MOST_MEMBERS + 1)}, DataError, "1,001 files, at most 1,000"),
    ],
)
def test_an_archive_that_is_not_read_says_why(
    tmp_path: Path, members: dict[str, bytes], error: type[DataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        rows_of(delivered(tmp_path, zipped(members)))


def encrypted(archive: bytes) -> bytes:
    """The archive, each of its members marked as encrypted."""
    body = bytearray(archive)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = body.find(mark)
        while place >= 0:
            body[place + flags] |= 1
            place = body.find(mark, place + 4)
    return bytes(body)


def test_an_encrypted_or_oddly_packed_member_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for members in ({"a.csv": SMALL}, {"a.csv": SMALL, "b.csv": SMALL}):
        with pytest.raises(DataError, match=r"a\.csv is encrypted; ask .* without a password"):
            rows_of(delivered(tmp_path, encrypted(zipped(members, zipfile.ZIP_STORED))))
    with pytest.raises(DataError, match=r"compressed with lzma, which is not read; .* deflate"):
        delivered(tmp_path, zipped({"a.csv": SMALL}, zipfile.ZIP_LZMA))


def test_an_archive_that_lies_about_the_number_of_its_members_is_refused(tmp_path: Path) -> None:
    body = bytearray(zipped({"a.csv": SMALL}))
    end = body.index(b"PK\5\6")
    struct.pack_into("<2H", body, end + 8, 60_000, 60_000)
    with pytest.raises(DataError, match="60,000 files, at most 1,000"):
        delivered(tmp_path, bytes(body))


def test_an_archive_whose_files_are_larger_than_the_contract_allows_is_refused_unread(tmp_path: Path) -> None:
    file = delivered(tmp_path, zipped({"a.csv": SMALL * 1000}))
    with pytest.raises(DataError, match=r"where its contract allows 1,000; .*Files\(max_bytes="):
        rows_of(file, parcels(max_bytes=1000))


def test_a_draft_reads_the_first_files_of_many_only(tmp_path: Path) -> None:
    members = {f"{n:02d}.csv": SMALL for n in range(30)}
    file = delivered(tmp_path, zipped({**members, "29.csv": b"other\n1\n"}))
    sample, files = sample_of(file, parcels(member="*.csv").files, frozenset(["member"]))
    assert (sample.rows, list(sample.names), sample.whole) == (20, HEADER.split(","), False)
    assert files.member == "*.csv"
    with pytest.raises(SchemaDrift, match=r"\(29\.csv\) has none of the contract's columns"):
        rows_of(file, parcels(member="*.csv"))
