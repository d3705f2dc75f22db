"""Each file of a folder as a batch: which files match, what they are called, and what is wrong with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest

from sluice.contract.batches import EachFile, Single
from sluice.contract.columns import Int, column
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import ConfigError, ContractError
from sluice.file_check.deliveries import batches_of
from sluice.project import datasets
from sluice.runs import plan
from sluice.runs.preview import Would, _foreseen
from sluice.source.fetch import listed
from sluice.source.files import SourceMissing
from sluice.warehouse.postgres.rows.tables import table_name
from tests.support.documented import table

[EACH] = [row for row in table("sources.md", "cadence") if row[1].startswith("EachFile")]


class Numbers(pa.DataFrameModel):
    number: Int = column("A number.", ge=0)


def contract(batches: Any, url: str = "inbox/") -> Contract:
    return Contract("t", "numbers", "me@example.com", Numbers, Files(url, batches))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for name in ("n_9.csv", "n_10.csv", "n_x.csv", "deep/n_7.csv", "_n_1.csv", ".n_2.csv", "_tmp/n_3.csv"):
        (tmp_path / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "inbox" / name).write_text("number\n1\n")
    return tmp_path / "inbox"


def deliveries(each: Contract, monkeypatch: pytest.MonkeyPatch, *batches: str) -> list[plan.Delivery]:
    monkeypatch.setitem(datasets.contracts(), "t__numbers", each)
    return plan.deliveries(["t__numbers"], batches or None, None)


def test_the_example_of_the_guide_names_its_file() -> None:
    _, declared, url, file, batch, _ = EACH
    each = eval(declared, {"EachFile": EachFile})
    assert each.named([file.removeprefix(url), "readme.txt"]) == ({batch: file.removeprefix(url)}, [])
    assert batches_of(contract(each, url), [file, f"/elsewhere/{file}"], []) == [batch, batch]


def test_each_file_that_matches_is_a_delivery_in_the_order_of_names(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = contract(EachFile(r"(?:.*/)?n_(?P<batch>\d+)\.csv"), f"{inbox}/")
    found = deliveries(each, monkeypatch)
    assert [(one.batch, one.address) for one in found] == [
        ("10", f"{inbox}/n_10.csv"),
        ("7", f"{inbox}/deep/n_7.csv"),
        ("9", f"{inbox}/n_9.csv"),
    ]
    assert [one.batch for one in deliveries(each, monkeypatch, "9")] == ["9"]
    with pytest.raises(ConfigError, match=r"t__numbers 8: no file of .*inbox/ has this name"):
        deliveries(each, monkeypatch, "8")


def test_a_file_that_cannot_be_a_batch_does_not_stop_the_others(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("n_9.txt", "n_9 a.csv", "n_1-2.csv", "n_1_2.csv"):
        (inbox / name).touch()
    problem, *others = deliveries(contract(EachFile(r"n_(.+)[.](csv|txt)"), f"{inbox}/"), monkeypatch)
    assert [one.batch for one in others] == ["10", "x"]
    assert isinstance(problem.problem, ConfigError)
    for words in (
        "n_9 a.csv: batch '9 a': a name has letters",
        "n_9.csv and n_9.txt would be one batch",
        "n_1-2.csv and",
    ):
        assert words in str(problem.problem)


def test_a_folder_that_is_not_there_is_the_problem_of_its_dataset_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [found] = deliveries(contract(EachFile("(.+)"), f"{tmp_path}/none/"), monkeypatch)
    assert isinstance(found.problem, SourceMissing)
    with pytest.raises(ConfigError, match="a web server cannot be listed"):
        listed("https://example.com/files/")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EachFile("n_[0-9]+"), "put what names the batch in brackets"),
        (lambda: EachFile("n_([0-9]+"), "not a regular expression"),
        (lambda: EachFile(3), "not a regular expression"),
        (lambda: contract(EachFile("(.+)"), "inbox"), "the folder of the files: it ends with /"),
        (lambda: contract(EachFile("(.+)"), "inbox/{batch}/"), "the folder of the files: it ends with /"),
    ],
)
def test_what_names_no_batch_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        make()


def test_a_long_name_has_tables_of_its_own() -> None:
    long = [f"orders-of-the-shop-in-the-north-{number}" for number in range(50)]
    names = {table_name("s" * 40, batch, "incoming") for batch in long}
    assert len(names) == 50
    assert all(len(name) <= 63 for name in names)
    assert table_name("shop__orders", "2021-01", "incoming") == "shop__orders__incoming_2021_01"
    each = replace(contract(EachFile("(.+)")), source="s" * 19, entity="e" * 19)
    assert len(each.dataset_id) == 40
    contract(Single(name="x" * 12))


def test_a_folder_without_a_file_of_the_dataset_is_an_ordinary_night_unless_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "readme.txt").touch()
    each = contract(EachFile(r"n_(\d+)\.csv"), f"{tmp_path}/")
    [found] = deliveries(each, monkeypatch)
    assert (found.batch, found.asked) == ("", False)
    with pytest.raises(SourceMissing, match=r"no file of t__numbers in .* matches n_"):
        plan.look(found)
    assert _foreseen(found, []).would is Would.NOT_DELIVERED
    with pytest.raises(ConfigError, match=r"nothing to load: no file of t__numbers in .* matches n_"):
        plan.deliveries(["t__numbers"], None, f"{tmp_path}/")
