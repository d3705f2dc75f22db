"""A sample becomes the first draft of a dataset, or one clear error and no file at all."""

from __future__ import annotations

import gzip
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sluice.cli import new_dataset
from sluice.contract.authoring.names import column_names
from sluice.contract.columns import Column, column_type
from sluice.contract.errors import ConfigError, SluiceError
from sluice.contract.scaffold.guess import guess
from tests.support.deliveries import parcels
from tests.support.drafts import assert_draft_is_formatted, contract_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project to write into."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "sluice.toml").touch()
    monkeypatch.setenv("SLUICE_PROJECT", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def make(sample: Path | str, source: str = "post", entity: str = "parcels", **options: Any) -> None:
    new_dataset.new(new_dataset.DatasetRequest(source, entity, str(sample), "me@example.com", **options))


def written(project: Path) -> list[str]:
    return sorted(
        str(path.relative_to(project)) for path in project.rglob("*") if path.is_file() and path.name != "sluice.toml"
    )


def test_names_are_lower_snake_case_and_need_no_quotes() -> None:
    given = [
        "OrderId",
        "PULocationID",
        "Unit Price (USD)",
        "order",
        "1st",
        "a",
        "A",
        "validate",
        "type",
        "größe",
        "日本",
    ]
    assert column_names(given) == [
        "order_id", "pu_location_id", "unit_price_usd", "column_order", "column_1st", "a", "a_2", "column_validate",
        "type", "gr_e", "column_11",
    ]  # fmt: skip


TYPES = {
    "integer": ("count", ["1", "20", "-3"]),
    "decimal(10,2)": ("x", ["1.50", "2.00"]),
    "float": ("x", ["1.5", "2"]),
    "boolean": ("x", ["true", "FALSE"]),
    "date": ("x", ["2024-02-29"]),
    "timestamp": ("x", ["2024-02-29 10:00:00"]),
    "timestamp with time zone": ("x", ["2024-02-29T10:00:00+01:00"]),
    "text": ("x", ["2024-02-30"]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_is_one_that_every_cell_of_the_sample_has(kind: str) -> None:
    name, cells = TYPES[kind]
    assert str(guess(name, name, pa.array([cell.encode() for cell in cells])).type) == kind


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("postcode", ["00501", "10001"], "text"),  # a number would lose its zeros
        ("flag", ["1", "0"], "integer"),
        ("passengers", ["1.0", "2.0"], "integer"),  # how writers spell integers of a column with nulls
        ("tip", ["1", "2.5"], "decimal(10,2)"),
        ("note", [], "text"),
        ("value", ["1", "20"], "float"),  # of an indicator; the next file, or the next indicator, has fractions
        ("weight_kg", ["1.25", "2.50"], "float"),
        ("value_code", ["1", "2"], "integer"),
        ("price", ["10", "20"], "decimal(10,2)"),
        ("fare_class", ["1", "2"], "integer"),
        ("tax_id", ["12345678901234567890123", "2"], "text"),  # a float would lose digits
    ],
)
def test_a_type_is_the_likely_one(name: str, cells: list[str], kind: str) -> None:
    assert str(guess(name, name, pa.array([cell.encode() for cell in cells], pa.binary())).type) == kind


def test_typed_columns_keep_their_types() -> None:
    found = {
        "integer": pa.array([1.0, None]),  # pandas' integers with a null
        "decimal(12,4)": pa.array([Decimal("1.2345")], pa.decimal128(12, 4)),
        "timestamp": pa.array([0], pa.timestamp("ns")),
        "text": pa.array(["a"]).dictionary_encode(),
    }
    assert [str(guess("x", "x", cells).type) for cells in found.values()] == list(found)
    assert guess("x", "x", pa.array([True])).type == column_type(pa.bool_())


def test_a_draft_has_every_file_is_formatted_and_marks_its_guesses(project: Path, capfd) -> None:
    make(parcels(project.parent / "parcels_2024-01.csv"), batch="2024-01", by="sent_at")
    files = written(project)
    assert "contracts/post_parcels.py" in files
    assert "dbt_project/models/staging/post/_post__sources.generated.yml" in files
    assert "tests/data/post__parcels/bad.csv" in files
    text = (project / "contracts/post_parcels.py").read_text()
    for line in (
        'url="parcels_{batch}.csv",',
        "# confirm: owner, url and batches",
        'delimiter=";",',
        'null_values=("NA",),  # confirm: ',
        "unique=True,  # confirm: ",
        'isin=["delivered", "lost", "sent"],',
        "raise_warning=True,  # warns of others",
        "raise_warning=True,  # warns beyond",
        "nullable=True,  # 12 of 120",
        'nullable="warn",  # none is empty',
        "pii=True,  # confirm: ",
        'source="Weight (kg)",',
    ):
        assert line in text
    assert "c1@example.com" not in (project / "tests/data/post__parcels/good.csv").read_text()
    assert_draft_is_formatted(project)
    assert "sluice run post__parcels" in capfd.readouterr().out


def test_dates_numbers_and_booleans_in_another_spelling_have_a_format(project: Path) -> None:
    sample = project.parent / "orders.csv"
    rows = ["31.12.2024;1,50;1.234,5;Y;1,234;12/31/2024;31.12.2024 10:00:00;north", "1.2.2025;;2,0;n;5;;;south"]
    sample.write_text("\n".join(["sent;weight;paid;insured;people;due;seen;shop", *rows]) + "\n")
    make(sample, "shop", "orders")
    found = columns_of(project / "contracts/shop_orders.py")
    assert {name: (str(column.type), column.format) for name, column in found.items()} == {
        "sent": ("date", "%d.%m.%Y"),
        "weight": ("decimal(10,2)", "1234,5"),
        "paid": ("float", "1.234,5"),
        "insured": ("boolean", "y/n"),
        "people": ("integer", "1,234"),
        "due": ("date", "%m/%d/%Y"),
        "seen": ("timestamp", "%d.%m.%Y %H:%M:%S"),
        "shop": ("text", None),
    }


def test_whole_amounts_that_are_written_with_cents_are_amounts(project: Path) -> None:
    sample = project.parent / "orders.csv"
    sample.write_text("\n".join(["id,price,people", *(f'{n},"US${n},137.00","{n},137"' for n in range(1, 31))]) + "\n")
    make(sample, "shop", "orders")
    found = columns_of(project / "contracts/shop_orders.py")
    assert (str(found["price"].type), found["price"].format) == ("decimal(10,2)", "US$1,234.5")
    assert (str(found["people"].type), found["people"].format) == ("integer", "1,234")


@pytest.mark.parametrize("cells", [["03/04/2024", "05/06/2024"], ["1,234", "5,678"]])
def test_what_the_sample_does_not_decide_stays_text(project: Path, cells: list[str]) -> None:
    sample = project.parent / "orders.csv"
    sample.write_text("\n".join(["id;what", *(f"{n};{cell}" for n, cell in enumerate(cells))]) + "\n")
    make(sample, "shop", "orders")
    assert str(columns_of(project / "contracts/shop_orders.py")["what"].type) == "text"
    assert_draft_is_formatted(project)


def columns_of(path: Path) -> dict[str, Column]:
    """The columns of a drafted contract."""
    return {column.name: column for column in contract_of(path).columns}


def test_gzip_and_parquet_are_samples_too(project: Path) -> None:
    plain = parcels(project.parent / "parcels.csv")
    packed = project.parent / "packed"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    make(packed)
    table = pa.table({"Id": [1, 2], "Paid Amount": [1.5, 2.25], "at": pa.array([0, 1], pa.timestamp("us", "UTC"))})
    pq.write_table(table, project.parent / "bills.parquet")
    make(project.parent / "bills.parquet", entity="bills")
    (project.parent / "notes.csv").write_text('n,note\n1,"two\nlines"\n')
    make(project.parent / "notes.csv", entity="notes")
    assert "multiline=True,  # confirm: " in (project / "contracts/post_notes.py").read_text()
    text = (project / "contracts/post_bills.py").read_text()
    assert all(line in text for line in ("id: Int", "paid_amount: Money", "at: UtcTimestamp", "batches=Single()"))


def test_names_in_quotes_are_names(project: Path) -> None:
    (project.parent / "sample").write_text('"id";"size, cm"\n"1";"2"\n')
    make(project.parent / "sample")
    text = (project / "contracts/post_parcels.py").read_text()
    assert all(line in text for line in ("id: Int", 'source="size, cm"', 'delimiter=";"'))


def test_names_that_yaml_reads_otherwise_are_texts_in_the_staging_model(project: Path) -> None:
    (project.parent / "sample").write_text("no,2019,off\n1,2,3\n")
    make(project.parent / "sample")
    [model] = yaml.safe_load((project / "dbt_project/models/staging/post/_post__parcels__models.yml").read_text())[
        "models"
    ]
    described = [(column["name"], column["description"]) for column in model["columns"][:3]]
    assert described == [("no", "No."), ("column_2019", "2019."), ("column_off", "Off.")]


def test_a_month_may_be_dated_by_a_date(project: Path) -> None:
    make(parcels(project.parent / "parcels.csv"), batch="2024-02", by="due_on")
    assert 'by="due_on"' in (project / "contracts/post_parcels.py").read_text()


NO_SAMPLES = {
    "empty": b"",
    "header only": b"a,b\n",
    "a web page": b"<!DOCTYPE html><html></html>",
    "cut gzip": gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:-20],
    "cut Parquet": b"PAR1 and no more",
}


