"""The pages of the documentation leave nothing out."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator

import pytest
import typer
import yaml

import sluice
from sluice.cli.app import app
from sluice.cli.exit_codes import MEANINGS
from sluice.contract.errors import SluiceError
from sluice.ledger.tables import metadata
from sluice.project.settings import KEYS
from tests.support.repository import ROOT

DOCS = ROOT / "docs"
COMMAND = typer.main.get_command(app)
VARIABLE = re.compile(r'"(SLUICE_[A-Z_]*[A-Z])"')
# What Sluice sets for its own processes, for dbt's profile and for dbt's sources
INTERNAL = (
    *("SLUICE_DBT_BUILD", "SLUICE_DBT_RIGHT", "SLUICE_DBT_SCHEMA", "SLUICE_DBT_SIDE", "SLUICE_OPS_SCHEMA"),
    *("SLUICE_PG_DATABASE", "SLUICE_PG_HOST", "SLUICE_PG_PORT", "SLUICE_PG_USER", "SLUICE_STARTED_BY"),
    *("SLUICE_TEMPORARY_SERVER", "SLUICE_UP"),
)


def test_every_public_name_is_on_the_page_of_python() -> None:
    page = (DOCS / "reference/python.md").read_text()
    assert [name for name in sluice.__all__ if f".{name}\n" not in page and f"| `{name}` |" not in page] == []


def test_every_key_of_sluice_toml_is_on_its_page() -> None:
    page = (DOCS / "reference/sluice-toml.md").read_text()
    assert [key for table, keys in KEYS.items() for key in keys if key not in page or f"[{table}]" not in page] == []


def test_every_variable_of_the_environment_that_a_user_may_set_is_on_its_page() -> None:
    page = (DOCS / "reference/sluice-toml.md").read_text()
    names = {found for path in (ROOT / "sluice").rglob("*.py") for found in VARIABLE.findall(path.read_text())}
    assert sorted(name for name in names if f"`{name}`" not in page) == sorted(INTERNAL)


def test_every_module_and_test_that_a_decision_names_is_there() -> None:
    named = {
        found: path.name
        for path in sorted((DOCS / "decisions").glob("*.md"))
        for found in re.findall(r"`((?:sluice|tests|benchmarks)/[\w./]+)`", path.read_text())
    }
    assert len(named) > 20
    assert {found: page for found, page in named.items() if not (ROOT / found).exists()} == {}


def test_every_page_is_in_the_navigation() -> None:
    nav = str(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = [*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")]
    assert [str(page) for page in pages if page.relative_to(DOCS).as_posix() not in nav] == []


def test_every_exit_code_is_in_the_table_of_codes_in_the_readme_and_in_the_help() -> None:
    table = re.findall(r"^\| ([0-9, ]+) \|", (DOCS / "schedulers.md").read_text(), re.MULTILINE)
    assert {int(code) for row in table for code in row.split(", ")} == set(MEANINGS)
    of_errors = {error.exit_code for error in every_kind(SluiceError)}
    assert of_errors | {0, 130, 143} == set(MEANINGS)
    sentence = (ROOT / "README.md").read_text().split("exit codes: ")[1].split(".\n")[0]
    assert {int(code) for code in re.findall(r"\b(\d+) ", sentence)} == of_errors | {0}
    assert all(f"{code} {what}" in COMMAND.epilog for code, what in MEANINGS.items())


def every_kind(error: type[SluiceError]) -> Iterator[type[SluiceError]]:
    yield error
    for kind in error.__subclasses__():
        yield from every_kind(kind)


def test_every_table_and_column_of_ops_has_a_description() -> None:
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "site/hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    assert set(hooks.OPS) == {table.name for table in metadata.tables.values()}
    columns = [column for table in metadata.tables.values() for column in table.columns]
    assert [str(column) for column in columns if not column.comment] == []


def commands(command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command that does something, by its words."""
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))
    if path and (not hasattr(command, "commands") or command.invoke_without_command):
        yield path, command


ALL = dict(commands(COMMAND))


def test_the_object_that_each_command_prints_as_json_is_on_the_page_of_json() -> None:
    page = (DOCS / "json.md").read_text()
    with_json = {path for path, each in ALL.items() if any("--json" in option.opts for option in each.params)}
    on_page = {tuple(words.split()) for words in re.findall(r"`(?:sluice )?([a-z ]+)(?: --json)?`", headings(page))}
    assert on_page | {("sql",)} == with_json
    assert "`sluice sql --json` prints" in page


def test_the_tutorial_installs_with_the_constraint_that_the_guide_of_installing_gives() -> None:
    [line] = re.findall(r"`constraints\.txt`:\n\n```\n(.+)\n```", (DOCS / "setup.md").read_text())
    assert f"echo '{line}' > constraints.txt\n" in (DOCS / "tutorial.md").read_text()


def headings(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if line.startswith("## "))


def named() -> Iterator[tuple[str, str]]:
    """Guide and text of each command of Sluice that a guide names, in a block or within a line."""
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), ROOT / "sluice/project/init/starter/README.md"]:
        text = path.read_text()
        blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()]
        spans = [
            " ".join(span.split()) for span in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        ]
        for line in [*lines, *spans]:
            if found := re.match(r"(?:\$ |[A-Z_]+=\S+ )*(sluice [a-z].*)", line.strip()):
                yield path.name, found[1]


@pytest.mark.parametrize(("guide", "line"), sorted(set(named())))
def test_each_command_of_a_guide_is_one_that_sluice_has_with_its_options(guide: str, line: str) -> None:
    words = shlex.split(line.split("  #")[0].replace("...", "").split(" | ")[0].split(" > ")[0], comments=True)[1:]
    command, at = COMMAND, 0
    while words[at:] and words[at] in getattr(command, "commands", {}):
        command, at = command.commands[words[at]], at + 1
    assert at, f"{guide}: sluice has no command {words[0]!r}"
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word.split("=")[0] for word in words[at:] if word.startswith("-")} - {"-h", "--help", "--"} <= options
