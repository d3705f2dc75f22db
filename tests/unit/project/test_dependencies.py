"""What pyproject.toml and the lock promise of the packages that Sluice stands on. Asks no index."""

from __future__ import annotations

import importlib.util
import tomllib
from datetime import date

import pytest
from packaging.requirements import Requirement

from tests.support.repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPENDENCIES = {requirement.name: requirement for requirement in map(Requirement, PROJECT["project"]["dependencies"])}
CEILINGS = PROJECT["tool"]["sluice"]["ceilings"]
LOCKS = ("runtime.txt", "buckets.txt", "dev.txt")


def below(requirement: Requirement) -> set[str]:
    """What bounds a requirement from above."""
    return {str(each) for each in requirement.specifier if each.operator in ("<", "<=", "==", "~=", "===", "!=")}


def locked(name: str) -> dict[str, str]:
    """Versions by package of one file of the lock."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line.rstrip(" \\")) for line in lines if line and line[0] not in " #"]
    return {each.name: next(iter(each.specifier)).version for each in found}


def test_every_ceiling_has_a_reason_a_date_and_tests_and_no_reason_is_left_over() -> None:
    assert {name for name, requirement in DEPENDENCIES.items() if below(requirement)} == set(CEILINGS)
    for name, ceiling in CEILINGS.items():
        assert ceiling["why"], name
        assert isinstance(ceiling["since"], date), name
        assert ceiling["tests"], name
        assert [each for each in ceiling["tests"] if not (ROOT / each).exists()] == [], name


def test_what_prefect_s_own_metadata_holds_has_no_second_ceiling_here() -> None:
    assert not {"fastapi"} & set(DEPENDENCIES)
    assert not {"apprise", "sqlalchemy", "sqlglot"} & set(CEILINGS)


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_within_the_ranges_and_leaves_out_what_nobody_needs(name: str) -> None:
    versions = locked(name)
    for requirement in DEPENDENCIES.values():
        assert versions[requirement.name.lower()] in requirement.specifier, requirement
    assert versions["dbt-core"].startswith("1.12.")
    assert "dbt-core-experimental-parser" not in versions
    assert not {"dbt-colibri"} & set(versions)
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text, "an address of an index"


def test_every_package_of_every_lock_has_hashes_and_no_address() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        packages = [part for part in text.replace("\\\n", " ").splitlines() if part.strip() and part[0] not in " #"]
        assert packages, path
        assert [each for each in packages if "--hash=sha256:" not in each] == [], path
        assert "://" not in text, path


def test_the_extra_spark_is_for_python_3_11_and_its_lock_adds_to_that_of_the_tests() -> None:
    wanted = list(map(Requirement, PROJECT["project"]["optional-dependencies"]["spark"]))
    versions, others = locked("spark.txt"), locked("dev.txt")
    for requirement in wanted:
        assert versions[requirement.name.lower()] in requirement.specifier, requirement
        for python, meant in (("3.11", True), ("3.12", False), ("3.13", False)):
            assert requirement.marker.evaluate({"python_version": python}) is meant, requirement
    assert not set(versions) & set(others)


def test_advisories_that_no_source_knows_are_not_taken_for_none(monkeypatch, capsys) -> None:
    spec = importlib.util.spec_from_file_location("advisories", ROOT / "requirements" / "advisories.py")
    advisories = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(advisories)
    skipped = {"name": "wrapt", "skip_reason": "not found"}
    safe = {"name": "rich", "version": "15", "vulns": []}
    hit = {"name": "jinja2", "version": "3", "vulns": [{"id": "CVE-1", "fix_versions": ["3.1"]}]}
    for answers, code, words in [
        (["no route to host", "no route to host"], 3, "nothing is known about these packages"),
        ([[skipped], "no route to host"], 3, "has advisories for none of the 1 packages"),
        ([[safe, skipped]], 0, "0 known vulnerabilities in 1 packages, by the package index.\nNot known there: wrapt"),
        (["no route to host", [safe, hit]], 2, "jinja2 3: CVE-1, fixed in 3.1"),
    ]:
        said = iter(answers)
        monkeypatch.setattr(advisories, "ask", lambda *_, said=said: next(said))
        assert advisories.main(["runtime.txt"]) == code
        shown = capsys.readouterr()
        assert words in shown.out + shown.err
