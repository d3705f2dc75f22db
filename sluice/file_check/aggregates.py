"""Checks of one value for the whole table: their columns are kept in a file, mapped into memory at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from sluice.contract.checks.compile import Check, columns_read
from sluice.contract.checks.in_pandas import frame_of, reason_of
from sluice.contract.contract import Contract


class AggregateChecks:
    """The columns that checks of the whole table look at."""

    def __init__(self, contract: Contract, checks: Sequence[Check], folder: Path) -> None:
        self._contract = contract
        self._checks = [check for check in checks if check.kind == "aggregate"]
        read = {name for check in self._checks for name in columns_read(check)}
        self._names = [column.name for column in contract.columns if column.name in read]
        self._path = folder / "columns.arrow"
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def remember(self, rows: pa.RecordBatch) -> None:
        """Write down the columns of some rows."""
        if not self._names:
            return
        kept = rows.select(self._names)
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._path), kept.schema)
        self._writer.write_batch(kept)

    def failing(self, rows: int) -> tuple[dict[str, int], dict[str, str]]:
        """By name, how many rows fail each check: all, or none; and why one could not be run."""
        if not self._checks:
            return {}, {}
        if self._writer is None:
            return {check.name: rows for check in self._checks}, {}
        self._writer.close()
        counts: dict[str, int] = {}
        errors: dict[str, str] = {}
        with pa.memory_map(str(self._path)) as file:
            frame = frame_of(pa.ipc.open_file(file).read_all(), range(1, rows + 1))
            for check in self._checks:
                try:
                    counts[check.name] = 0 if _passes(check, frame) else rows
                except Exception as error:  # noqa: BLE001 - a check is a user's code: any error in it closes the gate
                    errors[check.name] = reason_of(self._contract, error)
        return counts, errors


def _passes(check: Check, frame: pd.DataFrame) -> bool:
    assert check.pandera is not None
    try:
        return bool(check.pandera(frame, *check.columns).check_passed)
    except NotImplementedError:  # pandera, of an answer that is pd.NA: a mean of no values
        return False
