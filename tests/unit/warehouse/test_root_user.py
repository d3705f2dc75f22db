"""The folder and the user of the embedded server under root, made by several commands that start at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from sluice.warehouse.embedded import root_user

AT_ONCE = 8


def test_several_that_start_at_once_use_one_folder(tmp_path: Path) -> None:
    """One that found it not yet enterable went on with a second folder, and so with a second lock."""
    begin = Barrier(AT_ONCE)

    def made(_: int) -> Path:
        begin.wait()
        root_user._make(tmp_path / "lib")
        (tmp_path / "lib" / "lock").touch()
        return tmp_path / "lib"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(made, range(AT_ONCE)))
    assert [path.name for path in tmp_path.iterdir()] == ["lib"]
    assert (tmp_path / "lib").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "lib" / "lock").exists()


def test_the_user_is_added_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two `useradd` at once, the second gave the name another number, and no server of the first could start."""
    useradd, log = tmp_path / "useradd", tmp_path / "log"
    useradd.write_text(f"#!/bin/sh\necho begin >>{log}\nsleep 0.05\necho end >>{log}\n", encoding="utf-8")
    useradd.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(root_user, "USER", "no-user-of-this-machine")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda _: root_user._add_user(), range(AT_ONCE)))
    assert log.read_text(encoding="utf-8").split() == ["begin", "end"] * AT_ONCE
