"""Judge typed rows by a contract's checks in pandas, a batch of rows at a time, as the audit does in the database.

Memory: one batch of rows (at most 16,384) as Arrow and as a frame; the rest is on disk.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from sluice.contract.checks import row_independence
from sluice.contract.checks.compile import ROW_NUMBER, UNPARSED, Check, checks_of
from sluice.contract.checks.in_pandas import failing_rows, frame_of, independently_failing, reason_of
from sluice.contract.checks.keys import OF_KEYS
from sluice.contract.checks.names import SHAPE_CHECK, parse_check_name
from sluice.contract.checks.report import (
    CANARY_ROWS,
    SAMPLE_ROWS,
    canary_result,
    columns_shown,
    due_of_empty_row,
    report_of,
)
from sluice.contract.columns import WHOLE_ROW
from sluice.contract.contract import Contract, masked
from sluice.contract.gate import AuditReport, CheckResult
from sluice.contract.values.shown import of_key, shown
from sluice.file_check.aggregates import AggregateChecks
from sluice.file_check.rejected_rows import RejectedRows

_Unparsed = Mapping[int, Mapping[str, str]]  # by row number, the cells that did not parse


class Judge:
    """Takes the rows of one file in order, then gives the report. Close it in the end.

    Args:
        folder: for what does not stay in memory.
        known: datasets of which published rows will be given, so that keys can be looked up there.
        keep: columns whose values are asked for in the end.
    """

    def __init__(
        self,
        contract: Contract,
        batch: str,
        folder: Path,
        known: Collection[str] = (),
        keep: Collection[str] = (),
    ) -> None:
        self._contract = contract
        every = checks_of(contract, batch)
        self.checks = [check for check in every if check.looks_up is None or check.looks_up[0] in known]
        self._types = {column.name: column.type for column in contract.columns}
        self._shown = columns_shown(contract, self.checks)
        self._made_up: pd.DataFrame | None = row_independence.examples(contract)
        self._rejected = RejectedRows(contract, batch, self.checks, folder, keep)
        self.know = self._rejected.know
        self._aggregates = AggregateChecks(contract, self.checks, folder)
        self._rows = 0
        self._failing: Counter[str] = Counter()
        self._errors: dict[str, str] = {}
        self._samples: dict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def take(self, rows: pa.RecordBatch) -> None:
        """Judge some rows.

        Args:
            rows: as `RowStream` gives them.
        """
        unparsed = _unparsed_of(rows)
        first = int(rows.column(ROW_NUMBER.name)[0].as_py())
        for name, numbers, rejects in self._failures(rows, unparsed, self.checks):
            self._failing[name] += len(numbers)
            if rejects:
                self._rejected.reject(numbers)
            for number in numbers[: max(0, SAMPLE_ROWS - len(self._samples[name]))]:
                self._samples[name].append(self._sample(name, number, rows.slice(number - first, 1), unparsed))
        self._rejected.remember(rows)
        self._aggregates.remember(rows)
        self._made_up = None
        self._rows += len(rows)

    def report(self) -> AuditReport:
        """What the audit of a run would find."""
        counts, errors = self._aggregates.failing(self._rows)
        self._failing.update(counts)
        for check in self.checks:
            if check.kind in OF_KEYS:
                self._failing[check.name], keys = self._rejected.failing(check)
                self._samples[check.name] = [self._of_keys(row) for row in keys]
        alive = self._canary()
        samples = {name: tuple(found) for name, found in self._samples.items()}
        return report_of(
            self._contract,
            self.checks,
            alive,
            self._rows,
            self._rejected.count(),
            self._failing,
            self._errors | errors,
            samples,
        )

    def close(self) -> None:
        self._rejected.close()

    def _failures(
        self, rows: pa.RecordBatch, unparsed: _Unparsed, checks: Sequence[Check]
    ) -> Iterator[tuple[str, Sequence[int], bool]]:
        """Name, numbers of the rows that fail, and whether they are rejected, of each check of rows."""
        names = {column.name: parse_check_name(column) for column in self._contract.columns} | {WHOLE_ROW: SHAPE_CHECK}
        for key, name in names.items():
            if found := [number for number, cells in unparsed.items() if key in cells]:
                yield name, found, True
        frame = frame_of(
            pa.Table.from_batches([rows.select(list(self._types))]), rows.column(ROW_NUMBER.name).to_numpy()
        )
        for check in checks:
            if check.kind not in ("row", "pandas") or check.name in self._errors:
                continue
            try:
                failing = self._failing_rows(check, frame, unparsed)
            except Exception as error:  # noqa: BLE001 - a check is a user's code: any error in it closes the gate
                self._errors[check.name] = reason_of(self._contract, error)
                continue
            yield check.name, failing, check.severity == "error"

    def _failing_rows(self, check: Check, frame: pd.DataFrame, unparsed: _Unparsed) -> list[int]:
        if check.kind == "pandas":
            return independently_failing(check, frame, self._made_up)
        if check.pandera is not None:
            return failing_rows(check, frame)
        [name] = check.columns  # not null
        empty = frame.index[frame[name].isna()]
        return [int(number) for number in empty if not {name, WHOLE_ROW} & unparsed.get(int(number), {}).keys()]

    def _sample(self, name: str, number: int, row: pa.RecordBatch, unparsed: _Unparsed) -> Mapping[str, Any]:
        cells = unparsed.get(number, {})
        values = {each: cells[each] if each in cells else self._value(each, row) for each in self._shown[name]}
        return {ROW_NUMBER.name: number, **masked(self._contract, values)}

    def _value(self, name: str, row: pa.RecordBatch) -> Any:
        return None if name == WHOLE_ROW else shown(self._types[name], row.column(name)[0].as_py())

    def _of_keys(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        values = {name: of_key(self._types[name], value) for name, value in row.items() if name in self._types}
        return {ROW_NUMBER.name: row[ROW_NUMBER.name], **masked(self._contract, values)}

    def _canary(self) -> CheckResult:
        """Two rows that must be rejected, judged as all others are: if they are not, nothing else can be trusted."""
        due = due_of_empty_row(self._contract, self.checks)
        columns = [pa.nulls(len(CANARY_ROWS), kind.arrow) for kind in self._types.values()]
        more = [pa.array([*CANARY_ROWS]), pa.array([*CANARY_ROWS.values()])]
        names = [*self._types, ROW_NUMBER.name, UNPARSED.name]
        rows = pa.RecordBatch.from_arrays([*columns, *more], names=names)
        checks = [check for check in self.checks if check.name in due]
        found: dict[int, set[str]] = defaultdict(set)
        for name, numbers, _ in self._failures(rows, _unparsed_of(rows), checks):
            for number in numbers:
                found[number].add(name)
        return canary_result(self._contract, self.checks, found)


def _unparsed_of(rows: pa.RecordBatch) -> dict[int, dict[str, str]]:
    texts = rows.column(UNPARSED.name)
    if texts.null_count == len(texts):
        return {}
    numbers = rows.column(ROW_NUMBER.name).to_pylist()
    return {
        number: json.loads(text) for number, text in zip(numbers, texts.to_pylist(), strict=True) if text is not None
    }
