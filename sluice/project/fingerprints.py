"""Fingerprints of what a load is made by: Sluice's code and the dbt project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from sluice.project import paths

ENGINE = Path(__file__).parents[1]
PROJECT_FILES = ("*.sql", "*.yml", "*.csv", "*.md")
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


def project() -> str:
    """Fingerprint of the dbt project: of what is built, not of how its files are laid out.

    Comments, headers of generated files (which name the version of Sluice that wrote them) and blank lines are left
    out, so that a new version of Sluice, or a word of explanation, is no reason to build the marts again.
    """
    digest = sha256()
    for file in project_files():
        name = file.relative_to(paths.dbt_project()).as_posix()
        digest.update(name.encode() + b"\0" + _meaning(file) + b"\0")
    return digest.hexdigest()


def project_files() -> list[Path]:
    """The dbt project's own files, in order."""
    return sorted(path for pattern in PROJECT_FILES for path in _files(pattern))


def _files(pattern: str) -> list[Path]:
    found = paths.dbt_project().rglob(pattern)
    return [path for path in found if not NOT_PROJECT & set(path.relative_to(paths.dbt_project()).parts)]


def _meaning(file: Path) -> bytes:
    """A file's content without comments. One that cannot be read as what it is counts as it is."""
    content = file.read_bytes()
    try:
        match file.suffix:
            case ".yml":
                return json.dumps(yaml.safe_load(content), default=str).encode()
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
