"""Where things are: the project (contracts, flows, dbt project, profiles), Sluice's home, Prefect's home.

A project is the nearest folder upward from the working directory that holds a `sluice.toml`, or the one that
SLUICE_PROJECT names. No other module knows where a project's files lie. Imports nothing slow.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from sluice.contract.errors import ConfigError
from sluice.project import settings
from sluice.project.settings import FOLDERS, Settings

MARK = settings.FILE
VARIABLE = "SLUICE_PROJECT"
TEMPORARY_SERVER = "SLUICE_TEMPORARY_SERVER"  # environment variable: the API of the one that a command started


@dataclass(frozen=True, slots=True)
class Project:
    """The folders of one project. `settings` is its sluice.toml."""

    root: Path
    settings: Settings

    def folder(self, name: str) -> Path:
        """One of FOLDERS, where `[paths]` in sluice.toml does not name another."""
        return self.root / self.settings.folders.get(name, FOLDERS[name])


def project() -> Project:
    """The project that this process works for.

    Raises:
        ConfigError: there is none here, SLUICE_PROJECT names none, or its sluice.toml cannot be read.
    """
    return project_in(root())


def root() -> Path:
    """The folder of the project. Raises as `project`."""
    if named := os.environ.get(VARIABLE):
        folder = Path(named).expanduser().absolute()
        if not (folder / MARK).is_file():
            raise ConfigError(f"{VARIABLE} names {folder}, which has no {MARK}. Make it one: sluice init {folder}")
        return folder
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARK).is_file():
            return folder
    raise ConfigError(f"{here} is not in a Sluice project: no {MARK} here or above. Create a project: sluice init NAME")


@cache
def _read(folder: Path, _changed: int) -> Project:
    return Project(folder, settings.read(folder / MARK))


def project_in(folder: Path) -> Project:
    """The project whose sluice.toml is in this folder. Raises ConfigError where it cannot be read."""
    return _read(folder, (folder / MARK).stat().st_mtime_ns)


def contracts_folder() -> Path:
    """Where the contract files are."""
    return project().folder("contracts")


def flows_folder() -> Path:
    """Where the project's own flows are."""
    return project().folder("flows")


def dbt_project() -> Path:
    """The dbt project."""
    return project().folder("dbt_project")


def profiles() -> Path:
    """dbt's profiles."""
    return project().folder("profiles")


def home() -> Path:
    """Sluice's folder for data: SLUICE_HOME, or `.sluice` beside sluice.toml."""
    if named := os.environ.get("SLUICE_HOME"):
        return Path(named).absolute()
    return root() / ".sluice"


def make_home(folder: Path) -> None:
    """Create Sluice's folder and those above it.

    Raises:
        ConfigError: it cannot be created or written.
    """
    problem = "it is not writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror or str(error)
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigError(f"Sluice's folder {folder} cannot be used: {problem}. Set SLUICE_HOME to one that can")


def open_lock(path: Path) -> IO[bytes]:
    """A file to hold a lock on, which other users cannot even open: who opens a file can lock it.

    Raises:
        ConfigError: it cannot be made, or belongs to another user.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if os.fstat(number).st_mode & 0o077:  # made by an older version, or under another umask
            os.fchmod(number, 0o600)
        return os.fdopen(number, "r+b", buffering=0)
    except OSError as error:
        raise ConfigError(f"the lock file {path} cannot be used: {error.strerror}") from None


def is_temporary(api: str | None) -> bool:
    """Whether Prefect's API at this address, or at none that is set, ends with the command that started it."""
    return api is None or api == os.environ.get(TEMPORARY_SERVER)


def prefect_home() -> Path:
    """Where Prefect keeps its profiles, results, and the database of a temporary server."""
    return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()


def make_prefect_home() -> None:
    """Create Prefect's folder and those above it, which Prefect does not; its server then waits two minutes in vain.

    Raises:
        ConfigError: it cannot be created or written.
    """
    folder, problem = prefect_home(), "it is not writable"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        problem = error.strerror or str(error)
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigError(f"Prefect's folder {folder} cannot be used: {problem}. Set PREFECT_HOME to one that can")
