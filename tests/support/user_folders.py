"""The folders of the user who runs the tests: others in their place for the whole suite, and a guard over them.

Every variable that names one is set to a temporary folder or unset, in this process and so in all that it starts. That
a test forgets it, or goes there anyway, fails: at once where this process opens a file there, and at the end of the run
where anything else did, for then names, sizes or times differ.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import ROOT

VARIABLES = ("SLUICE_", "PREFECT_", "DBT_", "XDG_", "PG")  # begin the names of those that say where something is
KEPT = ("SLUICE_REAL_DATA", "SLUICE_SEQUENCES")  # a folder that tests only read, and how many of them to run
PASSED_ON = "FOLDERS_OF_THE_USER"  # tells pytest-xdist's workers, whose home is a temporary one from the start
FILE_EVENTS = {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rmdir", "os.rename", "sqlite3.connect"}
OF_ANOTHER_FOLDER = {"os.mkdir", "os.remove", "os.rmdir", "os.rename"}  # the last argument is a folder, or -1
STOPPING_SECONDS = 30  # a keeper stops the embedded server after the last run ended

Seen = dict[str, tuple[int, int]]  # size in bytes and time of the last change in ns, by path


@dataclass(frozen=True, slots=True)
class UserFolders:
    """Where runs of this user in this checkout keep what is theirs.

    Attributes:
        home: the home folder. Too large, and too much used by others, to be watched but for the names in it.
        warehouse: Sluice's folder.
        watched: all folders and files in which nothing may change.
    """

    home: Path
    warehouse: Path
    watched: tuple[Path, ...]

    def look(self) -> Seen:
        """Everything in them, as it is now."""
        seen = {str(path): (0, 0) for path in self.home.iterdir()} if self.home.is_dir() else {}
        for path in self._everything():
            with suppress(FileNotFoundError):
                facts = path.lstat()
                seen[str(path)] = (facts.st_size, facts.st_mtime_ns)
        return seen

    def in_use(self, seconds: float = STOPPING_SECONDS) -> bool:
        """Whether a process still uses the warehouse in `seconds` from now: then its files change at any time."""
        deadline = time.monotonic() + seconds
        while self._users():
            if time.monotonic() > deadline:
                return True
            time.sleep(0.2)
        return False

    def _users(self) -> bool:
        with suppress(FileNotFoundError), (self.warehouse / "postgres" / "users.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _everything(self) -> Iterator[Path]:
        for place in self.watched:
            yield place
            for folder, folders, files in os.walk(place):
                yield from (Path(folder, name) for name in (*folders, *files))


def of_this_user() -> UserFolders:
    """The folders as the environment names them. To be asked before `replace`."""
    if passed_on := os.environ.get(PASSED_ON):
        home, warehouse, *watched = map(Path, passed_on.split(os.pathsep))
        return UserFolders(home, warehouse, tuple(watched))
    home = Path.home()
    warehouse = Path(os.environ.get("SLUICE_HOME") or ROOT / ".sluice").absolute()
    prefect = Path(os.environ.get("PREFECT_HOME") or home / ".prefect").expanduser().absolute()
    dbt = (ROOT / "dbt_project" / name for name in ("target", "logs", "dbt_packages", ".user.yml"))
    watched = {warehouse, ROOT / ".sluice", prefect, home / ".prefect", home / ".sluice", home / ".dbt", *dbt}
    if (link := warehouse / "postgres").is_symlink():  # where root keeps the data of a checkout
        watched.add(link.resolve())
    return UserFolders(home, warehouse, tuple(sorted(watched)))


def replace(theirs: UserFolders) -> Path:
    """Set every variable that names a folder of the user to a temporary one; gone when this process ends.

    Returns:
        The temporary home.
    """
    os.environ[PASSED_ON] = os.pathsep.join(map(str, (theirs.home, theirs.warehouse, *theirs.watched)))
    for name in [name for name in os.environ if name.startswith(VARIABLES) and name not in KEPT]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="sluice-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["HOME"] = str(home)
    os.environ["SLUICE_HOME"] = str(home / ".sluice")
    os.environ["PREFECT_HOME"] = str(home / ".prefect")
    (home / ".prefect").mkdir()
    return home


def settings() -> dict[str, str]:
    """The variables by which the programs under test are set, but for what the suite's own Prefect server sets."""
    begins = (*VARIABLES, "OPENLINEAGE")
    return {name: value for name, value in os.environ.items() if name.startswith(begins) and name != "PREFECT_API_URL"}


def differences(before: Seen, after: Seen) -> list[str]:
    """What was made, changed or removed: one line each."""
    kinds = (
        ("made", sorted(after.keys() - before.keys())),
        ("removed", sorted(before.keys() - after.keys())),
        ("changed", sorted(path for path in before.keys() & after.keys() if before[path] != after[path])),
    )
    return [f"{kind}: {path}" for kind, paths in kinds for path in paths]


class Guard:
    """Fails a test that opens a file of the user, and a run after which such a file is not as it was.

    A plugin, not a fixture: pytest-xdist's controller, which runs no tests, looks before its workers begin and after
    they end.
    """

    def __init__(self, theirs: UserFolders) -> None:
        self.theirs = theirs
        self.before: Seen | None = None
        self.problem = ""
        self.opened: set[str] = set()
        self._places = tuple(str(place) + os.sep for place in theirs.watched)
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.fsdecode(arguments[0])
            if not os.path.isabs(path):  # noqa: PTH117 - called for every file that is opened
                if (event in OF_ANOTHER_FOLDER and arguments[-1] != -1) or (event == "open" and arguments[1] is None):
                    return  # relative to a folder that is open, as in shutil.rmtree; of os.open it is not told
                path = os.path.abspath(path)  # noqa: PTH100
            if f"{path}{os.sep}".startswith(self._places):
                self.opened.add(path)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if not hasattr(session.config, "workerinput"):
            if self.theirs.in_use():
                raise pytest.UsageError(
                    f"a process uses the warehouse in {self.theirs.warehouse}, and what it changes there looks like a "
                    "test's doing. End it (sluice up, sluice run), and start the tests again."
                )
            self.before = self.theirs.look()

    def pytest_runtest_setup(self) -> None:
        self.opened.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        yield
        assert not self.opened, f"this test opened files of the user who runs it: {listed(self.opened)}"

    @pytest.hookimpl(trylast=True)  # after the last fixture, and the last worker, is down
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.before is not None and (changed := differences(self.before, self.theirs.look())):
            self.problem = f"files of the user who runs the tests are not as they were: {listed(changed)}"
        if self.problem:
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.problem:
            terminalreporter.section("the user's folders", sep="=", red=True)
            terminalreporter.write_line(self.problem)


def listed(lines: Iterable[str]) -> str:
    """At most 20 of them, one a line."""
    lines = sorted(lines)
    more = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
    return "".join(f"\n  {line}" for line in [*lines[:20], *more])
