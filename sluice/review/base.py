"""The commit that the project is compared with: found by git, its files unpacked into a temporary folder."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluice.contract.errors import ConfigError
from sluice.project.paths import MARK

DEFAULTS = ("origin/main", "main", "origin/master", "master")  # the first of these that there is


@dataclass(frozen=True, slots=True)
class Base:
    """The project as it was.

    Attributes:
        ref: as the user named it, or one of DEFAULTS.
        commit: where this change leaves it: the newest commit that both have.
        root: the project's folder as it was then; None if there was no project yet.
        top: the folder of the whole repository as it was then.
    """

    ref: str
    commit: str
    root: Path | None
    top: Path

    def __str__(self) -> str:
        return f"{self.ref} ({self.commit[:10]})"


@contextmanager
def unpacked(root: Path, ref: str | None) -> Iterator[Base]:
    """The project as it was where this change leaves `ref`. Its files are there while the block runs.

    Raises:
        ConfigError: the project is not in a git repository, or git has no such commit.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel", why=f"{root} is not in a git repository"))
    ref = ref or _default(root)
    commit = _merge_base(root, ref)
    with tempfile.TemporaryDirectory(prefix="sluice-diff-") as folder:
        there = Path(folder).resolve()
        _unpack(top, commit, there)
        project = there / root.resolve().relative_to(top.resolve())
        yield Base(ref, commit, project if (project / MARK).is_file() else None, there)


def _default(root: Path) -> str:
    for name in DEFAULTS:
        if _ran(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").returncode == 0:
            return name
    raise ConfigError(f"git has none of {', '.join(DEFAULTS)} to compare with. Name a branch or commit: --base REF")


def _merge_base(root: Path, ref: str) -> str:
    known = _ran(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if known.returncode:
        raise ConfigError(f"git has no branch or commit {ref!r}. Fetch it, or name another: --base REF")
    why = (
        f"git finds no commit that HEAD and {ref} share. In a shallow clone, fetch the history first "
        "(of actions/checkout: fetch-depth: 0)"
    )
    return _git(root, "merge-base", "HEAD", known.stdout.decode().strip(), why=why)


def _unpack(top: Path, commit: str, folder: Path) -> None:
    """Without links that lead out of the folder: what they lead to is not the commit's."""
    call = ["git", "-C", str(top), "archive", "--format=tar", commit]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as git:
        assert git.stdout is not None
        assert git.stderr is not None
        try:
            with tarfile.open(fileobj=git.stdout, mode="r|") as archive:
                archive.extractall(folder, filter=_within)
        except tarfile.ReadError:
            said = git.stderr.read().decode(errors="replace").strip().splitlines() or ["it wrote no archive"]
            raise ConfigError(f"git cannot give the files of {commit[:10]}: {said[-1]}") from None


def _within(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    try:
        return tarfile.data_filter(member, folder)
    except tarfile.FilterError:
        return None


def _git(root: Path, *arguments: str, why: str) -> str:
    """What git prints.

    Raises:
        ConfigError: it fails, which means `why`.
    """
    done = _ran(root, *arguments)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(why + (f": git says: {said[0]}" if said else ""))
    return done.stdout.decode().strip()


def _ran(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise ConfigError("git is not installed, and sluice diff compares with a commit") from None
