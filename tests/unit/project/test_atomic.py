"""Files that are there whole or not at all, and passwords that only their user can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sluice.contract.errors import ConfigError
from sluice.project import atomic


def test_a_private_file_is_for_its_user_from_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / f".a.{os.getpid()}.new").write_text("left by a stopped process, for all to read")
    before = os.umask(0)
    try:
        with atomic.replacing(tmp_path / "a", private=True) as fresh:
            assert (stat.S_IMODE(fresh.stat().st_mode), fresh.read_text()) == (0o600, "")
            fresh.write_text("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_password_is_written_once_and_then_kept(tmp_path: Path) -> None:
    path = tmp_path / "password"
    assert atomic.kept_password(path, "first", "sluice up") == "first"
    assert atomic.kept_password(path, "second", "sluice up") == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("secret", 0o640, "password: other users may read this password. Delete it, then: sluice up"),
        ("\n", 0o600, "password: holds no password. Delete it, then: sluice up"),
        (None, 0o700, "password cannot be kept: Is a directory"),
    ],
)
def test_a_file_that_holds_no_private_password_is_refused(
    tmp_path: Path, text: str | None, mode: int, message: str
) -> None:
    path = tmp_path / "password"
    path.mkdir() if text is None else path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        atomic.kept_password(path, "another", "sluice up")
    assert str(refused.value).endswith(message)
