"""Which engine a project chooses, and what is said where it cannot do what is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.errors import ConfigError
from sluice.warehouse.engine import Capability
from sluice.warehouse.spark.connection import choice, machine

SPARK = '[warehouse]\nengine = "spark"\nspark_block = "lake"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sluice.toml of an empty project that this process works for, on the newest Python that Spark runs on."""
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(machine, "NEWEST_PYTHON", (3, 99))
    file = tmp_path / "sluice.toml"
    file.write_text("")
    return file


def test_postgresql_is_chosen_where_nothing_is_said_and_can_do_everything(project: Path) -> None:
    assert (choice.engine(), choice.spark_block()) == ("postgres", None)
    for capability in Capability:
        choice.need(capability)


def test_sluice_toml_chooses_and_the_environment_wins_over_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text(SPARK)
    assert choice.spark_block() == "lake"
    monkeypatch.setenv(choice.VARIABLE, "postgres")
    assert choice.spark_block() is None
    project.write_text('[warehouse]\nspark_block = "other"\n')
    monkeypatch.setenv(choice.VARIABLE, "spark")
    assert choice.spark_block() == "other"


def test_an_engine_that_does_not_exist_and_one_without_a_block_are_each_one_message(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(choice.VARIABLE, "duckdb")
    with pytest.raises(ConfigError, match=r"SLUICE_ENGINE='duckdb' is not valid: write 'postgres' or 'spark'"):
        choice.engine()
    monkeypatch.setenv(choice.VARIABLE, "spark")
    with pytest.raises(ConfigError, match=r'SLUICE_ENGINE=spark needs .*add spark_block = "NAME" under \[warehouse\]'):
        choice.spark_block()


def test_a_newer_python_is_refused_with_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text(SPARK)
    monkeypatch.setattr(machine, "NEWEST_PYTHON", (3, 10))
    with pytest.raises(
        ConfigError, match=r"needs Python 3\.10, and this is Python 3\.1\d.*pip install 'sluice-elt\[spark"
    ):
        choice.spark_block()
    monkeypatch.setenv(choice.VARIABLE, "postgres")
    assert choice.spark_block() is None


@pytest.mark.parametrize("capability", sorted(set(Capability) - choice.CAN))
def test_what_spark_cannot_do_is_one_message_that_names_it_and_what_can(project: Path, capability: Capability) -> None:
    project.write_text(SPARK)
    with pytest.raises(
        ConfigError, match=r"^the engine 'spark' cannot .* yet\. SLUICE_ENGINE=postgres.*docs/scale\.md"
    ):
        choice.need(capability)
