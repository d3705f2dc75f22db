"""The guard over the folders of the user who runs the tests, in suites of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

CONFTEST = """
from pathlib import Path
from tests.support.user_folders import Guard, UserFolders

def pytest_configure(config):
    home = Path({home!r})
    config.pluginmanager.register(Guard(UserFolders(home, home / ".sluice", (home / ".sluice",))))
"""
WRITE_IN_A_CHILD = "import subprocess\ndef test_it():\n    subprocess.run(['touch', {file!r}], check=True)\n"
READ = "from pathlib import Path\ndef test_it():\n    Path({file!r}).read_bytes()\n"
LOOK_AROUND = "import os\ndef test_it():\n    os.listdir({folder!r})\n"
NOTHING = "def test_it():\n    pass\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a warehouse in it."""
    (tmp_path / "home" / ".sluice" / "site").mkdir(parents=True)
    (tmp_path / "home" / ".sluice" / "site" / "index.html").write_text("as it was")
    return tmp_path / "home"


def suite(home: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A suite of one test, under the guard."""
    folder = home.parent / "suite"
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST.format(home=str(home)))
    file = home / ".sluice" / "site" / "index.html"
    (folder / "test_it.py").write_text(test.format(file=str(file), folder=str(file.parent)))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", *options, str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("test", "options"), [(READ, ()), (LOOK_AROUND, ("--numprocesses", "2"))])
def test_a_test_that_opens_a_file_of_the_user_fails(home: Path, test: str, options: tuple[str, ...]) -> None:
    done = suite(home, test, *options)
    assert done.returncode == 1, done.stdout
    assert "this test opened files of the user who runs it" in done.stdout
    assert f"{home}/.sluice/site" in done.stdout


@pytest.mark.parametrize("options", [(), ("--numprocesses", "2")], ids=["one process", "workers"])
def test_a_run_in_which_anything_changed_a_file_of_the_user_fails(home: Path, options: tuple[str, ...]) -> None:
    done = suite(home, WRITE_IN_A_CHILD, *options)
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout
    assert f"changed: {home}/.sluice/site/index.html" in done.stdout


def test_a_new_name_in_the_home_fails_a_run_and_nothing_new_does_not(home: Path) -> None:
    done = suite(home, NOTHING)
    assert done.returncode == 0, done.stdout
    test = WRITE_IN_A_CHILD.replace("{file!r}", repr(str(home / ".new")))
    (home.parent / "suite").rename(home.parent / "suite before")
    done = suite(home, test)
    assert done.returncode == 1, done.stdout
    assert f"made: {home}/.new" in done.stdout


@pytest.mark.long
def test_a_warehouse_that_is_in_use_is_refused_before_the_first_test(home: Path) -> None:
    (home / ".sluice" / "postgres").mkdir()
    lock = home / ".sluice" / "postgres" / "users.lock"
    lock.touch()
    with subprocess.Popen(["flock", "--shared", lock, "sleep", "300"], start_new_session=True) as user:
        try:
            done = suite(home, NOTHING)
        finally:
            os.killpg(user.pid, 9)
    assert done.returncode == 4, done.stdout
    assert "End it (sluice up, sluice run), and start the tests again." in done.stderr


def test_every_folder_of_a_run_is_a_temporary_one_here(tmp_path: Path) -> None:
    from sluice.project import paths

    temporary = Path.home()
    assert temporary.name.startswith("sluice-tests-")
    assert {paths.home().parent, paths.prefect_home().parent} == {temporary}
