"""Addresses with `*`: which files are one batch, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pyarrow
import pytest
from pyarrow import csv, parquet

from sluice.contract.batches import Daily, Hourly, Monthly, Single
from sluice.contract.columns import Int, Text, column
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import ConfigError
from sluice.file_check.deliveries import batches_of
from sluice.project import datasets
from sluice.runs import plan
from sluice.runs.preview import Would, _foreseen
from sluice.source import fetch
from sluice.source.files import Listing
from sluice.source.parts import several
from sluice.source.readers.row_stream import open_rows


class Numbers(pa.DataFrameModel):
    number: Int = column("A number.")
    shop: Text = column("Where.", nullable=True)


DAYS = Daily("2024-01-01")


def contract(url: str, batches: Any = DAYS) -> Contract:
    return Contract("t", "numbers", "me@example.com", Numbers, Files(url, batches))


def batches(url: str, paths: list[str], kind: Any = DAYS) -> dict[str, list[str]]:
    each = contract(url, kind)
    assert several.is_of_several(url)
    folder = several.folder_of(url, each)
    files = {path: Listing(f"{folder}{path}", 1, None, "2024-01-01T00:00:00+00:00") for path in paths}
    found = several.batches_in(url, each, files)
    return {batch: [part.address for part in listing.parts] for batch, listing in found.items()}


@pytest.mark.parametrize(
    ("url", "kind", "paths", "expected"),
    [
        (
            "in/o_{batch}_*.csv",
            Daily("2024-01-01"),
            [*(f"o_2024-01-01{rest}.csv" for rest in ("_a_b", "_", "")), "o_2023-12-31_a.csv", "o_2024-02-30_a.csv"],
            {"2024-01-01": ["in/o_2024-01-01_.csv", "in/o_2024-01-01_a_b.csv"]},
        ),
        (
            "s3://lake/{entity}/{year}/{month}/*/part-*.parquet",
            Monthly("2024-01"),
            [f"2024/01/{where}part-0.parquet" for where in ("eu/", "us/", "", "a/b/")],
            {"2024-01": [f"s3://lake/numbers/2024/01/{where}/part-0.parquet" for where in ("eu", "us")]},
        ),
        (
            "block://s3-bucket/inbox/{batch}/*",
            Hourly("2024-01-01T00"),
            ["2024-01-01T05/a.jsonl", "2024-01-01T05/b.jsonl", "2024-01-01T04/a.jsonl", "x/a.jsonl"],
            {
                "2024-01-01T04": ["block://s3-bucket/inbox/2024-01-01T04/a.jsonl"],
                "2024-01-01T05": [f"block://s3-bucket/inbox/2024-01-01T05/{name}.jsonl" for name in "ab"],
            },
        ),
        ("*.csv", Single(), ["b.csv", "a.csv", "a.txt"], {"all": ["./a.csv", "./b.csv"]}),
    ],
)  # fmt: skip
def test_files_whose_names_match_are_the_batch_of_their_name(
    url: str, kind: Any, paths: list[str], expected: dict[str, list[str]]
) -> None:
    assert batches(url, paths, kind) == expected


def test_a_web_server_and_an_address_without_a_batch_are_refused() -> None:
    with pytest.raises(ConfigError, match="a web server cannot be listed"):
        several.is_of_several("https://host/orders_{batch}_*.csv")
    assert not several.is_of_several("https://host/orders_{batch}.csv?query=*")
    with pytest.raises(ConfigError, match=r"has no \{batch\}, so all batches of t__numbers would be the same files"):
        batches("in/orders_*.csv", [])


def test_a_batch_of_more_files_than_are_read_as_one_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    each = contract("in/o_{batch}_*.csv")
    names = [*(f"o_2024-01-01_{n}.csv" for n in range(10_001)), "o_2024-01-02_a.csv"]
    files = {name: Listing(f"in/{name}", 1, None, "2024-01-01T00:00:00+00:00") for name in names}
    monkeypatch.setitem(datasets.contracts(), "t__numbers", each)
    monkeypatch.setattr(fetch, "listed", lambda _: files)
    first, second = plan.deliveries(["t__numbers"], None, None)
    assert (first.batch, second.batch, second.problem) == ("2024-01-01", "2024-01-02", None)
    assert "10,001 files match, at most 10,000" in str(first.problem)
    assert plan.seen_whole(first), "the folder itself is fine"
    assert [_foreseen(each, []).would for each in (first, second)] == [Would.UNKNOWN, Would.LOAD]


def test_a_file_whose_folder_names_another_year_than_its_name_is_of_no_batch() -> None:
    paths = [f"{year}/o_2024-01-01_a.csv" for year in ("2023", "2024")]
    assert batches("lake/{year}/o_{batch}_*.csv", paths) == {"2024-01-01": ["lake/2024/o_2024-01-01_a.csv"]}


@pytest.mark.parametrize("url", ["in/_o_{batch}_*.csv", "in/{year}/.part/{batch}_*.csv"])
def test_an_address_of_names_that_are_never_listed_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"names that begin with _ or \. are left out"):
        batches(url, [])
    with pytest.raises(ConfigError, match=r"names that begin with _ or \. are left out"):
        several.matching("in/_o_*.csv", {"_o_1.csv": Listing("in/_o_1.csv", 1, None, None)})


def test_the_fingerprint_is_of_contents_and_what_paths_say_but_of_no_name(tmp_path: Path) -> None:
    each = contract(f"{tmp_path}/year={{year}}/month={{month}}/shop=*/o_{{batch}}_*.csv", Monthly("2024-01"))

    def write(month: str, shop: str, name: str, number: int) -> Path:
        path = tmp_path / f"year=2024/month={month}/shop={shop}/o_2024-{month}_{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"number\n{number}\n")
        return path

    def prints() -> list[str]:
        found = several.batches_in(each.files.url, each, fetch.listed(f"{tmp_path}/"))
        return [fetch.fetch(listing, tmp_path).sha256 for listing in found.values()]

    for month, name, number in (("01", "b", 2), ("02", "a", 1), ("02", "b", 2)):
        write(month, "north", name, number)
    moved = write("01", "north", "a", 1)
    first, second = prints()
    assert first == second, "the same bytes as another batch"
    moved = moved.rename(moved.with_name("o_2024-01_c.csv"))
    assert prints()[0] == first, "a file with another name has the same rows"
    moved.unlink()
    write("01", "south", "c", 1)
    assert prints()[0] != first, "its rows are of another shop"


def test_a_file_that_cannot_be_looked_at_fails_its_own_batch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "o_2024-01-01_a.csv").write_text("number\n1\n")
    (tmp_path / "o_2024-01-02_a.csv").write_text("number\n1\n")
    (tmp_path / "o_2024-01-02_b.csv").symlink_to(tmp_path / "gone")
    each = contract(f"{tmp_path}/o_{{batch}}_*.csv")
    monkeypatch.setitem(datasets.contracts(), "t__numbers", each)
    first, second = plan.deliveries(["t__numbers"], None, None)
    assert first.listing is not None
    assert second.listing is not None
    assert fetch.fetch(first.listing, tmp_path).parts
    with pytest.raises(Exception, match=r"o_2024-01-02_b\.csv: no such file"):
        fetch.fetch(second.listing, tmp_path)


def test_a_folder_that_is_not_there_is_a_problem_of_the_dataset_and_an_empty_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = contract(f"{tmp_path}/in/o_{{batch}}_*.csv")
    monkeypatch.setitem(datasets.contracts(), "t__numbers", each)
    [missing] = plan.deliveries(["t__numbers"], None, None)
    assert missing.asked
    assert "no such folder" in str(missing.problem)
    (tmp_path / "in").mkdir()
    [none_yet] = plan.deliveries(["t__numbers"], None, None)
    assert not none_yet.asked
    assert str(none_yet.problem) == f"no file of t__numbers matches {tmp_path}/in/o_{{batch}}_*.csv"


def test_parts_of_a_path_are_columns_as_in_a_folder(tmp_path: Path) -> None:
    for shop, number in (("north", 1), ("__HIVE_DEFAULT_PARTITION__", 2)):
        (tmp_path / f"shop={shop}").mkdir()
        (tmp_path / f"shop={shop}/2024-01-01.csv").write_text(f"number\n{number}\n")
    each = contract(f"{tmp_path}/shop=*/{{batch}}.csv")
    listing = several.batches_in(each.files.url, each, fetch.listed(f"{tmp_path}/"))["2024-01-01"]
    with open_rows(fetch.fetch(listing, tmp_path), each, "2024-01-01") as stream:
        rows = [row for batch in stream for row in batch.select(["number", "shop", "_row_number"]).to_pylist()]
    assert rows == [
        {"number": 2, "shop": None, "_row_number": 1},
        {"number": 1, "shop": "north", "_row_number": 2},
    ]


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_each_file_may_have_another_of_the_names_of_a_column(tmp_path: Path, format_: str) -> None:
    class Paid(pa.DataFrameModel):
        number: Int = column("A number.")
        amount: Int = column("How much.", source=("amount", "amt"))
        shop: Text = column("Where.", source=("shop", "store"))
        again: Int = column("The number again.", source=("copy", "number"))

    for store, names in (("a", ["amt", "number"]), ("b", ["number", "amount"]), ("c", ["number", "amt"])):
        path = tmp_path / f"store={store}/2024-01-01.{format_}"
        path.parent.mkdir()
        table = pyarrow.table({name: [1 if name == "number" else 2] for name in names})
        (csv.write_csv if format_ == "csv" else parquet.write_table)(table, path)
    each = Contract("t", "paid", "me@example.com", Paid, Files(f"{tmp_path}/store=*/{{batch}}.{format_}", DAYS))
    listing = several.batches_in(each.files.url, each, fetch.listed(f"{tmp_path}/"))["2024-01-01"]
    with open_rows(fetch.fetch(listing, tmp_path), each, "2024-01-01") as stream:
        rows = [row for batch in stream for row in batch.select(["number", "amount", "shop", "again"]).to_pylist()]
    assert rows == [{"number": 1, "amount": 2, "shop": store, "again": 1} for store in "abc"]


def test_a_file_that_is_checked_alone_has_its_batch_in_its_name() -> None:
    each = contract("inbox/o_{year}{month}{day}_*.csv")
    assert batches_of(each, ["/tmp/o_20240131_4711.csv"], []) == ["2024-01-31"]
