"""Files that stand for what is published of a dataset: judged by its contract, for the keys of the rows that pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluice.contract.checks.compile import Check
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, SluiceError
from sluice.file_check.deliveries import batches_of
from sluice.file_check.judge import Judge
from sluice.source.fetch import fetch, look
from sluice.source.readers.row_stream import open_rows

References = Sequence[tuple[str, Contract]]  # a file, and the contract of the dataset that it is of


def take_in(judge: Judge, references: References, folder: Path) -> None:
    """Give a judge the keys that its checks look up.

    Raises:
        ConfigError: a file cannot be read as its contract says, or its batch is not known.
    """
    for number, (file, contract) in enumerate(references):
        columns = _looked_up(judge.checks, contract)
        place = folder / f"reference_{number}"
        place.mkdir()
        try:
            [batch] = batches_of(contract, [file], [])
            _judge(file, contract, batch, place, columns)
        except SluiceError as error:
            raise ConfigError(f"--reference {file}, as {contract}: {error}") from None
        judge.know(contract.dataset_id, batch, columns, place)


def _looked_up(checks: Sequence[Check], contract: Contract) -> list[str]:
    """The columns of a dataset in which keys are looked up."""
    of = (check.looks_up for check in checks if check.looks_up and check.looks_up[0] == contract.dataset_id)
    found = [name for _, names in of for name in names]
    missing = [name for name in found if name not in {column.name for column in contract.columns}]
    if missing:
        raise ConfigError(f"{contract} has no column {missing[0]!r}, which is referenced")
    return list(dict.fromkeys(found))


def _judge(file: str, contract: Contract, batch: str, place: Path, columns: Sequence[str]) -> None:
    judge = Judge(contract, batch, place, keep=columns)
    try:
        with open_rows(fetch(look(file), place), contract, batch) as stream:
            for rows in stream:
                judge.take(rows)
        judge.report()
    finally:
        judge.close()
