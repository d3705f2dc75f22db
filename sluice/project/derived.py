"""The derived files of the project: from its contracts, and Sluice's macros. Never typed again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sluice.contract.contract import Contract
from sluice.contract.derive.files import derived_files
from sluice.project import paths
from sluice.project.init import template


def stale_files(contracts: Iterable[Contract]) -> dict[Path, str]:
    """The derived files that are missing or differ, with what they should hold."""
    settings = paths.project().settings
    # A dbt project with its own schemas has one macro of Sluice's, by `sluice init --dbt`
    macros = template.macros() if settings.marts.schemas is None else {}
    wanted = derived_files(contracts, settings.schemas) | macros
    places = {place(path): text for path, text in wanted.items()}
    return {path: text for path, text in places.items() if _text(path) != text}


def place(path: PurePosixPath) -> Path:
    """Where a file of a project lies: its first folder may have another name in sluice.toml."""
    first, *rest = path.parts
    folder = paths.project().folder(first) if first in paths.FOLDERS else paths.root() / first
    return folder.joinpath(*rest)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
