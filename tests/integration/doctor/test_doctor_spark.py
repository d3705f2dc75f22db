"""`sluice doctor` and `sluice setup` where Spark is chosen, on a machine that lacks what Spark needs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from sluice.warehouse.spark.connection import choice, jars, machine, trial
from sluice.warehouse.spark.connection.block import SparkEngine

REST = {"type": "rest", "uri": "https://catalogue.example.com"}
TOKEN = "token-not-to-be-seen"


@pytest.fixture
def chosen(tmp_path: Path, quick_project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the block of the engine Spark, in a project that chooses it. The block does not exist."""
    name = f"lake-{tmp_path.name.replace('_', '-')}"[-40:].strip("-")
    text = (quick_project / "sluice.toml").read_text()
    (tmp_path / "sluice.toml").write_text(f'[warehouse]\nengine = "spark"\nspark_block = "{name}"\n{text}')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    monkeypatch.setattr(machine, "NEWEST_PYTHON", (3, 99))
    return name


def engine(said) -> list[dict]:
    return [finding for finding in json.loads(said.out) if finding["area"] == "engine"]


def advice_for(found: list[dict], words: str) -> str:
    (finding,) = [each for each in found if words in each["found"]]
    assert finding["verdict"] == "fail"
    return finding["advice"]


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the packages of Spark where this environment has them, as it is in most."""
    here = {Path(spec.origin).parents[1] for name in ("pyspark", jars.PACKAGE) if (spec := find_spec(name))}
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path or ".").resolve() not in here])
    for name in ("pyspark", jars.PACKAGE):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("without_packages")
def test_no_java_no_pyspark_and_no_jar_are_each_found_with_the_cure(
    chosen: str, sluice: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = str(tmp_path / "no-such-driver.jar")
    SparkEngine(warehouse="/srv/lake", catalogue=REST, secrets={"token": TOKEN}, jars=[driver]).save(chosen)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with_java = [path for path in os.environ["PATH"].split(":") if not (Path(path) / "java").exists()]
    monkeypatch.setenv("PATH", ":".join(with_java))
    said = sluice("doctor", "--json")
    assert said.code == 5
    found = engine(said)
    assert f"block spark-engine/{chosen}" in found[0]["found"]
    assert "openjdk-17-jre-headless" in advice_for(found, "no Java was found, by JAVA_HOME or on PATH")
    assert "pip install 'sluice-elt[spark]'" in advice_for(found, "pyspark is not installed")
    assert "pip install 'sluice-elt[spark]'" in advice_for(found, "Iceberg's runtime for Spark was not found")
    assert "Correct the block" in advice_for(found, f"jar {driver} does not exist")
    assert found[-1]["verdict"] == "warn"
    assert "the lake was not tried" in found[-1]["found"]
    areas = {finding["area"] for finding in json.loads(said.out)}
    assert {"database", "rights", "prefect", "channels"} <= areas, "PostgreSQL keeps the ledger"
    assert not {"marts", "gates"} & areas, "these are of rows in PostgreSQL"
    assert TOKEN not in said.out + said.err


def test_the_java_of_java_home_is_the_one_that_counts_and_another_version_is_refused(
    chosen: str, sluice: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SparkEngine(warehouse="/srv/lake", catalogue=REST).save(chosen)
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    found = engine(sluice("doctor", "--json"))
    assert "set JAVA_HOME" in advice_for(found, f"Java 8 at {java}, found by JAVA_HOME={tmp_path / 'jdk'}")


def test_a_block_that_does_not_exist_is_one_finding_with_the_command_that_makes_it(
    chosen: str, sluice: Callable
) -> None:
    found = engine(sluice("doctor", "--json"))
    assert f"block spark-engine/{chosen} cannot be used" in found[-1]["found"]
    assert "sluice setup" in found[-1]["found"]


def test_a_lake_that_does_not_answer_is_given_up_after_its_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(trial, "PROGRAM", "silent")
    (tried,) = trial.of_lake(SparkEngine(warehouse="/srv/lake", catalogue=REST).lake(), seconds=0.5)
    assert (tried.works, tried.step) == (False, trial.TrialStep.FILES)
    assert "no answer within" in tried.said


def test_setup_makes_the_block_from_the_environment_and_the_server_shows_no_secret(
    chosen: str, sluice: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"SLUICE_BLOCK_{chosen}_".replace("-", "_").upper()
    said = sluice("setup", "--yes", "--json")
    assert f"{variable}WAREHOUSE, {variable}CATALOGUE" in said.out
    monkeypatch.setenv(f"{variable}WAREHOUSE", str(tmp_path / "lake"))
    monkeypatch.setenv(f"{variable}CATALOGUE", "type=rest")
    said = sluice("setup", "--yes", "--json")
    assert any('expected texts by their names, as JSON: {"name": "value"}' in each["found"] for each in engine(said))
    monkeypatch.setenv(f"{variable}CATALOGUE", json.dumps(REST))
    monkeypatch.setenv(f"{variable}SECRETS", json.dumps({"token": TOKEN}))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))  # where there is no Java: the lake is not tried
    said = sluice("setup", "--yes", "--json")
    assert any(f"spark-engine/{chosen} was made (for the engine Spark)" in each["found"] for each in engine(said))
    again = sluice("setup", "--yes", "--json")
    assert any("exists, with the values of the environment" in each["found"] for each in engine(again))
    assert SparkEngine.load(chosen).lake().catalogue == {**REST, "token": TOKEN}
    monkeypatch.delenv(f"{variable}SECRETS")
    monkeypatch.setenv(f"{variable}MASTER", "spark://spark.example.com:7077")
    changed = sluice("setup", "--yes", "--json")
    assert any(f"spark-engine/{chosen} was changed" in each["found"] for each in engine(changed))
    lake = SparkEngine.load(chosen).lake()
    assert (lake.master, lake.catalogue["token"]) == ("spark://spark.example.com:7077", TOKEN)
    with get_client(sync_client=True) as client:
        held = client.read_block_document_by_name(chosen, "spark-engine", include_secrets=False)
    assert TOKEN not in str(held.data)
    assert TOKEN not in said.out + said.err + again.out + again.err + changed.out + changed.err


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("run", "tlc__zones"), "load batches and publish marts"),
        (("sql", "select 1"), "answer sluice sql"),
        (("diff",), "compare a change with what is published"),
        (("backup", "warehouse.dump"), "back up or restore its rows"),
        (("quarantine", "list"), "show, export, replay or release rejected rows"),
        (("connect",), "give other programs an address"),
        (("forget", "shop__orders"), "forget a dataset"),
        (("rollback",), "load batches and publish marts"),
    ],
)
def test_a_command_that_spark_cannot_do_yet_ends_with_one_message(
    chosen: str, sluice: Callable, command: tuple[str, ...], what: str
) -> None:
    said = sluice(*command)
    assert said.code == 5, said.err
    assert f"the engine 'spark' cannot {what}" in " ".join(said.err.split())
    assert "SLUICE_ENGINE=postgres" in said.err
    assert "Traceback" not in said.err


def test_status_reads_the_ledger_and_needs_no_spark(chosen: str, sluice: Callable) -> None:
    assert choice.spark_block() == chosen
    assert sluice("status").code == 0
