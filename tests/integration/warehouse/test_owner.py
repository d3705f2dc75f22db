"""Whose the embedded warehouse is: that of a user who is not a superuser, also where an older version made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.errors import BusyError
from sluice.warehouse import embedded
from sluice.warehouse.embedded import roles

OWNED = """
SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = 'old' AND relkind IN ('r', 'p', 'v', 'm', 'S')
UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'old'
UNION SELECT pg_get_userbyid(proowner) FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'old'
UNION SELECT pg_get_userbyid(typowner) FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = 'old'
UNION SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()
"""
OLDER = (
    "ALTER DATABASE sluice OWNER TO postgres",
    "CREATE SCHEMA old",
    'CREATE TABLE old."Odd ""name" (n bigint GENERATED ALWAYS AS IDENTITY, m serial, data jsonb)',
    'INSERT INTO old."Odd ""name" (data) VALUES (\'{"a": 1}\')',
    "CREATE TABLE old.parts (batch text) PARTITION BY LIST (batch)",
    "CREATE TABLE old.part PARTITION OF old.parts FOR VALUES IN ('a')",
    'CREATE VIEW old.seen AS SELECT n FROM old."Odd ""name"',
    "CREATE MATERIALIZED VIEW old.kept AS SELECT 1 AS n",
    "CREATE SEQUENCE old.numbers",
    "CREATE FUNCTION old.one(integer, text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE old.kind AS ENUM ('a')",
    "CREATE TYPE old.pair AS (a int, b int)",
    "CREATE DOMAIN old.small AS int CHECK (VALUE < 10)",
    "GRANT USAGE ON SCHEMA old TO sluice_reader",
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".sluice"
    embedded.remove(tmp_path / ".sluice")


def run(url: sa.URL, *statements: str) -> Sequence[sa.Row]:
    """Rows of the last one, if it gives any."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(sa.text(statement))
        return result.all() if result.returns_rows else []


def test_runs_are_no_superuser_and_what_an_older_version_made_as_one_is_theirs_at_the_next_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = embedded.start(home)
    assert run(url, "SELECT current_setting('is_superuser')") == [("off",)]
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        run(url, "COPY (SELECT 1) TO PROGRAM 'id'")
    older = url.set(username="postgres")
    run(older, *OLDER)
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        run(url, "DROP TABLE old.parts")

    monkeypatch.setattr(roles, "LOCK_WAIT", "100ms")
    reading = sa.create_engine(older).connect()
    reading.execute(sa.text("SELECT * FROM old.part"))
    with pytest.raises(BusyError, match="another program uses it"):
        embedded.start(home)
    assert run(older, OWNED) == [("postgres",)]
    reading.close()

    assert embedded.start(home) == url
    assert run(url, OWNED) == [(embedded.OWNER,)]
    assert run(url, 'SELECT n, m, data FROM old."Odd ""name"') == [(1, 1, {"a": 1})]
    run(url, 'INSERT INTO old."Odd ""name" (data) VALUES (NULL)', "DROP TABLE old.part", "CREATE TABLE new (n int)")
    assert run(url.set(username=embedded.READER), "SELECT count(*) FROM old.seen") == [(2,)]


def test_a_publish_sees_since_when_the_transactions_of_others_are_open(home: Path) -> None:
    url = embedded.start(home)
    with sa.create_engine(url.set(username=embedded.READER)).connect() as reading:
        reading.execute(sa.text("SELECT 1"))
        open_since = "SELECT xact_start IS NOT NULL FROM pg_stat_activity WHERE usename = 'sluice_reader'"
        assert run(url, open_since) == [(True,)]
