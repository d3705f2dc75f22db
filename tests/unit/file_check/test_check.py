"""`sluice check`: a file and a contract file in, verdict and exit code out, in a folder that has nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sluice.cli import app
from sluice.contract.errors import ConfigError
from sluice.contract.registry import load_contract
from sluice.file_check import judge
from sluice.file_check.deliveries import batches_of
from tests.support.repository import ROOT

CONTRACT = """
from __future__ import annotations

import pandera.pandas as pa
from sluice import Contract, Files, Gate, Int, Money, Monthly, Text, Timestamp, column

from ._shops import SHOPS


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", source="OrderId", unique=True)
    ordered_at: Timestamp = column("When it was ordered.")
    shop: Text = column("Where.", isin=SHOPS, severity="warn")
    price: Money = column("Price of one.", ge=0, tolerance=0.1)
    email: Text = column("Of the customer.", pii=True, str_contains="@", nullable=True)


CONTRACT = Contract(
    source="shop", entity="orders", owner="you@example.com", schema=Orders,
    files=Files(url="inbox/orders_{batch}.csv", batches=Monthly(start="2024-01", by="ordered_at")),
    gate=Gate(max_rejected=0.1, rows_vs_last=(0.5, 2)),
)
"""
HEADER = "OrderId,ordered_at,shop,price,email"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A provider's folder: two files of a contract, no project."""
    monkeypatch.delenv("SLUICE_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contract.d").mkdir()
    (tmp_path / "contract.d/shop_orders.py").write_text(CONTRACT)
    (tmp_path / "contract.d/_shops.py").write_text('SHOPS = ["north", "south"]\n')
    return tmp_path


