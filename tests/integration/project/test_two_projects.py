"""Two projects in one process have two warehouses."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.project import paths
from sluice.project.init.write import init
from sluice.warehouse import embedded
from sluice.warehouse.connection import BLOCK_VARIABLE, open_warehouse


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (paths.VARIABLE, "SLUICE_HOME", BLOCK_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def test_each_of_two_projects_in_one_process_has_its_own_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [init(tmp_path / name).root for name in ("one", "two")]
    try:
        for root in roots:
            monkeypatch.setenv(paths.VARIABLE, str(root))
            with open_warehouse().engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE staging.mine (name text)"))
                connection.execute(sa.text("INSERT INTO staging.mine VALUES (:name)"), {"name": root.name})
        for root in (*roots, *roots):
            monkeypatch.setenv(paths.VARIABLE, str(root))
            with open_warehouse().engine.connect() as connection:
                assert connection.execute(sa.text("SELECT name FROM staging.mine")).scalars().all() == [root.name]
    finally:
        for root in roots:
            embedded.remove(root / ".sluice")
