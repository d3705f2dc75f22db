"""Fingerprints of what a load is made by: Sluice's code and the dbt project."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from sluice.project import paths

ENGINE = Path(__file__).parents[1]
PROJECT_FILES = (".sql", ".yml", ".csv", ".md")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same values, ten times as fast
NOT_PROJECT = {"target", "logs", "dbt_packages"}
# Comments of Jinja and of SQL, but not what looks like one within quotes, which stays (group 1).
_COMMENTS_OF_SQL = re.compile(
    r"""\{\#.*?\#\}|--[^\n]*|/\*.*?\*/|('(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$.*?\$\$)""", re.DOTALL
)
_COMMENTS_OF_MARKDOWN = re.compile(r"<!--.*?-->", re.DOTALL)


@cache
def code() -> str:
    """Sluice's version, and twelve hexadecimal digits over its source: `0.1.0+3fa85f6457ab`."""
    digest = _digest(ENGINE, sorted(ENGINE.rglob("*.py")))
    try:
        return f"{version('sluice-elt')}+{digest[:12]}"
    except PackageNotFoundError:  # run from a folder, installed nowhere
        return digest[:12]


def project(root: Path | None = None) -> str:
    """Fingerprint of the dbt project, or of one in another folder: of what is built, not of how files are laid out.

    Comments, headers of generated files (which name the version of Sluice that wrote them) and blank lines are left
    out, so that a new version of Sluice, or a word of explanation, does not build the marts again.
    """
    root = root or paths.dbt_project()
    return _project(root, tuple((file, _stamp(file)) for file in project_files(root)))


def project_files(root: Path | None = None) -> list[Path]:
    """The own files of the dbt project, or of the one in another folder, in order."""
    found = []
    for above, folders, names in os.walk(root or paths.dbt_project()):
        folders[:] = [name for name in folders if name not in NOT_PROJECT]
        own = [name for name in names if not name.startswith(".")]  # such as .user.yml, by which dbt knows a machine
        found += [Path(above, name) for name in own if name.endswith(PROJECT_FILES)]
    return sorted(found)


def _stamp(file: Path) -> tuple[int, ...]:
    """What of a file changes when it is written or replaced."""
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


@lru_cache(maxsize=4)
def _project(root: Path, stamps: tuple[tuple[Path, tuple[int, ...]], ...]) -> str:
    """Asked for each load of a night, and for thousands of a backlog: files are read again only where one changed."""
    digest = sha256()
    for file, _ in stamps:
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + meaning(file) + b"\0")
    return digest.hexdigest()


def meaning(file: Path) -> bytes:
    """A file's content without comments. One that cannot be read as what it is counts as it is."""
    content = file.read_bytes()
    try:
        match file.suffix:
            case ".yml":
                return json.dumps(yaml.load(content, LOADER), default=str).encode()
            case ".sql":
                text = _COMMENTS_OF_SQL.sub(lambda found: found[1] or " ", content.decode())
            case ".md":
                text = _COMMENTS_OF_MARKDOWN.sub("", content.decode())
            case _:
                return content
    except (UnicodeDecodeError, yaml.YAMLError):
        return content
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode()


def _digest(root: Path, files: Iterable[Path]) -> str:
    digest = sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