@pytest.fixture
def check(desk: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command, with the contract of the desk."""

    def call(*arguments: str, contract: str = "contract.d/shop_orders.py") -> Said:
        with pytest.raises(SystemExit) as stop:
            app.main(["check", *arguments, "--contract", contract])
        said = capfd.readouterr()
        return Said(int(stop.value.code or 0), said.out, said.err)

    return call


def orders(path: Path, *bad: str, good: int = 20, month: str = "2024-01") -> str:
    """A file of good lines, then the bad ones. Returns its name."""
    lines = [f"{n},{month}-{1 + n % 28:02d} 10:00:00,north,9.50,a{n}@example.com" for n in range(1, good + 1)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEADER, *lines, *bad]) + "\n")
    return str(path)


def test_a_good_file_passes_and_what_needs_history_is_named(desk: Path, check: Callable[..., Said]) -> None:
    said = check(orders(desk / "orders_2024-01.csv"))
    assert said.code == 0, said.err
    assert "shop__orders 2024-01: passed. 20 rows read, 20 accepted, 0 rejected (0%)" in said.out
    assert "Not judged here: rows_vs_last" in said.out
    assert said.err == ""


def test_a_bad_file_is_held_for_the_reasons_of_the_gate(desk: Path, check: Callable[..., Said]) -> None:
    bad = ("1,2024-02-01,north,-1,none", "30,2024-01-01 10:00:00,west,x,", "31,2024-01-02 10:00:00", "\n")
    said = check(orders(desk / "orders_2024-01.csv", *bad))
    assert said.code == 2
    assert "23 rows read, 2 blank lines, 19 accepted, 4 rejected (17.39%)" in said.out
    for words in (
        "row 22: price='x'   fails price is decimal(10,2)",
        "row 21: price=-1   fails price >= 0",
        "row 1: order_id=1   fails order_id unique",
        "row 22: shop='west'   fails shop in ('north', 'south')",
        "email='***'   fails email contains '@'",
        "Warning: ",
    ):
        assert words in said.out
    assert re.search(r"sluice: .*orders_2024-01.csv, shop__orders 2024-01: gate closed: 17.39% of rows", said.err)


def test_the_document_has_counts_results_and_samples(desk: Path, check: Callable[..., Said]) -> None:
    said = check(orders(desk / "orders_2024-01.csv", "x,,,,"), "--json")
    document = json.loads(said.out)
    [file] = document["files"]
    assert (said.code, file["verdict"], file["rows"], file["accepted"], file["rejected"]) == (0, "passed", 21, 20, 1)
    results = {result["check"]: result for result in file["checks"]}
    assert results["order_id is integer"]["sample"] == [{"_row_number": 21, "order_id": "x"}]
    assert results["canary rows are rejected"]["outcome"] == "passed"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OrderId,ordered_at,price,email\n1,2024-01-01,1,\n", "missing: shop"),
        ("", "empty"),
        (f"{HEADER}\n", "no row"),
        (f'{HEADER}\n1,2024-01-01 10:00:00,"north,1,\n', "quote"),
        ("<!DOCTYPE html><html></html>", "HTML"),
    ],
)
def test_a_file_that_cannot_be_audited_fails_with_the_message_of_a_run(
    desk: Path, check: Callable[..., Said], text: str, words: str
) -> None:
    (desk / "orders_2024-01.csv").write_text(text)
    said = check("orders_2024-01.csv", "--json")
    [file] = json.loads(said.out)["files"]
    assert (said.code, file["verdict"], file["rows"]) == (2, "failed", 0)
    assert words in file["reasons"][0]
    assert words in said.err


def test_several_files_are_each_their_own_month(desk: Path, check: Callable[..., Said]) -> None:
    names = [orders(desk / f"orders_{month}.csv", month=month) for month in ("2024-01", "2024-02")]
    names.append(orders(desk / "orders_2024-03.csv.csv", month="2024-01"))  # not of its month
    said = check(*names, "--json")
    verdicts = [(file["batch"], file["verdict"]) for file in json.loads(said.out)["files"]]
    assert verdicts == [("2024-01", "passed"), ("2024-02", "passed"), ("2024-03", "held")]
    assert said.code == 2
    assert "100% of rows are rejected" in said.err


def test_a_batch_is_named_where_the_files_name_does_not(desk: Path, check: Callable[..., Said]) -> None:
    name = orders(desk / "delivery.csv")
    said = check(name)
    assert said.code == 5
    assert "--batch 2024-01" in said.err
    assert check(name, "--batch", "2024-01").code == 0
    assert check(name, "--batch", "2024-02").code == 2
    assert check(name, "--batch", "2023-02").code == 5  # before the first month of the dataset
    assert check(name, name, "--batch", "2024-01").code == 5


@pytest.mark.parametrize(
    ("file", "batch"),
    [
        ("orders_2024-03.csv", "2024-03"),
        ("2023-12/orders_2024-03.csv.gz", "2024-03"),
        ("export of 2024-03 (2).csv", "2024-03"),
        ("inbox/2024-03/orders.csv", "2024-03"),
        ("inbox/2024-03/", "2024-03"),
        ("https://host/2024-03/orders.parquet", "2024-03"),
    ],
)
def test_the_month_of_a_file_is_in_its_name(desk: Path, file: str, batch: str) -> None:
    contract = load_contract(desk / "contract.d/shop_orders.py")
    assert batches_of(contract, [file], []) == [batch]


@pytest.mark.parametrize("file", ["orders.csv", "2024-03_to_2024-04.csv", "orders_2024-03-01.csv"])
def test_a_file_whose_name_does_not_show_one_month_needs_it_named(desk: Path, file: str) -> None:
    contract = load_contract(desk / "contract.d/shop_orders.py")
    with pytest.raises(ConfigError, match="--batch 2024-01"):
        batches_of(contract, [file], [])


@pytest.mark.parametrize(
    ("contract", "code", "words"),
    [
        ("nowhere.py", 5, "no such file"),
        ("contract.d/_shops.py", 5, "has no CONTRACT"),
        ("broken.py", 5, "cannot be loaded: ZeroDivisionError"),
    ],
)
def test_a_wrong_contract_is_one_message(
    desk: Path, check: Callable[..., Said], contract: str, code: int, words: str
) -> None:
    (desk / "broken.py").write_text("1 / 0")
    said = check(orders(desk / "orders_2024-01.csv"), contract=contract)
    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_a_file_that_is_not_there_is_a_tools_failure_and_others_are_still_checked(
    desk: Path, check: Callable[..., Said]
) -> None:
    said = check("orders_2024-02.csv", orders(desk / "orders_2024-01.csv"))
    assert said.code == 3
    assert "no such file" in said.err
    assert "2024-01: passed" in said.out


REFERENCING = """
from __future__ import annotations

import pandera.pandas as pa
from sluice import Contract, Files, Int, Single, column


class {name}(pa.DataFrameModel):
    shop_id: Int = column("Number of the shop."{reference})


CONTRACT = Contract("post", "{entity}", "you@example.com", {name}, Files("{entity}.csv", Single()))
"""


def test_a_mistyped_name_is_no_such_file_and_not_a_batch_to_be_named(check: Callable[..., Said]) -> None:
    said = check("inbox/nope.csv")
    assert (said.code, said.err.strip()) == (3, "sluice: inbox/nope.csv: no such file or folder")


@pytest.fixture
def referencing(desk: Path) -> str:
    """The contract of parcels, which reference shops."""
    reference = ', references="post__shops.shop_id"'
    (desk / "contract.d/post_parcels.py").write_text(
        REFERENCING.format(name="Parcels", entity="parcels", reference=reference)
    )
    (desk / "contract.d/post_shops.py").write_text(REFERENCING.format(name="Shops", entity="shops", reference=""))
    (desk / "parcels.csv").write_text("shop_id\n1\n2\n")
    (desk / "shops.csv").write_text("shop_id\n1\n")
    return "contract.d/post_parcels.py"


def test_keys_of_another_dataset_are_named_as_not_judged(check: Callable[..., Said], referencing: str) -> None:
    said = check("parcels.csv", contract=referencing)
    assert (said.code, said.err) == (0, "")
    assert "Not judged here: shop_id references post__shops.shop_id: looks keys up in what is published" in said.out


def test_a_file_may_stand_for_what_is_published(desk: Path, check: Callable[..., Said], referencing: str) -> None:
    said = check("parcels.csv", "--reference", "shops.csv", contract=referencing)
    assert said.code == 2
    assert "Not judged" not in said.out
    assert "row 2: shop_id=2   fails shop_id references post__shops.shop_id" in said.out

    (desk / "more.csv").write_text("shop_id\n2\n")
    both = ("--reference", "shops.csv", "--reference", "post__shops=more.csv")
    assert check("parcels.csv", *both, contract=referencing).code == 0


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("gone.csv", "--reference gone.csv, as post__shops: gone.csv: no such file"),
        ("wrong.csv", "--reference wrong.csv, as post__shops: "),
    ],
)
def test_a_wrong_reference_is_one_message(
    desk: Path, check: Callable[..., Said], referencing: str, file: str, message: str
) -> None:
    (desk / "wrong.csv").write_text("other\n1\n")
    said = check("parcels.csv", "--reference", file, contract=referencing)
    assert (said.code, said.out) == (5, "")
    assert message in said.err


def test_a_reference_needs_a_contract_that_says_how_to_read_it(
    desk: Path, check: Callable[..., Said], referencing: str
) -> None:
    (desk / "contract.d/post_shops.py").unlink()
    said = check("parcels.csv", "--reference", "shops.csv", contract=referencing)
    assert said.code == 5
    assert "the contract of post__shops is needed: contract.d/post_shops.py" in said.err
    unneeded = check(orders(desk / "orders_2024-01.csv"), "--reference", "shops.csv")
    assert unneeded.code == 5
    assert "shop__orders looks keys up in no other dataset" in unneeded.err


def test_nothing_is_left_in_the_folder(desk: Path, check: Callable[..., Said]) -> None:
    name = orders(desk / "orders_2024-01.csv", "1,,,,")
    before = sorted(desk.rglob("*"))
    assert check(name).code == 0
    left = [path for path in sorted(desk.rglob("*")) if path not in before and "__pycache__" not in path.parts]
    assert left == []


def test_a_judge_that_lets_everything_pass_is_not_trusted(
    desk: Path, check: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge.Judge, "_failing_rows", lambda *_: [])
    said = check(orders(desk / "orders_2024-01.csv"))
    assert said.code == 2
    assert "the results of this audit cannot be trusted" in said.err


def test_a_full_disk_is_one_message(desk: Path) -> None:
    lines = [f"{n},2024-01-02 10:00:00,north,{'x' * 1500},a@b" for n in range(30, 3000)]  # more than stays in memory
    name = orders(desk / "orders_2024-01.csv", *lines)
    command = f"ulimit -f 16; exec {sys.executable} -P -m sluice check {name} --contract contract.d/shop_orders.py"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=desk)
    assert said.returncode == 3
    assert "temporary files cannot be written" in said.stderr
    assert "Set TMPDIR" in said.stderr


@pytest.mark.long
def test_the_hook_of_the_guide_refuses_a_bad_file(desk: Path) -> None:
    text = (ROOT / "docs/check.md").read_text().split("```yaml\n")[1].split("```")[0]
    config = yaml.safe_load(text)
    [hook] = config["repos"][0]["hooks"]
    del hook["additional_dependencies"]
    hook |= {
        "language": "system",
        "entry": hook["entry"].replace("contracts/", "contract.d/"),
    }
    (desk / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def commit(*bad: str) -> subprocess.CompletedProcess[str]:
        orders(desk / "inbox/orders_2024-01.csv", *bad)
        subprocess.run(["git", "add", "."], cwd=desk, check=True)
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
        return subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True)

    subprocess.run(["git", "init", "--quiet", "."], cwd=desk, check=True)
    refused = commit("x,,,,", "y,,,,", "z,,,,")
    assert (refused.returncode, "gate closed" in refused.stdout) == (1, True), refused.stdout
    passed = commit()
    assert passed.returncode == 0, passed.stdout
