"""Real parts for all tests, made on demand: PostgreSQL servers, a database for each test, a Prefect server.

No test reads or writes what belongs to the user who runs it: tests/support/user_folders.py.

postgres_url    the test session's own embedded server, as its superuser
database        an empty database of its own on it
warehouse_url   the same for the user that runs are, once on the embedded server and once on a stock PostgreSQL 15
quick_project   the example project without most of its dbt tests
prefect_server  one standing Prefect server; from then on the session's PREFECT_API_URL names it
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import certifi
import pytest
import sqlalchemy as sa
from dbt_common.tests import enable_test_caching
from dbt_common.utils.encoding import JSONEncoder
from hypothesis import settings
from sqlalchemy import URL

from sluice.warehouse import embedded
from tests.support import quick_project as quick
from tests.support import user_folders
from tests.support.in_memory import folder_in_memory, keep_databases
from tests.support.ledger_template import ledger_template
from tests.support.postgres15 import find_binaries, running_server
from tests.support.prefect_api import prefect_api

gc.set_threshold(50_000, 20, 100)  # as in a command: each collection looks through all that dbt and Prefect made

# As in dbt's own tests: a process parses each text once, above all the macros of dbt, which every project has. A third
# of what a small build takes here; no test is about it.
enable_test_caching()
# And its files are written by the encoder in C, which `json.dump` leaves out: the same bytes, at once.
JSONEncoder.iterencode = lambda self, o, _one_shot=False: json.JSONEncoder.iterencode(self, o, True)  # type: ignore[method-assign]

# Before any test imports Prefect.
THEIRS = user_folders.of_this_user()
HOME = user_folders.replace(THEIRS)
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

# The same examples in each run, so that a failure means a change; others: pytest --hypothesis-profile=default
settings.load_profile("ci")
os.environ["PREFECT_API_BLOCKS_REGISTER_ON_START"] = "false"  # 8 s of each server's start
os.environ["PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
# Each of Prefect's clients reads this file: 1 ms for one certificate, 40 for all. No test asks an API by https.
CERTIFICATE = HOME / "certificate.pem"
CERTIFICATE.write_text("".join(certifi.contents().partition("-----END CERTIFICATE-----\n")[:2]))
os.environ["PREFECT_API_SSL_CERT_FILE"] = str(CERTIFICATE)
os.environ["SLUICE_SOURCE_HOSTS"] = "127.0.0.1,localhost"  # where tests serve files

# A shell that starts the suite in the background has it ignore Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONG_MINUTES = 0.3  # of a long test that says nothing else


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(user_folders.Guard(THEIRS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with one of them."""
    marks = [(item, item.get_closest_marker("long")) for item in items]
    minutes = Counter[Path]()
    for item, mark in marks:
        minutes[item.path] += mark.kwargs.get("minutes", LONG_MINUTES) if mark else 0
    items.sort(key=lambda item: -minutes[item.path])


def pytest_collection_finish() -> None:
    """Keep no compiled module of what tests write: a file of the same size in the same second would be taken for it."""
    sys.dont_write_bytecode = True


@pytest.fixture(autouse=True)
def environment_kept() -> Iterator[None]:
    """Put back the variables by which a later test would be set: a command called in this process may leave some."""
    before = user_folders.settings()
    yield
    for name in user_folders.settings().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def no_server_left() -> Iterator[None]:
    """Stop the embedded server of the suite's own home, where a test used that."""
    yield
    embedded.remove(HOME / ".sluice")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The embedded server of this test session: its database `sluice`, shared by all who ask.

    It does not wait for the disk, as most of a test's database took: tests end the server, not the machine.
    """
    home = tmp_path_factory.mktemp("home") / ".sluice"
    url = embedded.start(home).set(username="postgres")
    set_fsync(url, "off")
    with folder_in_memory() as folder:
        keep_databases(url, folder)
        yield url
        embedded.remove(home)


@pytest.fixture(scope="session")
def postgres15_url() -> Iterator[URL]:
    """A stock PostgreSQL 15 (or the oldest newer one that is installed), over TCP and with a password."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL 15 or newer is installed (looked in /usr/lib/postgresql and on PATH)")
    with folder_in_memory() as folder, running_server(binaries) as url:
        keep_databases(url, folder)
        yield url


@pytest.fixture
def durable(postgres_url: URL) -> Iterator[None]:
    """Let that server wait for the disk, as `sluice doctor` asks of a warehouse."""
    set_fsync(postgres_url, "on")
    yield
    set_fsync(postgres_url, "off")


def set_fsync(server: URL, value: str) -> None:
    """Let a server that runs wait for the disk, or not: in each session that begins from now on."""
    with administrator(server) as connection:
        connection.execute(sa.text(f"ALTER SYSTEM SET fsync = {value}"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    while True:
        with administrator(server) as connection:
            if connection.scalar(sa.text("SHOW fsync")) == value:
                return
        time.sleep(0.01)


@contextmanager
def administrator(server: URL) -> Iterator[sa.Connection]:
    """A connection for what no transaction may hold."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


@contextmanager
def new_database(server: URL, owner: str = "postgres", template: str = "template1") -> Iterator[URL]:
    """A copy of the template, dropped at the end, whoever is still connected."""
    name = f"test_{uuid4().hex[:12]}"
    with administrator(server) as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} STRATEGY file_copy"))
    try:
        yield server.set(database=name)
    finally:
        with administrator(server) as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def template_for(request: pytest.FixtureRequest, server: URL) -> str:
    """The database of which a test gets a copy."""
    return ledger_template(server) if {"warehouse", "warehouse_url"} <= {*request.fixturenames} else "template1"


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres_url: URL) -> Iterator[URL]:
    """A database for one test, on the embedded server: as `warehouse_url`."""
    with new_database(postgres_url, template=template_for(request, postgres_url)) as url:
        yield url


@pytest.fixture(params=["embedded", "postgres15"])
def warehouse_url(request: pytest.FixtureRequest) -> Iterator[URL]:
    """A database for one test, on each kind of server that Sluice promises to run on.

    It is empty, or has an empty ledger where the fixture `warehouse` is to be over it.
    """
    servers = {"embedded": ("postgres_url", embedded.OWNER), "postgres15": ("postgres15_url", "postgres")}
    name, owner = servers[request.param]
    server = request.getfixturevalue(name)
    with new_database(server, owner, template_for(request, server.set(username=owner))) as url:
        yield url.set(username=owner)


@pytest.fixture(scope="session")
def quick_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example project without its dbt tests."""
    return quick.make(tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The address of a standing Prefect server's API. This process and its children use it from now on."""
    from prefect.context import refresh_global_settings_context

    with prefect_api(os.environ, HOME / "server.log") as api:
        os.environ["PREFECT_API_URL"] = api
        refresh_global_settings_context()
        try:
            yield api
            for handler in logging.getLogger("prefect.flow_runs").handlers:
                handler.flush()  # what is still queued would be sent to a server that is gone
        finally:
            os.environ.pop("PREFECT_API_URL", None)
            refresh_global_settings_context()
