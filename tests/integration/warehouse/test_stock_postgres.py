"""The whole job on a stock PostgreSQL: over TCP, with a password, named by a block that a user made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import new_database
from tests.support import taxi


@pytest.fixture
def database(postgres15_url: sa.URL) -> Iterator[sa.URL]:
    """An empty database there, in the place of the embedded one."""
    with new_database(postgres15_url) as url:
        yield url


@pytest.mark.long
def test_a_month_goes_from_file_to_published_marts(sluice, engine: sa.Engine, tmp_path: Path) -> None:
    taxi.csv(tmp_path / "2019-01.csv.gz", taxi.trips("2019-01", 30))
    said = sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv.gz"))
    assert said.code == 0, said.err
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from marts.fct_trips")) == 30
    password = str(engine.url.password)
    assert password not in said.out + said.err
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if password.encode() in path.read_bytes()]
