"""A folder as one delivery: its files, in the order of their paths, and what the paths say of their rows.

`year=2024/month=01/part-0.parquet` gives each row of the file the columns `year` and `month`, as Hive and Spark lay
files out.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from sluice.contract.errors import ConfigError
from sluice.source import allowed
from sluice.source.files import SourceMissing, SourceUnreadable, walked

MOST_FILES = 10_000
NULL = "__HIVE_DEFAULT_PARTITION__"


def files_in(folder: Path, address: str) -> list[Path]:
    """The files of a folder and the folders in it.

    Raises:
        SourceMissing: there is none.
        SourceUnreadable: it, or a folder in it, cannot be listed.
        ConfigError: they are too many, or one lies in a folder that files may not come from.
    """
    try:
        found = walked(folder)
    except FileNotFoundError:
        raise SourceMissing(
            f"{address}: the folder, or one in it, has disappeared; run again when it is back"
        ) from None
    except OSError as error:
        raise SourceUnreadable(f"{address}: cannot be read: {error.strerror}") from None
    if not found:
        raise SourceMissing(f"{address}: the folder holds no file")
    if len(found) > MOST_FILES:
        raise ConfigError(
            f"{address}: the folder holds {len(found):,} files, at most {MOST_FILES:,} are read as one delivery; name "
            "a folder in it, as in 'lake/year={year}/month={month}'"
        )
    for path in found:
        if path.is_symlink():
            allowed.refuse_outside(path, f"{address}/{path.relative_to(folder)}")
    return found


def values_of(folder: Path, file: Path) -> tuple[tuple[str, str | None], ...]:
    """What the path of a file says of its rows: the folder's own last parts, and those below it."""
    own = []
    for part in reversed(folder.parts):
        if "=" not in part:
            break
        own.append(part)
    parts = [*reversed(own), *file.relative_to(folder).parts[:-1]]
    pairs = [part.partition("=") for part in parts if "=" in part]
    return tuple((unquote(key), None if value == NULL else unquote(value)) for key, _, value in pairs)
