"""`sluice init --dbt`: what is added beside a dbt project, which line is changed, and what is refused."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from sluice.cli.app import app
from sluice.project import paths
from tests.support import dbt_shop

MACRO = "transform/macros/sluice/schemas_of_sides.sql"


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def init(root: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["init", str(root), "--dbt", str(root / "transform"), *more])


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a team's dbt project; nobody's ~/.dbt is looked into."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    dbt_shop.make(tmp_path / "team")
    return tmp_path / "team"


def test_marked_files_are_added_and_no_file_of_the_project_is_changed(team: Path) -> None:
    before = files(team)
    done = init(team)
    assert done.exit_code == 0, done.output
    after = files(team)
    assert {name: after[name] for name in before} == before
    added = {name: text for name, text in after.items() if name not in before}
    workflow = ".github/workflows/sluice-diff.yml"
    assert set(added) == {"sluice.toml", "profiles/profiles.yml", ".sluice/.gitignore", workflow}
    assert all("Written by `sluice init --dbt`" in text for text in added.values())
    profile = yaml.safe_load(added["profiles/profiles.yml"])["acme_warehouse"]
    assert {"embedded", "postgres", "prod"} <= set(profile["outputs"])
    assert paths.project_in(team).folder("dbt_project") == team / "transform"


@pytest.mark.parametrize(
    ("outputs", "schema"),
    [
        ("prod: {type: postgres, schema: analytics}, dev: {type: postgres, schema: dbt_ada}", "analytics"),
        ("dev: {type: postgres, schema: analytics}", "analytics"),
        ("dev: {type: postgres, schema: dbt_ada}, ci: {type: postgres, schema: ci}", "marts"),
        ("prod: {type: postgres, schema: \"{{ env_var('SCHEMA') }}\"}", "marts"),
        ("prod: {type: postgres, schema: public}", "marts"),
        ("prod: {type: postgres}", "marts"),
    ],
)
def test_the_marts_are_in_the_schema_of_production(team: Path, outputs: str, schema: str) -> None:
    (team / "transform/profiles.yml").write_text(f"acme_warehouse:\n  target: dev\n  outputs: {{{outputs}}}\n")
    assert init(team).exit_code == 0
    settings = paths.project_in(team).settings
    assert (settings.schemas.marts, settings.schemas.staging) == (schema, "sluice_staging")
    assert settings.dbt_target == ("prod" if "prod:" in outputs else None)


def test_the_line_to_change_is_shown_and_changed_only_with_patch_which_adds_the_macro(team: Path) -> None:
    line = "{% macro generate_schema_name(custom_schema_name, node) -%}"
    new = "{% macro project_schema_name(custom_schema_name, node) -%}"
    shown = init(team)
    assert f"-{line}\n+{new}" in shown.output
    assert "apply it: add --patch" in shown.output
    own = team / "transform/macros/generate_schema_name.sql"
    before = own.read_text()
    assert line in before
    assert not (team / MACRO).exists()  # two macros of one name would break the project

    assert init(team, "--patch").exit_code == 0
    assert own.read_text() == before.replace(line, new)
    assert "Sluice's own: written by `sluice init --dbt`" in (team / MACRO).read_text()
    after = files(team)
    again = init(team, "--patch")
    assert (again.exit_code, files(team)) == (0, after)


def test_the_patch_keeps_the_ends_of_lines(team: Path) -> None:
    own = team / "transform/macros/generate_schema_name.sql"
    before = own.read_bytes().replace(b"\n", b"\r\n")
    own.write_bytes(before)
    assert init(team, "--patch").exit_code == 0
    assert own.read_bytes() == before.replace(b"macro generate_schema_name", b"macro project_schema_name")


def test_a_macro_that_cannot_be_patched_leaves_nothing_written(team: Path) -> None:
    own = team / "transform/macros/generate_schema_name.sql"
    text, before = own.read_bytes(), set(files(team))
    own.write_bytes(text + "{# Schlüssel #}".encode("latin-1"))
    refused = init(team, "--patch")
    assert f"{own} is not UTF-8" in str(refused.exception)
    own.write_bytes(text)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # as on a full disk
    try:
        refused = init(team, "--patch")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"{own} cannot be changed: File too large. Nothing was written" in str(refused.exception)
    assert (own.read_bytes(), set(files(team))) == (text, before)


def test_dbt_run_by_hand_builds_apart_from_what_readers_have(team: Path) -> None:
    init(team, "--patch")
    assert "env_var('SLUICE_DBT_SIDE', '__dev')" in (team / MACRO).read_text()


def test_a_project_without_a_macro_of_its_own_gets_sluice_s_at_once(team: Path) -> None:
    (team / "transform/macros/generate_schema_name.sql").unlink()
    assert "macro generate_schema_name" not in init(team).output
    assert (team / MACRO).exists()


def test_a_project_that_is_not_dbt_s_or_not_on_postgresql_is_refused_and_nothing_is_written(team: Path) -> None:
    profiles = team / "transform" / "profiles.yml"
    profiles.write_text("acme_warehouse: {target: prod, outputs: {prod: {type: snowflake}}}\n")
    before = files(team)
    refused = init(team)
    assert (refused.exit_code, "the dbt project is for snowflake" in str(refused.exception)) == (1, True)
    assert files(team) == before
    elsewhere = CliRunner().invoke(app, ["init", str(team), "--dbt", str(team)])
    assert "is not a dbt project: it has no dbt_project.yml" in str(elsewhere.exception)
    assert files(team) == before
