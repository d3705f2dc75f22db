"""Commands that only show: they change nothing, and a role that may only read is enough for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.integration.conftest import connector_for
from tests.support import taxi

SHOWING = (
    ("status",),
    ("alerts",),
    ("quarantine", "list"),
    ("quarantine", "show", "tlc__yellow_trips", "2019-02"),
    ("docs", "--no-open"),
)


def objects(engine: sa.Engine) -> list[str]:
    """Every schema and relation of the database that is not PostgreSQL's."""
    query = (
        "select nspname || coalesce('.' || relname, '') from pg_namespace n "
        "left join pg_class c on relnamespace = n.oid where nspname !~ '^pg_|^information_schema' order by 1"
    )
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(query)))


@pytest.fixture
def as_reader(engine, monkeypatch) -> Iterator[None]:
    """From here on the warehouse's block names a role that may only read."""
    role = f"reader_{engine.url.database}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"create role {role} login password 'pw'"))
    block = f"reading-{engine.url.database}".replace("_", "-")
    connector_for(engine.url.set(username=role, password="pw")).save(block)

    def grant() -> None:
        with engine.begin() as connection:
            for schema in ("staging", "quarantine", "ops", "marts"):
                connection.execute(sa.text(f"grant usage on schema {schema} to {role}"))
                connection.execute(sa.text(f"grant select on all tables in schema {schema} to {role}"))
        monkeypatch.setenv("SLUICE_WAREHOUSE", block)

    yield grant
    with engine.begin() as connection:
        connection.execute(sa.text(f"drop owned by {role}"))
        connection.execute(sa.text(f"drop role {role}"))


def test_where_nothing_was_loaded_each_command_says_so_and_makes_nothing(sluice, engine, tmp_path) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01"))
    before = objects(engine)
    plan = ("plan", "tlc__yellow_trips", "-b", "2019-01", "--url", str(tmp_path / "{batch}.csv"))
    said = {call: sluice(*call) for call in (*SHOWING, plan)}
    assert {call: each.err for call, each in said.items() if each.code} == {}
    assert objects(engine) == before
    for call in (("status",), ("alerts",)):
        nothing = "Nothing was loaded or built yet. Load files: sluice run; build marts: sluice marts build"
        assert nothing in said[call].out
    assert "never loaded" in said[SHOWING[3]].out


@pytest.mark.long
def test_a_role_that_may_only_read_sees_everything_and_changes_nothing(sluice, engine, tmp_path, as_reader) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01", 40))
    taxi.csv(tmp_path / "2019-02.csv", [*taxi.trips("2019-02", 20), *taxi.trips("2019-02", 10, passengers=0)])
    assert sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv")).code == 2
    as_reader()
    before = objects(engine)
    plan = ("plan", "tlc__yellow_trips", "-b", "2019-01", "--url", str(tmp_path / "{batch}.csv"))
    said = {call: sluice(*call) for call in (*SHOWING, plan)}
    assert {call: each.err for call, each in said.items() if each.code} == {}
    assert objects(engine) == before
    assert "held" in said["status",].out
    assert "gate closed since" in said["alerts",].out
    assert "passenger_count >= 1" in said[SHOWING[3]].out
    rows = json.loads(sluice("status", "--json").out)
    assert {row["verdict"] for row in rows if row["dataset"] == "tlc__yellow_trips"} == {"published", "held"}


@pytest.mark.long
def test_records_of_an_older_version_are_one_message_that_says_what_to_do(sluice, engine, tmp_path) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01", 20))
    assert sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv")).code == 0
    with engine.begin() as connection:
        connection.execute(sa.text("alter table ops.runs drop column ended_as"))
    said = sluice("status")
    assert said.code == 3
    assert "an older version of Sluice wrote the warehouse" in said.err
    assert "sluice setup" in said.err
    made = sluice("setup")
    assert "the tables of ops" in made.out, made.out + made.err
    assert sluice("status").code == 0


def test_another_server_is_named_by_the_block_of_its_reader(sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    block = os.environ["SLUICE_READER"]
    done = sluice("connect", "--env")
    assert (done.code, "sluice_reader" in done.out) == (0, True)
    monkeypatch.delenv("SLUICE_READER")
    done = sluice("connect")
    assert done.code == 5
    assert "SLUICE_READER names no block" in done.err
    assert "GRANT pg_read_all_data" in done.err
    monkeypatch.setenv("SLUICE_READER", "no-such-reader")
    assert "block 'no-such-reader' (from SLUICE_READER) cannot be used" in sluice("connect").err
    monkeypatch.setenv("SLUICE_READER", "postgresql://ann:secret@db/shop")
    done = sluice("connect")
    assert (done.code, "secret" in done.err) == (5, False)
    assert "SLUICE_READER must be the name of a Prefect block, not an address" in done.err
    monkeypatch.setenv("SLUICE_READER", block)
    assert sluice("connect", "--port", "0").code == 5
    assert sluice("connect", "--jdbc").code == 5, "the embedded server of the tests has a socket only"


def test_the_password_of_a_block_is_shown_on_request_only(sluice, postgres15_url, monkeypatch) -> None:
    connector_for(postgres15_url).save("reader-with-password", overwrite=True)
    monkeypatch.setenv("SLUICE_READER", "reader-with-password")
    for form in ("", "--jdbc", "--env", "--json"):
        arguments = ("connect", *filter(None, [form]))
        masked, shown = sluice(*arguments), sluice(*arguments, "--show-password")
        assert masked.code == shown.code == 0
        assert postgres15_url.password not in masked.out + masked.err
        assert "--show-password" in masked.err
        assert postgres15_url.password in shown.out