@pytest.mark.parametrize("case", NO_SAMPLES)
def test_a_file_that_is_no_sample_writes_nothing(project: Path, case: str) -> None:
    path = project.parent / "sample"
    path.write_bytes(NO_SAMPLES[case])
    with pytest.raises(SluiceError):
        make(path)
    assert written(project) == []


def test_a_parquet_column_that_no_type_holds_is_named(project: Path) -> None:
    pq.write_table(pa.table({"lasted": pa.array([1], pa.duration("s"))}), project.parent / "sample")
    with pytest.raises(SluiceError, match="'lasted' is duration"):
        make(project.parent / "sample")
    assert written(project) == []


@pytest.mark.parametrize(
    ("source", "entity"),
    [
        ("Post", "x"),
        ("post", "x y"),
        ("post", "../x"),
        ("_post", "x"),
        ("a__b", "x"),
        ("post", "x_"),
        ("post", "class"),
        ("ops", "x"),
        ("p" * 30, "x" * 9),
    ],
)
def test_a_name_that_cannot_name_a_table_writes_nothing(project: Path, source: str, entity: str) -> None:
    with pytest.raises(ConfigError, match=r"valid name|reserved|characters"):
        make("nowhere.csv", source, entity)  # no file is read for it
    assert written(project) == []


