"""A folder is one delivery: every file in it, and what their paths say of their rows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.contract.batches import Monthly, Single
from sluice.contract.columns import Date, Float, Int, Text, column
from sluice.contract.contract import Contract, Files
from sluice.contract.drift import SchemaDrift
from sluice.contract.errors import ConfigError, DataError
from sluice.source.addresses import discover, expand
from sluice.source.fetch import fetch, listed, look
from sluice.source.files import SourceMissing, SourceUnreadable
from sluice.source.readers.row_stream import open_rows


class Trips(pandera.DataFrameModel):
    trip: Int = column("Number.")
    miles: Float = column("Way.", nullable=True)
    year: Int = column("Of the pick-up.")
    month: Int = column("Of the pick-up.", format="1234")
    city: Text = column("Where.", nullable=True)
    day: Date = column("When.")
    tip: Float | None = column("Tip.", nullable=True)


TRIPS = Contract(source="tlc", entity="trips", owner="tests", schema=Trips, files=Files(url="lake", batches=Single()))


def store(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    first = tmp_path / "lake/year=2024/month=01/city=New%20York"
    store(first / "part-0.parquet", trip=[1, 2], miles=[1, 2], day=pa.array([0, 1], pa.date32()))
    store(first / "part-1.parquet", day=pa.array([2], pa.date32()), trip=[3], miles=[0.5], tip=[1.5])
    unknown = tmp_path / "lake/year=2024/month=02/city=__HIVE_DEFAULT_PARTITION__"
    store(unknown / "part-0.parquet", trip=[4], miles=pa.nulls(1), day=pa.array([31], pa.date32()))
    (tmp_path / "lake/_SUCCESS").touch()
    (first / ".part-0.parquet.crc").write_bytes(b"crc")
    return tmp_path / "lake"


def read(folder: Path, contract: Contract = TRIPS) -> list[dict[str, Any]]:
    with open_rows(fetch(look(str(folder)), folder), contract, contract.files.batches.due(None)[0]) as found:  # type: ignore[arg-type]
        rows = [row for batch in found for row in batch.to_pylist()]
        assert found.rows_read == found.rows_counted == len(rows)
    assert [row["_row_number"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


def test_paths_become_columns_and_a_column_that_a_file_need_not_have_is_null(lake: Path) -> None:
    rows = read(lake)
    assert [row["trip"] for row in rows] == [1, 2, 3, 4]
    assert [row["miles"] for row in rows] == [1.0, 2.0, 0.5, None]
    assert [row["tip"] for row in rows] == [None, None, 1.5, None]
    assert [(row["year"], row["month"], row["city"]) for row in rows] == [(2024, 1, "New York")] * 3 + [(2024, 2, None)]
    assert not any(row["_unparsed"] for row in rows)


def test_a_path_that_does_not_parse_keeps_its_text(lake: Path) -> None:
    (lake / "year=2024").rename(lake / "year=soon")
    assert read(lake)[0]["_unparsed"] == '{"year": "soon"}'


def test_a_file_without_the_contracts_columns_is_named(lake: Path) -> None:
    store(lake / "year=2024/month=03/city=Ulm/part-0.parquet", trip=["x"], miles=[1.0])
    with pytest.raises(SchemaDrift, match=r"month=03/city=Ulm/part-0\.parquet does not have") as caught:
        read(lake)
    assert (caught.value.missing, caught.value.retyped) == (("day",), ("trip",))


def test_files_of_two_formats_are_refused(lake: Path) -> None:
    (lake / "year=2024/month=01/city=New%20York/x.csv").write_text("trip,miles,day,tip\n9,1,2024-01-01,1\n")
    with pytest.raises(DataError, match=r"x\.csv: is in another format than .*part-0\.parquet"):
        read(lake)


def test_writing_to_adding_or_removing_a_file_makes_another_delivery(lake: Path, tmp_path: Path) -> None:
    before, first = look(str(lake)), fetch(look(str(lake)), tmp_path)
    (lake / "_SUCCESS").write_text("again")
    assert look(str(lake)) == before
    assert first.is_same()
    assert fetch(look(str(lake)), tmp_path).sha256 == first.sha256
    store(lake / "year=2024/month=03/city=Ulm/part-0.parquet", trip=[5], miles=[1.0], day=pa.array([1], pa.date32()))
    assert look(str(lake)) != before
    assert not first.is_same()
    assert fetch(look(str(lake)), tmp_path).sha256 != first.sha256
    with open_rows(fetch(look(str(lake)), tmp_path), TRIPS, "all") as found:
        (lake / "year=2024/month=03/city=Ulm/part-0.parquet").unlink()
        with pytest.raises((DataError, SourceMissing), match=r"part-0|changed while"):
            list(found)


def test_a_folder_without_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "lake/_temporary").mkdir(parents=True)
    (tmp_path / "lake/_temporary/a.parquet").touch()
    with pytest.raises(SourceMissing, match="holds no file"):
        look(str(tmp_path / "lake"))


def test_links_do_not_lead_out_of_the_allowed_folders(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = lake.parent / "secret.parquet"
    store(outside, trip=[1], miles=[1.0], day=pa.array([1], pa.date32()))
    (lake / "year=2024/month=01/city=New%20York/part-2.parquet").symlink_to(outside)
    assert len(read(lake)) == 5
    monkeypatch.setenv("SLUICE_SOURCE_FOLDERS", str(lake))
    with pytest.raises(ConfigError, match="not in a folder that files may come from"):
        look(str(lake))


def test_months_are_found_by_their_folders(lake: Path) -> None:
    url = f"{lake}/year={{year}}/month={{month}}"
    monthly = replace(TRIPS, files=Files(url=url, batches=Monthly(start="2024-01")))
    (lake / "year=2024/month=junk").mkdir()
    assert discover(url, monthly) == ("2024-01", "2024-02")
    assert expand(url, monthly, ["2024-02"]) == {"2024-02": f"{lake}/year=2024/month=02"}
    rows = read(Path(expand(url, monthly, ["2024-02"])["2024-02"]), replace(monthly, files=TRIPS.files))
    assert [(row["trip"], row["year"], row["month"]) for row in rows] == [(4, 2024, 2)]
    with pytest.raises(ConfigError, match=r"\{month\} is unknown"):
        expand(url, TRIPS, ["all"])


def test_a_folder_in_it_that_cannot_be_listed_is_an_error_and_not_empty(lake: Path) -> None:
    first, name, here = fetch(look(str(lake)), lake), "d" * 250, os.open(lake, os.O_RDONLY)
    for _ in range(20):  # deeper than a path can be long, which stops every user, also root
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    for reader in (look, listed):
        with pytest.raises(SourceUnreadable, match=r"cannot be read: File name too long \(in ddd"):
            reader(str(lake))
    assert not first.is_same()
