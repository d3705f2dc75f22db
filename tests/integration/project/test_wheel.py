"""What somebody gets who installs the wheel: every step from an empty folder to marts, on each interpreter found.

Once as the resolver chooses versions where only a package index can be reached, with the constraint of docs/setup.md;
on the required interpreter also from the lock, which has a newer dbt.

Needs a package index, and minutes: these tests are `long`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deliveries import parcels
from tests.support.repository import ROOT

pytestmark = pytest.mark.long

REQUIRED, SUPPORTED = "3.11", ("3.11", "3.12", "3.13")
CONSTRAINT, LOCK = "constraint", "lock"
WAYS = [*((version, CONSTRAINT) for version in SUPPORTED), (REQUIRED, LOCK)]
DBT = {CONSTRAINT: "1.11", LOCK: "1.12"}
# What the unit tests ask for beyond the wheel.
FOR_TESTS = (
    *("pytest", "pytest-xdist", "pytest-httpserver", "hypothesis", "aiosmtpd"),
    *("ruff", "pre-commit", "open-data-contract-standard"),
)


def interpreter(wanted: str) -> str | None:
    """An interpreter of this version: on PATH, or installed beside the one that runs the tests."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{wanted}.*/bin/python{wanted}"))
    candidates = [sys.executable, shutil.which(f"python{wanted}"), *map(str, beside)]
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for each in filter(None, candidates):
        said = subprocess.run([each, "-c", ask], capture_output=True, text=True)
        if said.stdout.strip() == wanted:
            return each
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module", params=WAYS, ids=" by the ".join)
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of programs of a new virtual environment with the wheel."""
    version, way = request.param
    found = interpreter(version)
    if found is None:
        assert version != REQUIRED, f"no Python {REQUIRED} was found"
        pytest.skip(f"no Python {version} was found: the wheel was not tried on it")
    folder = tmp_path_factory.mktemp(f"python{version}")
    subprocess.run([found, "-m", "venv", str(folder / "venv")], check=True)
    programs = folder / "venv/bin"
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
    if way == LOCK:
        subprocess.run(
            [*pip, "--require-hashes", "--no-deps", "-r", str(ROOT / "requirements/runtime.txt")], check=True
        )
        subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    else:
        guide = (ROOT / "docs/setup.md").read_text(encoding="utf-8")
        [line] = re.findall(r"`constraints\.txt`:\n\n```\n(.+)\n```", guide)
        (folder / "constraints.txt").write_text(line + "\n")
        subprocess.run([*pip, "-c", str(folder / "constraints.txt"), str(wheel)], check=True)
    ask = [str(programs / "python"), "-c", "from importlib.metadata import version; print(version('dbt-core'))"]
    assert subprocess.run(ask, check=True, capture_output=True, text=True).stdout.startswith(DBT[way])
    yield programs
    shutil.rmtree(folder, ignore_errors=True)


def test_from_an_empty_folder_to_published_marts(installed: Path, tmp_path: Path) -> None:
    for name in ("contracts", "flows"):  # packages of the user's that have these names already
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('another package')\n")
    home = tmp_path / "user"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "PREFECT_", "DBT_"))},
        "HOME": str(home),
    }
    home.mkdir()

    def sluice(*arguments: str, cwd: Path, code: int = 0) -> str:
        command = [str(installed / "sluice"), *arguments]
        said = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        assert said.returncode == code, said.stdout + said.stderr
        assert "Traceback" not in said.stderr
        return said.stdout + said.stderr

    assert "sluice init" in sluice("status", cwd=tmp_path, code=5)
    sluice("init", "shop", cwd=tmp_path)
    shop = tmp_path / "shop"
    parcels(shop / "orders_2024-01.csv")
    sluice("new", "shop", "orders", "--from", "orders_2024-01.csv", cwd=shop)
    assert "published" in sluice("run", cwd=shop)
    assert "120" in sluice("sql", "select count(*) from marts.fct_shop__orders", cwd=shop)
    assert (shop / ".sluice/site/index.html").exists()
    assert "Nothing new" in sluice("run", cwd=shop)
    assert "up to date" in sluice("derive", "--check", cwd=shop)
    subprocess.run(
        [str(installed / "dbt"), "parse", "--project-dir", "dbt_project", "--profiles-dir", "profiles"],
        cwd=shop,
        env=environment,
        check=True,
        capture_output=True,
    )
    program = "from sluice.project.paths import home; from sluice.warehouse import embedded; embedded.remove(home())"
    subprocess.run([str(installed / "python"), "-c", program], cwd=shop, env=environment, check=True)


def test_the_example_is_the_project_of_this_repository(installed: Path, tmp_path: Path) -> None:
    subprocess.run([str(installed / "sluice"), "init", "taxi", "--example", "taxi"], cwd=tmp_path, check=True)
    for folder in ("contracts", "flows", "dbt_project/models", "dbt_project/macros", "profiles"):
        theirs = {path.relative_to(ROOT): path.read_bytes() for path in (ROOT / folder).rglob("*") if path.is_file()}
        for path, content in theirs.items():
            if "__pycache__" not in path.parts and path.name != "__init__.py":
                assert (tmp_path / "taxi" / path).read_bytes() == content, path
    derive = [str(installed / "sluice"), "derive", "--check"]
    subprocess.run(derive, cwd=tmp_path / "taxi", check=True)


def test_the_unit_tests_pass_on_this_interpreter(installed: Path) -> None:
    python = str(installed / "python")
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    if subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip() == REQUIRED:
        return  # that is the suite itself
    subprocess.run([python, "-m", "pip", "install", "--quiet", *FOR_TESTS], check=True)
    command = [python, "-m", "pytest", "tests/unit", "-q", "-n", "2", "-p", "no:cacheprovider"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout[-5000:]