def test_what_is_there_is_never_overwritten(project: Path) -> None:
    sample = parcels(project.parent / "parcels.csv")
    mine = project / "dbt_project/models/staging/post/stg_post__parcels.sql"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="nothing was written"):
        make(sample)
    assert (written(project), mine.read_text()) == ([str(mine.relative_to(project))], "mine")


def test_a_dataset_that_is_there_under_another_file_name_is_not_drafted_again(project: Path) -> None:
    sample = parcels(project.parent / "parcels.csv")
    make(sample)
    (project / "contracts/post_parcels.py").rename(project / "contracts/renamed.py")
    for path in (project / "dbt_project/models/staging/post").iterdir():
        path.unlink()
    shutil.rmtree(project / "tests")
    with pytest.raises(ConfigError, match="post__parcels already exists"):
        make(sample)


@pytest.mark.parametrize(
    ("batch", "by", "words"),
    [
        ("2024-02", "sent_at", "no row of the sample"),
        ("2024-01", "status", "these are: sent_at, due_on"),
        ("January", None, "write it as 2021-01-31T05 .hour."),
        (None, "sent_at", "--batch"),
    ],
)
def test_batches_that_the_sample_does_not_fit_are_refused(project: Path, batch, by, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(parcels(project.parent / "parcels.csv"), batch=batch, by=by)
    assert written(project) == []


def test_a_date_in_another_spelling_dates_rows(project: Path) -> None:
    sample = project.parent / "p_2024-01.csv"
    sample.write_text("n,am\n1,05.01.2024\n2,31.01.2024\n", encoding="utf-8")
    make(sample, batch="2024-01", by="am")
    assert 'by="am"' in (project / "contracts/post_parcels.py").read_text()


def test_a_draft_is_written_again_when_asked(project: Path) -> None:
    sample = project.parent / "sample.csv"
    sample.write_text("id,a\n1,2\n")
    make(sample)
    sample.write_text("id,b\n1,2\n")
    make(sample, replace=True)
    assert list(columns_of(project / "contracts/post_parcels.py")) == ["id", "b"]


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(project: Path) -> None:
    (project / "tests").write_text("a file where a folder is due")
    with pytest.raises(SluiceError, match="nothing was kept"):
        make(parcels(project.parent / "parcels.csv"))
    assert written(project) == ["tests"]


def test_the_command_lists_what_to_review_the_riskiest_first_and_the_draft_marks_little(project: Path, capfd) -> None:
    lines = [f"{n};{'0000-00-00' if n == 30 else '2024-01-02'};{n}.5;{'ab'[n % 2]}" for n in range(10, 60)]
    sample = project.parent / "orders.csv"
    sample.write_text("\n".join(["Orders of May", "id;sent;weight;shop", *lines]) + "\n")
    new_dataset.new(new_dataset.DatasetRequest("shop", "orders", str(sample)))
    listed = re.findall(r"^  [0-9]+\. (.*)$", capfd.readouterr().out, re.MULTILINE)
    words = [
        "1 line before the header",
        "sent: 1 of 50 are not dates",
        "id: unique",
        "shop: lists of codes",
        "owner: ",
    ]
    assert [word for word, line in zip(words, listed, strict=True) if not line.startswith(word)] == []
    contract = project / "contracts/shop_orders.py"
    assert contract.read_text().count("# confirm") <= 2 * len(columns_of(contract))


def drafted(project: Path, header: str, *lines: str) -> str:
    """The contract file of a sample."""
    sample = project.parent / "sample.csv"
    sample.write_text("\n".join([header, *lines]) + "\n")
    make(sample, replace=True)
    return (project / "contracts/post_parcels.py").read_text()


def test_only_the_first_key_is_unique_and_those_that_count_up(project: Path) -> None:
    lines = [f"{n},{(n * 37) % 101},{n + 1000}" for n in range(40)]
    drafted(project, "order_id,customer_id,entry_no", *lines)
    found = contract_of(project / "contracts/post_parcels.py").pandera_schema.columns
    assert [name for name, column in found.items() if column.unique] == ["order_id", "entry_no"]


def test_a_word_for_null_in_one_column_is_known_in_the_others_that_are_not_text(project: Path) -> None:
    drafted(project, "n,weight,country,sent", *(f"{n},{'NA' if n == 5 else n / 4},NA,2024-01-02" for n in range(30)))
    found = columns_of(project / "contracts/post_parcels.py")
    assert {name: column.null_values for name, column in found.items()} == {
        "n": ("NA",), "weight": ("NA",), "country": (), "sent": ("NA",)
    }  # fmt: skip


def test_digits_that_are_no_number_stay_text(project: Path) -> None:
    drafted(project, "zip,phone,count", *(f"{90001 + n},{4930123450 + n},{n}" for n in range(20)))
    kinds = [str(column.type) for column in columns_of(project / "contracts/post_parcels.py").values()]
    assert kinds == ["text", "text", "integer"]


def test_periods_are_no_codes_and_a_summer_bounds_no_winter(project: Path) -> None:
    lines = [f"2024-{1 + n // 20:02d},{'north' if n % 2 else 'south'},{20 + n % 9}.5,{n % 40}" for n in range(100)]
    text = drafted(project, "period,shop,temperature,count", *lines)
    assert text.count("isin=") == 1
    assert 'isin=["north", "south"]' in text
    assert [line.strip() for line in text.splitlines() if "ge=" in line] == ["ge=-1000,", "ge=0,"]


@pytest.mark.parametrize(
    ("name", "personal"),
    [("life_expectancy_at_birth", False), ("birth_rate", False), ("product_name", False), ("file_name", False),
     ("birth_date", True), ("customer_name", True), ("name", True), ("e_mail", True), ("dob", True)],
)  # fmt: skip
def test_personal_data_is_found_by_the_whole_name(name: str, personal: bool) -> None:
    assert guess(name, name, pa.array([b"1999-01-02", b"2000-01-02"])).pii is personal


@pytest.mark.parametrize(
    ("name", "batch", "kind", "url"),
    [
        ("p_2024-01-31T05.csv", "2024-01-31T05", "Hourly", "p_{batch}.csv"),
        ("20240131_05.csv", "2024-01-31T05", "Hourly", "{year}{month}{day}_{hour}.csv"),
        ("p_20240131.csv", "2024-01-31", "Daily", "p_{year}{month}{day}.csv"),
        ("p_2024_01_31.csv", "2024-01-31", "Daily", "p_{year}_{month}_{day}.csv"),
        ("p_2024-W05.csv", "2024-W05", "Weekly", "p_{batch}.csv"),
        ("p_202401.csv", "2024-01", "Monthly", "p_{year}{month}.csv"),
        ("p_120240131.csv", "2024-01", "Monthly", "p_120240131_{batch}.csv"),  # digits of something else
        ("p_2024-Q1.csv", "2024-Q1", "Quarterly", "p_{batch}.csv"),
        ("p_2024.csv", "2024", "Yearly", "p_{batch}.csv"),
    ],
)
def test_the_cadence_and_the_address_are_drafted_from_the_batch_of_the_sample(
    project: Path, name: str, batch: str, kind: str, url: str
) -> None:
    sample = project.parent / name
    sample.write_text("n,at\n1,2024-01-31 05:10:00\n2,2024-01-31 05:20:00\n", encoding="utf-8")
    make(sample, batch=batch)
    text = (project / "contracts/post_parcels.py").read_text()
    assert f'batches={kind}(start="{batch}", by="at")' in text
    assert f'url="{url}"' in text
    assert f"from sluice import Contract, Files, Gate, {kind}" in text or f", {kind}, " in text


def test_a_draft_of_each_file_lists_the_folder_of_the_sample(project: Path) -> None:
    sample = project.parent / "inbox" / "p_0017.csv"
    sample.parent.mkdir()
    sample.write_text("n,at\n1,2024-01-31 05:10:00\n2,2024-01-31 05:20:00\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the sample.s name, p_0017[.]csv, does not match it"):
        make(sample, each_file="q_([0-9]+)[.]csv")
    make(sample, each_file=r"p_(\d+)[.]csv")
    text = (project / "contracts/post_parcels.py").read_text()
    assert 'batches=EachFile("p_(\\\\d+)[.]csv")' in text
    assert 'inbox/",' in text
    assert "EachFile" in text.split("from sluice import")[1].splitlines()[0]
    assert contract_of(project / "contracts/post_parcels.py").files.batches.named(["p_0018.csv"])[0] == {
        "0018": "p_0018.csv"
    }


def test_a_draft_of_several_files_keeps_their_pattern_and_learns_from_all(project: Path) -> None:
    inbox = project.parent / "inbox"
    inbox.mkdir()
    for shop, numbers in (("north", "1\n2"), ("south", "3\n4")):
        (inbox / f"p_2024-01-31_{shop}.csv").write_text(f"n\n{numbers}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"q_\*[.]csv: no file matches"):
        make(inbox / "q_*.csv")
    make(inbox / "p_2024-01-31_*.csv", batch="2024-01-31")
    contract = contract_of(project / "contracts/post_parcels.py")
    assert contract.files.url == "inbox/p_{batch}_*.csv"
    assert "A draft from a sample of 4 rows" in (project / "contracts/post_parcels.py").read_text()
