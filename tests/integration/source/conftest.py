"""A project for files of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project to write into."""
    (tmp_path / "sluice.toml").write_text('[project]\nid = "case-1"\n')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    return tmp_path
