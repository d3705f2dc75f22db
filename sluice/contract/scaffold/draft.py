"""A sample and what the user says of it -> all files of a new dataset, tried before anyone writes them. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import ModuleType

import pyarrow as pa

from sluice.contract.authoring.names import column_names
from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import DATING, Contract
from sluice.contract.errors import ConfigError, DataError
from sluice.contract.scaffold import examples
from sluice.contract.scaffold.contract_file import contract_file
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.guess import guess as guess_column
from sluice.contract.scaffold.new_dataset import Facts
from sluice.contract.scaffold.spellings import looks_like
from sluice.contract.scaffold.staging import staging_sql, staging_yaml


@dataclass(frozen=True)
class Sample:
    """Some rows of a file, by column: bytes from CSV, typed values from Parquet."""

    names: Sequence[str]
    columns: Sequence[pa.Array]

    @property
    def rows(self) -> int:
        return len(self.columns[0])


@dataclass(frozen=True)
class Draft:
    """The files of a new dataset, by their place in the project, and its contract."""

    files: dict[PurePosixPath, str]
    contract: Contract


def draft(facts: Facts, sample: Sample) -> Draft:
    """Guess the columns and lay out the files.

    Raises:
        DataError: no column, a column that stands twice, or one of a type that no contract type holds.
        ConfigError: the column or the month that batches are dated by is not the sample's.
    """
    guesses = _guesses(sample)
    _check_dated(facts, guesses)
    text = contract_file(facts, facts.files.delimiter, guesses, sample.rows)
    with _loaded(facts, text) as module:
        contract: Contract = module.CONTRACT
        checks_of(contract, facts.batch)  # traces them: what is written can be audited
        good = examples.good_rows(contract, facts.batch, guesses)
    staging = PurePosixPath("dbt_project/models/staging", facts.source)
    data = PurePosixPath("tests/data", facts.dataset_id)
    files = {
        PurePosixPath("contracts", f"{facts.module}.py"): text,
        staging / f"stg_{facts.dataset_id}.sql": staging_sql(facts, guesses),
        staging / f"_{facts.dataset_id}__models.yml": staging_yaml(facts, guesses),
        data / "good.csv": examples.good_csv(contract, guesses, good),
        data / "bad.csv": examples.bad_csv(contract, guesses, good),
    }
    return Draft(files, contract)


def _guesses(sample: Sample) -> list[Guess]:
    twice = sorted({name for name in sample.names if list(sample.names).count(name) > 1})
    if twice:
        raise DataError(f"the sample has more than one column {twice[0]!r}; a contract needs one name each")
    names = column_names(sample.names)
    return [guess_column(*column) for column in zip(names, sample.names, sample.columns, strict=True)]


def _check_dated(facts: Facts, guesses: Sequence[Guess]) -> None:
    by = facts.files.batches.by
    if by is None:
        return
    dated = [guess.name for guess in guesses if guess.type.name in DATING]
    if by in dated:
        return
    texts = next((guess.values for guess in guesses if guess.name == by and guess.type.name == "text"), None)
    if texts is not None and (looks := looks_like(texts)):
        raise ConfigError(
            f"--by {by}: looks like {looks[0]}, which stay text, and text dates no row: "
            "leave --by away; the draft says how the stg_ model reads them"
        )
    there = f"there are {', '.join(dated)}" if dated else "the sample has none"
    raise ConfigError(f"--by {by}: is no column of the sample that holds dates or times; {there}")


@contextmanager
def _loaded(facts: Facts, text: str) -> Iterator[ModuleType]:
    """The contract's module, before it is a file; pandera looks its types up in sys.modules."""
    module = ModuleType(f"contracts.{facts.module}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, f"{facts.module}.py", "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]
