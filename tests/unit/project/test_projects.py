"""Projects: found from where one stands, made in any folder, and never mixed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.cli import app
from sluice.contract.errors import ConfigError, ContractError
from sluice.contract.registry import load_contracts
from sluice.project import fingerprints, paths
from sluice.project.datasets import contract_for, contracts
from sluice.project.init.write import init
from sluice.runs import plan

CONTRACT = """
import pandera.pandas as pa

from sluice import Contract, Files, Gate, Int, Single, column

from ._shared import LIMIT


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number.", lt=LIMIT)


CONTRACT = Contract(
    source="shop", entity="{entity}", owner="a@example.com", schema=Orders, gate=Gate(max_rejected=0.1),
    files=Files(url="x.csv", batches=Single()),
)
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (paths.VARIABLE, "SLUICE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def add(root: Path, entity: str) -> None:
    (root / "contracts/_shared.py").write_text("LIMIT = 10\n")
    (root / f"contracts/{entity}.py").write_text(CONTRACT.format(entity=entity))


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        app.main(list(arguments))
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.mark.parametrize(
    "command",
    [
        *(("status",), ("run",), ("plan",), ("doctor",), ("demo",), ("derive",), ("docs", "--no-open"), ("rollback",)),
        *(("sql", "select 1"), ("alerts",), ("quarantine", "list"), ("contract", "show", "x"), ("heartbeat",)),
        *(("backfill", "x", "--from", "2020-01", "--to", "2020-02"), ("new", "a", "b", "--from", "x.csv"), ("up",)),
    ],
    ids=" ".join,
)
def test_outside_of_a_project_each_command_says_so_in_one_line(capsys, command: tuple[str, ...]) -> None:
    code, _, err = ended(capsys, *command)
    assert code == 5
    assert err.count("\n") == 1, err
    assert "is not in a Sluice project" in err
    assert "sluice init" in err


@pytest.mark.parametrize("command", [("--help",), ("--version",), ("run", "--help")])
def test_help_needs_no_project(capsys, command: tuple[str, ...]) -> None:
    assert ended(capsys, *command)[0] == 0


def test_a_project_is_found_from_below_and_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init(tmp_path / "shop")
    below = tmp_path / "shop/dbt_project/models"
    monkeypatch.chdir(below)
    assert paths.root() == tmp_path / "shop"
    assert paths.home() == tmp_path / "shop/.sluice"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path / "shop"))
    assert paths.root() == tmp_path / "shop"
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match=r"has no sluice\.toml"):
        paths.root()


def test_two_projects_in_one_process_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    for name in ("one", "two"):
        root = init(tmp_path / name).root
        add(root, name)
        (root / "dbt_project/models/marts/fct.sql").write_text(f"select '{name}' as name")
    for name in ("one", "two", "one"):
        monkeypatch.setenv(paths.VARIABLE, str(tmp_path / name))
        assert list(contracts()) == [f"shop__{name}"]
        assert paths.home() == tmp_path / name / ".sluice"
        found = (fingerprints.project(), contract_for(f"shop__{name}").schema.__module__)
        assert seen.setdefault(name, found[0]) == found[0]
    assert seen["one"] != seen["two"]


def test_contracts_load_beside_packages_of_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("contracts", "flows"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('another package')")
    monkeypatch.syspath_prepend(str(tmp_path))
    add(init(tmp_path / "shop").root, "orders")
    assert list(load_contracts(tmp_path / "shop/contracts")) == ["shop__orders"]


def test_a_run_without_a_dataset_names_the_command_that_drafts_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(init(tmp_path / "shop").root)
    with pytest.raises(ConfigError, match=r"no dataset yet\. Draft one: sluice new"):
        plan.deliveries(None, None, None)


def test_a_file_that_changes_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = init(tmp_path / "shop").root
    add(root, "orders")
    monkeypatch.chdir(root)
    assert list(contracts()) == ["shop__orders"]
    (root / "contracts/orders.py").write_text(CONTRACT.format(entity="returns"))
    assert list(contracts()) == ["shop__returns"]


def test_a_file_that_changes_in_the_same_second_without_growing_is_not_taken_for_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    root = init(tmp_path / "shop").root
    add(root, "orders")
    file = root / "contracts/orders.py"
    assert list(load_contracts(root / "contracts")) == ["shop__orders"]
    written = file.stat()
    file.write_text(CONTRACT.format(entity="others"))
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert list(load_contracts(root / "contracts")) == ["shop__others"]


@pytest.mark.parametrize(
    "line",
    [
        "from contracts.columns import Int",
        "from contracts.contract import Contract",
        "from contracts.datasets._tlc_trips import ZONES",
    ],
)
def test_an_old_contract_file_is_told_what_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    root = init(tmp_path / "shop").root
    (root / "contracts/old.py").write_text(line + "\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "contracts"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ContractError) as error:
        load_contracts(root / "contracts")
    assert "from sluice import Contract, Files, column, ..." in str(error.value)
    assert "from ._name import ..." in str(error.value)
    assert "contracts/old.py" in str(error.value)


def test_init_adds_what_is_missing_and_overwrites_nothing(tmp_path: Path, capsys) -> None:
    mine = tmp_path / "shop/Makefile"
    mine.parent.mkdir()
    mine.write_text("mine")
    code, out, _ = ended(capsys, "init", str(tmp_path / "shop"))
    assert code == 0
    assert "kept  Makefile (it already exists)" in out
    assert "wrote sluice.toml" in out
    assert mine.read_text() == "mine"
    again = init(tmp_path / "shop")
    assert again.wrote == ()


def test_a_project_within_a_project_an_unknown_example_and_a_file_are_refused(tmp_path: Path) -> None:
    init(tmp_path / "shop")
    (tmp_path / "file").touch()
    for folder, example, words in (
        (tmp_path / "shop/contracts/x", None, "cannot hold another"),
        (tmp_path / "bus", "buses", "there is no example 'buses'"),
        (tmp_path / "file", None, "is a file"),
    ):
        with pytest.raises(ConfigError, match=words):
            init(folder, example)


def test_importing_sluice_loads_neither_prefect_nor_dbt_nor_a_driver() -> None:
    program = (
        "import sys, sluice; from sluice import Contract, Files, column;"
        "print({name.split('.')[0] for name in sys.modules} & {'prefect', 'dbt', 'psycopg2', 'pgpq', 'fsspec'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_nothing_of_spark_is_imported_to_choose_it_or_to_make_its_block() -> None:
    program = (
        "import sys, sluice.setup.set_up, sluice.doctor.diagnose, sluice.warehouse.spark.connection.block;"
        "print({name.split('.')[0] for name in sys.modules} & {'pyspark', 'py4j'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stderr


def test_every_public_name_is_there_and_documented() -> None:
    import sluice

    assert sorted(sluice.__all__) == sluice.__all__
    for name in sluice.__all__:
        found = getattr(sluice, name)
        assert found.__doc__ or not callable(found), name
    with pytest.raises(AttributeError):
        sluice.no_such_name  # noqa: B018
