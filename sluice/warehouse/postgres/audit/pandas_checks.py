"""The pandas way: checks that could not be traced run in pandas over streamed chunks, with bounded memory.

They are given rows read back from the incoming table, so both ways judge the same values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow
import sqlalchemy as sa

from sluice.contract.checks import row_independence
from sluice.contract.checks.compile import Check
from sluice.contract.checks.in_pandas import frame_of, independently_failing, reason_of
from sluice.contract.contract import Contract
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.audit import marked_rows
from sluice.warehouse.postgres.rows.tables import incoming_table

CHUNK_ROWS = 16_384  # rows in memory at once; a chunk of 20 columns is about 10 MB as Python values


def mark(connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]) -> dict[str, str]:
    """Write down the rows that fail each check.

    Returns:
        Why, by its name, for each check that could not be run: the gate takes it for errored, never for passed.
    """
    errors: dict[str, str] = {}
    made_up = row_independence.examples(contract)
    for number, frame in enumerate(_chunks(connection, contract, batch)):
        for check in checks:
            if check.name in errors:
                continue
            try:
                failing = independently_failing(check, frame, None if number else made_up)
            except Exception as error:  # noqa: BLE001 - a check is a user's code: any error in it closes the gate
                errors[check.name] = reason_of(contract, error)
                continue
            marked_rows.mark(connection, contract, batch, check, failing)
    return errors


def _chunks(connection: sa.Connection, contract: Contract, batch: Batch) -> Iterator[pd.DataFrame]:
    table = incoming_table(contract, batch.batch)
    columns = [(column.name, column.type.arrow) for column in contract.columns]
    query = sa.select(table.c._row_number, *(table.c[name] for name, _ in columns))
    streamed = connection.execution_options(stream_results=True, max_row_buffer=CHUNK_ROWS).execute(query)
    connection.execution_options(stream_results=False)
    for rows in streamed.partitions(CHUNK_ROWS):
        numbers, *values = zip(*rows, strict=True)
        arrays = {name: pyarrow.array(value, kind) for (name, kind), value in zip(columns, values, strict=True)}
        yield frame_of(pyarrow.table(arrays), numbers)
