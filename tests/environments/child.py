"""Load four files as a night does, without Prefect and dbt: python -m tests.environments.child URL FOLDER ROWS CLOCK.

ROWS, if given, is how many are in memory at once (of a CSV, 50 bytes stand for each), CLOCK the time when it starts.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import sqlalchemy as sa

from sluice import Contract, Files, Float, Gate, Int, Single, UtcTimestamp, column
from sluice.contract.gate import decide
from sluice.ledger import loads, schema
from sluice.source import fetch
from sluice.source.parts import stream
from sluice.source.readers import parquet_reader
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, publish
from sluice.warehouse.connection import connect
from tests.corpus.contract import GOODS
from tests.integration.conftest import connector_for
from tests.support import shops


class Seen(pa.DataFrameModel):
    number: Int = column("Number.", unique=True, ge=0)
    at: UtcTimestamp = column("When.", nullable=True)
    share: Float = column("Share.", lt=1)

    @pa.dataframe_check(name="not_at_night")
    def not_at_night(cls, seen: pd.DataFrame) -> pd.Series:
        return seen["at"].dt.hour < 22


SEEN = Contract(
    source="sky", entity="seen", owner="tests", schema=Seen,
    files=Files(url="seen_{batch}.csv", batches=Single()), gate=Gate(max_rejected=0.5),
)  # fmt: skip
FILES = {"goods.csv": GOODS, "goods.parquet": GOODS, "orders.csv": shops.contract(), "seen.csv": SEEN}


def set_clock(start: datetime) -> None:
    """Let every clock that Sluice reads by `datetime` show this time, and go on from there."""
    shift = start - datetime.now(UTC)

    class OfReal(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real)

    real: Any = datetime

    class Shifted(real, metaclass=OfReal):  # type: ignore[misc]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.now(tz) + shift

    for name, module in sys.modules.copy().items():
        if name.startswith("sluice.") and getattr(module, "datetime", None) is real:
            module.datetime = Shifted  # type: ignore[attr-defined]


def main(address: str, folder: str, rows: str = "", clock: str = "") -> None:
    """Load, audit and publish each file."""
    if rows:
        parquet_reader.ROWS, stream.BLOCK_BYTES = int(rows), 50 * int(rows)
    if clock:
        set_clock(datetime.fromisoformat(clock))
    warehouse = connect(connector_for(sa.make_url(address)), "test", "postgres")
    with warehouse.engine.begin() as connection:
        schema.create(connection)
    for name, contract in FILES.items():
        batch_name = "2021-01" if name == "orders.csv" else "all"
        warehouse.data.make_tables(warehouse.engine, contract)
        file = fetch.fetch(fetch.look(str(Path(folder) / name)), Path(folder) / "downloads")
        with warehouse.engine.begin() as connection:
            batch = loads.begin(connection, contract, batch_name, file, None)
        with open_rows(file, contract, batch_name) as opened:
            batch = load.load(warehouse, contract, batch, opened)
        report = audit.audit(warehouse, contract, batch)
        with warehouse.engine.begin() as connection:
            decision = decide(contract.gate, report, loads.known(connection, contract, batch))
        (publish.publish if decision.open else publish.hold)(warehouse, contract, batch, report, decision)
    warehouse.engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
