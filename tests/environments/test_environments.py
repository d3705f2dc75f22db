"""The same bytes give the same tables, in whichever environment a run happens to be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tests.conftest import new_database
from tests.environments import child
from tests.support import shops
from tests.support.repository import ROOT

# Nothing of it depends on when it was loaded: order, times of loading and numbers of loads are left out.
CONTENTS = {
    "staging.corpus__goods": "SELECT id, name, amount, at, day, ok, share, _batch, _row_number FROM {} ORDER BY id",
    "staging.shop__orders": "SELECT order_id, ordered_at, shop, quantity, price, weight, email, _batch FROM {} "
    "ORDER BY 1",
    "staging.sky__seen": "SELECT number, at, share, _row_number FROM {} ORDER BY number",
    "quarantine.sky__seen": "SELECT _batch, _row_number, _reasons, _row, _contract_version FROM {} ORDER BY 2",
    "quarantine.corpus__goods": "SELECT _batch, _row_number, _reasons, _row, _contract_version FROM {} ORDER BY 2",
    "quarantine.shop__orders": "SELECT _batch, _row_number, _reasons, _row, _contract_version FROM {} ORDER BY 2",
    "ops.batches": "SELECT dataset, batch, status, sha256, rows_read, rows_accepted, rows_rejected, reasons, "
    "blank_lines, contract_version FROM {} ORDER BY load_id",
    "ops.checks": "SELECT dataset, batch, check_name, severity, outcome, rows, failing, sample FROM {} "
    'JOIN ops.batches USING (load_id) ORDER BY load_id, check_name COLLATE "C"',
}


@dataclass(frozen=True)
class Environment:
    """What is other than usual.

    Attributes:
        role: settings of the database's user, as an administrator may have made them.
        rows, clock: as the child takes them.
    """

    variables: dict[str, str] = field(default_factory=dict)
    role: dict[str, str] = field(default_factory=dict)
    rows: str = ""
    clock: str = ""


ENVIRONMENTS = {
    "far in the east, German dates": Environment(
        {"TZ": "Asia/Kathmandu", "LC_ALL": "C"}, {"DateStyle": "German, DMY", "TimeZone": "Asia/Kathmandu"}
    ),
    "2038, one row at a time": Environment({"PYTHONHASHSEED": "1"}, rows="1", clock="2038-01-19T03:14:07+00:00"),
    "New York": Environment({"TZ": "America/New_York"}, {"TimeZone": "America/New_York"}),
    "a half hour of clock change": Environment({"TZ": "Australia/Lord_Howe"}, {"TimeZone": "Australia/Lord_Howe"}),
    "American dates": Environment(role={"DateStyle": "SQL, MDY"}),
    "old PostgreSQL dates": Environment({"PGOPTIONS": "-c DateStyle=Postgres,DMY -c IntervalStyle=sql_standard"}),
    "few digits, bytes escaped": Environment(role={"extra_float_digits": "-3", "bytea_output": "escape"}),
    "another client encoding": Environment({"PGCLIENTENCODING": "LATIN1", "PYTHONUTF8": "0", "LC_ALL": "POSIX"}),
    "another hash seed": Environment({"PYTHONHASHSEED": "4294967295"}, rows="7"),
    "the hour that is there twice": Environment({"TZ": "America/New_York"}, clock="2024-11-03T05:59:59+00:00"),
    "the hour that is missing": Environment({"TZ": "Europe/Berlin"}, clock="2024-03-31T00:59:59+00:00"),
    "the last day of a leap year, UTC+14": Environment(
        {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7"}, {"TimeZone": "Pacific/Kiritimati"},
        clock="2024-12-31T23:59:59+00:00",
    ),
}  # fmt: skip
QUICK = list(ENVIRONMENTS)[:2]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells that a locale, a zone, a date style or an order of rows could change; and rows of each kind that is bad."""
    folder = tmp_path_factory.mktemp("files")
    lines = [
        f"{n},İstanbul ß {n},{n}.10,2024-{3 if n % 2 else 11:02d}-{10 if n % 2 else 3:02d} 0{1 + n % 3}:30:00.{n:06d},"
        f"2024-0{1 + n % 9}-1{n % 10},{n % 2 == 0},{n / 7!r}"
        for n in range(1, 200)
    ]
    bad = [
        "200,x,1.005,2024-03-10 02:30:00,2024-05-11,true,1",
        "201,x,1,05/06/2024 10:00,2024-05-11,true,0.1,",
        "202,x",
    ]
    header = "id,name,amount,at,day,ok,share"
    shops.write(folder / "goods.csv", [*lines, *bad], header)
    _parquet(folder / "goods.parquet")
    seen = [f"{n},2024-11-03T{n % 24:02d}:30:00{'+05:45' if n % 2 else 'Z'},{n / 100!r}" for n in range(120)]
    shops.write(folder / "seen.csv", seen, "number,at,share")
    wrong = "300,2021-01-02 10:00:00,nowhere,1,9.50,1.5,"
    shops.write(folder / "orders.csv", [*shops.good_lines(150), wrong, wrong.replace("300,2021", "301,2024")])
    return folder


