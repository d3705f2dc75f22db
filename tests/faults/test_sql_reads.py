"""`sluice sql` reads, whatever is typed or pasted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.warehouse import embedded
from tests.integration.conftest import connector_for

MARK = "/tmp/sluice-sql-ran-a-program"
XML = "query_to_xml"  # runs what it is given, after the setting before it
HOSTILE = [
    "commit; delete from kept",
    "select 1; delete from kept",
    "rollback; begin read write; delete from kept; commit",
    "delete from kept returning n",
    "with gone as (delete from kept returning n) select * from gone",
    "set transaction read write",
    "set session authorization default; delete from kept",
    "do $$ begin commit; delete from kept; end $$",
    "copy kept to '/tmp/sluice-sql-wrote-a-file'",
    f"copy (select 1) to program 'touch {MARK}'",
    f"select set_config('role', 'postgres', false), {XML}('copy t to program ''touch {MARK}''', true, true, '')",
    f"select set_config('transaction_read_only', 'off', false), {XML}('delete from kept returning n', true, true, '')",
    "select pg_read_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "create temp table x (n int)",
    "",
]


@pytest.fixture
def kept(engine: sa.Engine) -> Iterator[sa.Engine]:
    with engine.begin() as connection:
        connection.execute(sa.text("create table kept as select generate_series(1, 3) as n"))
    Path(MARK).unlink(missing_ok=True)
    yield engine
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from kept")) == 3
    assert not Path(MARK).exists(), "a program ran on the server"


@pytest.mark.parametrize("statement", HOSTILE)
def test_a_reader_changes_nothing_and_runs_no_program(sluice, kept, statement: str) -> None:
    said = sluice("sql", statement)
    assert (said.code, len(said.err.splitlines())) == (3, 1), said
    assert said.err.startswith("sluice: the query failed: ")


@pytest.mark.parametrize("statement", HOSTILE[:8])
def test_one_who_reads_as_the_owner_changes_nothing_either(sluice, kept, statement: str) -> None:
    assert sluice("sql", "--as-owner", statement).code == 3


@pytest.mark.parametrize(
    ("statement", "shown"),
    [("select count(*) from kept", 3), ("-- 100%\nselect 'a%b' as a;", "a%b"), ("show transaction_read_only", "on"),
     ("values (1.50)", "1.50"), ("select current_user::text", "sluice_reader"), ("table kept limit 1", 1)],
)  # fmt: skip
def test_what_reads_is_read(sluice, kept, statement: str, shown: object) -> None:
    [row] = json.loads(sluice("sql", "--json", statement).out)
    assert list(map(str, row.values())) == [str(shown)]
    assert "Seq Scan" in sluice("sql", "explain select * from kept").out


def test_a_superuser_without_a_reader_is_refused_unless_it_says_so(sluice, kept, monkeypatch) -> None:
    monkeypatch.delenv("SLUICE_READER")
    said = sluice("sql", "select count(*) from kept")
    assert said.code == 5
    assert "is a superuser" in said.err
    assert "--as-owner" in said.err
    assert "SLUICE_READER" in said.err
    assert sluice("sql", "--as-owner", "--csv", "select count(*) from kept").out.splitlines() == ["count", "3"]
    assert sluice("sql", "--write", "insert into kept values (4)").out == "Done.\n", "what a message asks for"
    assert sluice("sql", "--write", "delete from kept where n = 4").out == "Done.\n"


def test_a_user_that_is_no_superuser_reads_without_a_reader(sluice, kept, database, monkeypatch) -> None:
    with kept.begin() as connection:
        connection.execute(sa.text("drop role if exists plain_loader"))
        connection.execute(sa.text("create role plain_loader login"))
        connection.execute(sa.text("grant delete, select on kept to plain_loader"))
    try:
        connector_for(database.set(username="plain_loader")).save("plain-loader", overwrite=True)
        monkeypatch.setenv("SLUICE_WAREHOUSE", "plain-loader")
        monkeypatch.delenv("SLUICE_READER")
        assert sluice("sql", "--csv", "select count(*) from kept").out.splitlines() == ["count", "3"]
        for statement in HOSTILE:
            assert sluice("sql", statement).code == 3, statement
    finally:
        with kept.begin() as connection:
            connection.execute(sa.text("drop owned by plain_loader"))
            connection.execute(sa.text("drop role plain_loader"))


@pytest.mark.long
def test_the_embedded_server_is_read_by_its_reader_from_the_first_start(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    environment |= {"SLUICE_HOME": str(tmp_path / "home")}

    def sql(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sluice", "sql", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    try:
        first = sql("--csv", "select current_user::text as me, current_setting('is_superuser') as super")
        assert first.stdout.splitlines() == ["me,super", "sluice_reader,off"], first.stderr
        own = "create schema mine; create table mine.t as select 7 as n"  # which its reader reads once it is granted
        granted = "grant usage on schema mine to sluice_reader; grant select on mine.t to sluice_reader"
        assert sql("--write", f"{own}; {granted}").returncode == 0
        assert sql("--csv", "select n from mine.t").stdout.splitlines() == ["n", "7"]
        said = sql(f"copy (select 1) to program 'touch {MARK}'")
        assert said.returncode == 3
        assert "read-only" in said.stderr
    finally:
        embedded.remove(tmp_path / "home")
    assert not Path(MARK).exists()
