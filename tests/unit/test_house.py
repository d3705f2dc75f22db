"""The shape of the engine: rooms that can be read at a glance, and libraries that only their own rooms know.

The order of the rooms is import-linter's (pyproject.toml); this holds what it has no words for.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

ENGINE = ROOT / "sluice"
MODULES = sorted(ENGINE.rglob("*.py"))
MOST_MODULES, MOST_LINES = 10, 250

DRIVER = ("psycopg2", "pgpq")
KNOWS_DRIVER = {
    "warehouse/postgres",
    "warehouse/postgres/rows",
    "warehouse/embedded",
    "marts/dbt",  # cancels dbt's queries
    "doctor",  # tells a missing right from other errors
    "setup",  # and a table that is in use
}
PREFECT = ("prefect", "prefect_sqlalchemy")
KNOWS_PREFECT = {
    *("steps", "runs", "site", "marts/dbt", "alerts", "source", "server", "server/api", "setup"),
    *("doctor", "cli/output"),
    *("warehouse", "warehouse/spark/connection"),  # the connector block, and that of Spark
}


def folder_of(module: Path) -> str:
    return str(module.parent.relative_to(ENGINE))


def imported(module: Path) -> Iterator[str]:
    """Full names of what a module imports anywhere in it, but for types."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize("folder", sorted({module.parent for module in MODULES}), ids=lambda f: f.name)
def test_a_folder_has_at_most_ten_modules(folder: Path) -> None:
    found = [module.name for module in folder.glob("*.py") if module.name not in ("__init__.py", "__main__.py")]
    assert len(found) <= MOST_MODULES, found


def test_a_module_has_at_most_250_lines() -> None:
    long = {str(m.relative_to(ROOT)): len(m.read_text(encoding="utf-8").splitlines()) for m in MODULES}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize(("library", "rooms"), [(DRIVER, KNOWS_DRIVER), (PREFECT, KNOWS_PREFECT)])
def test_a_library_is_known_in_its_rooms_only(library: tuple[str, ...], rooms: set[str]) -> None:
    strangers = {
        str(module.relative_to(ROOT))
        for module in MODULES
        if folder_of(module) not in rooms and any(name.split(".")[0] in library for name in imported(module))
    }
    assert strangers == set()


def test_a_name_of_a_public_class_is_of_one_class() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(module.relative_to(ROOT)))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {".".join(m.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): m for m in MODULES}
    del names["sluice"]  # its public names are found when they are used, from any room
    waiting = {name: {each for each in imported(module) if each in names} - {name} for name, module in names.items()}
    for found in waiting.values():  # of `from sluice.marts import build`, the package is not what is wanted
        found -= {each for each in found if any(other.startswith(f"{each}.") for other in found)}
    while free := [name for name, found in waiting.items() if not found]:
        for name in free:
            del waiting[name]
        for found in waiting.values():
            found.difference_update(free)
    assert sorted(waiting) == []


def test_only_one_module_finds_the_project_by_a_path() -> None:
    own = {
        "sluice/project/fingerprints.py",
        "sluice/project/init/template.py",
        "sluice/warehouse/embedded/root_user.py",
    }  # of the package's code, of a wheel
    climbing = {str(m.relative_to(ROOT)) for m in MODULES if ".parents[" in m.read_text(encoding="utf-8")}
    assert climbing <= own