def _parquet(path: Path) -> None:
    numbers = range(1, 120)
    made = {
        "id": pa.array(numbers, pa.int64()),
        "name": pa.array([f"name {n % 5}" for n in numbers]).dictionary_encode(),
        "amount": pa.array([n + 0.25 for n in numbers]),
        "at": pa.array([1710039600_000000 + n * 60_000000 for n in numbers], pa.timestamp("us")),
        "day": pa.array([19800 + n for n in numbers], pa.int32()).cast(pa.date32()),
        "ok": pa.array([n % 3 == 0 if n % 4 else None for n in numbers]),
        "share": pa.array([float("nan") if n == 50 else n / 3 for n in numbers]),
    }
    pq.write_table(pa.table(made), path, row_group_size=40)


@contextmanager
def loaded(server: sa.URL, name: str, number: int) -> Iterator[sa.URL]:
    """A database whose user is set up like that."""
    user = f"in_environment_{os.getpid()}_{number}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {user} LOGIN"))
        for setting, value in ENVIRONMENTS.get(name, Environment()).role.items():
            connection.execute(sa.text(f"ALTER ROLE {user} SET {setting} = '{value}'"))
    try:
        with new_database(server, user) as url:
            yield url.set(username=user)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP ROLE {user}"))


def contents(server: sa.URL, folder: Path, name: str, number: int) -> dict[str, str]:
    """What a run in this environment makes of the files, as texts of a session that is always the same."""
    environment = ENVIRONMENTS.get(name, Environment())
    with loaded(server, name, number) as url:
        address = url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", child.__name__, address, str(folder), environment.rows, environment.clock]
        variables = {key: value for key, value in os.environ.items() if key not in ("TZ", "LC_ALL", "PYTHONHASHSEED")}
        done = subprocess.run(
            command, cwd=ROOT, env={**variables, **environment.variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
        engine = sa.create_engine(server.set(database=url.database), poolclass=sa.NullPool)
        with engine.connect() as connection:
            return {
                table: str(connection.execute(sa.text(query.format(table))).all()) for table, query in CONTENTS.items()
            }


@pytest.mark.parametrize("names", [QUICK, pytest.param(list(ENVIRONMENTS), marks=pytest.mark.long)], ids=["two", "all"])
def test_the_same_bytes_give_the_same_tables(postgres_url: sa.URL, files: Path, names: list[str]) -> None:
    server = postgres_url.set(username="postgres")
    with ThreadPoolExecutor(2) as threads:
        usual, *others = threads.map(
            lambda numbered: contents(server, files, numbered[1], numbered[0]), enumerate(["as usual", *names])
        )
    assert all(len(text) > 100 for text in usual.values()), "there is something to compare in each"
    for name, found in zip(names, others, strict=True):
        for table, text in usual.items():
            assert found[table] == text, f"{name}: {table}"
