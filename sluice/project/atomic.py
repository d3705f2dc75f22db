"""A file that is there whole or not at all; a private one can be read by its user only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.contract.errors import ConfigError


@contextmanager
def replacing(path: Path, private: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to. When the block ends well the file takes the place of the old one; else it goes.

    Args:
        private: whether only this user may read the file; then it is there, empty, when the block begins.

    Raises:
        OSError: the disk refuses; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")  # another process may be writing the same
    try:
        if private:
            fresh.unlink(missing_ok=True)  # a stopped process of the same number left it
            os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Write a text in UTF-8. Arguments and errors as `replacing`."""
    with replacing(path, private) as fresh:
        fresh.write_text(text, encoding="utf-8")


def kept_password(path: Path, new: str, command: str) -> str:
    """The password in a file that only this user can read. The caller holds a lock.

    Args:
        new: is written where there is no file yet.
        command: makes the file again, for messages.

    Raises:
        ConfigError: the file cannot be read or written, holds nothing, or others could have read it.
    """
    try:
        if not path.exists():
            write_text(path, f"{new}\n", private=True)
        mode, password = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"the password in {path} cannot be kept: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigError(f"{path}: other users may read this password. Delete it, then: {command}")
    if not password:
        raise ConfigError(f"{path}: holds no password. Delete it, then: {command}")
    return password
