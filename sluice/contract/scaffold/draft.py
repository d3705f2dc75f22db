"""A sample and what the user says of it -> all files of a new dataset, tried before anyone writes them. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.names import column_names
from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import DATING, Contract
from sluice.contract.errors import ConfigError
from sluice.contract.scaffold import examples
from sluice.contract.scaffold.formats import Signs, decimal_sign
from sluice.contract.scaffold.guess import Guess, with_one_key, with_words_of_others
from sluice.contract.scaffold.guess import guess as guess_column
from sluice.contract.scaffold.new_dataset import NewDataset, Sample
from sluice.contract.scaffold.readings import LEAST_ROWS
from sluice.contract.scaffold.rejected import hollow_of
from sluice.contract.scaffold.spellings import looks_like
from sluice.contract.scaffold.texts.contract_file import contract_file
from sluice.contract.scaffold.texts.staging import mart_sql, mart_yaml, staging_sql, staging_yaml

_TOTAL = re.compile(
    r"(?i)(grand-?|sub-?|([^\W\d_]+ ){1,2})?totals?:?|sums?:?|summen?:?|gesamt(summe)?:?|insgesamt|overall|"
    r"total(e|es)?( .*)?|all|average|mean|[0-9,]+ (rows?|records?)|end of (file|report).*"
)
MOST_TOTALS = 5  # last rows that are totals; where more begin so, it is how the records are named


@dataclass(frozen=True)
class Draft:
    """The files of a new dataset, by their place in the project, and its contract."""

    files: dict[PurePosixPath, str]
    contract: Contract


def draft(new: NewDataset, sample: Sample, guesses: Sequence[Guess] | None = None) -> Draft:
    """Guess the columns and lay out the files.

    Raises:
        DataError: a column of a type that no contract type holds.
        ConfigError: the column or the period that batches are dated by is not the sample's.
    """
    guesses = guesses_of(sample) if guesses is None else guesses
    _check_dated(new, guesses)
    guesses = [replace(guess, required=True) if guess.name == new.files.batches.by else guess for guess in guesses]
    hollow = hollow_of(sample)
    text = contract_file(new, guesses, sample.rows, hollow.filled if hollow else ())
    with _loaded(new, text) as module:
        contract: Contract = module.CONTRACT
        checks_of(contract, new.batch)  # traces them: what is written can be audited
        good = examples.good_rows(contract, new.batch, guesses)
    staging = PurePosixPath("dbt_project/models/staging", new.source)
    marts = PurePosixPath("dbt_project/models/marts")
    data = PurePosixPath("tests/data", new.dataset_id)
    files = {
        PurePosixPath("contracts", f"{new.module}.py"): text,
        staging / f"stg_{new.dataset_id}.sql": staging_sql(new, guesses),
        staging / f"_{new.dataset_id}__models.yml": staging_yaml(new, guesses),
        marts / f"fct_{new.dataset_id}.sql": mart_sql(new, guesses),
        marts / f"_fct_{new.dataset_id}.yml": mart_yaml(new, guesses),
        data / "good.csv": examples.good_csv(contract, guesses, good),
        data / "bad.csv": examples.bad_csv(contract, guesses, good),
    }
    return Draft(files, contract)


def guesses_of(sample: Sample) -> list[Guess]:
    """What each column is, by its own cells and by the other columns."""
    found = with_one_key(_columns_of(sample))
    return found if sample.typed else with_words_of_others(found)


def _columns_of(sample: Sample) -> list[Guess]:
    """What each column is by its own cells; a closing line of totals says nothing of its column."""
    names = column_names(sample.names)
    hollow = hollow_of(sample)
    cells_of = [cells[: hollow.start] for cells in sample.columns] if hollow and hollow.note else sample.columns
    columns = list(zip(names, sample.names, cells_of, strict=True))
    signs = Signs(sample.delimiter == ",")

    def read(column: tuple[str, str, pa.Array]) -> Guess:
        typed = sample.typed and column[1] not in sample.texts
        return guess_column(*column, sample.whole, typed, signs, sample.kinds.get(column[1]))

    found = [read(column) for column in columns]
    shown = {decimal_sign(one.type.name, one.format, cells) for one, cells in zip(found, cells_of, strict=True)} - {""}
    if len(shown) == 1:  # it decides columns that do not show it themselves
        signs = replace(signs, decimal=shown.pop())
        unsure = [bool(one.undecided) or (one.type.name == "float" and not one.format) for one in found]
        found = [read(column) if open_ else one for column, one, open_ in zip(columns, found, unsure, strict=True)]
    closing = any(one.closing for one in found)
    named = {place: words for place, one in enumerate(found) if (words := _totals(one))} if sample.whole else {}
    total = None if closing or not named else min(named)
    if total is None and not closing:
        return found
    last = 1 if total is None else len(named[total])
    rest = [guess_column(name, source, cells[:-last], signs=signs) for name, source, cells in columns]
    odd = [replace(new, odd=old.odd) if old.closing else new for old, new in zip(found, rest, strict=True)]
    if total is not None and odd[total].type.name == "text":
        odd[total] = replace(odd[total], totals=named[total])
    elif total is not None:  # of another type, the words are not values
        odd[total] = replace(odd[total], odd=(last, named[total]), closing=True)
    return odd


def _totals(one: Guess) -> tuple[str, ...]:
    """The words of the last rows that make them totals, if no other row has them."""
    words: list[str] = []
    if one.type.name != "text":
        return ()
    for place in range(len(one.values) - 1, LEAST_ROWS - 2, -1):
        word = one.values[place].as_py()
        if word is None or not _TOTAL.fullmatch(word.strip()) or pc.sum(pc.equal(one.values, word)).as_py() > 1:
            break
        words.insert(0, word)
    return tuple(words) if len(words) <= MOST_TOTALS else ()


def _check_dated(new: NewDataset, guesses: Sequence[Guess]) -> None:
    by = new.files.batches.by
    if by is None:
        return
    dated = [guess.name for guess in guesses if guess.type.name in DATING]
    if by in dated:
        return
    texts = next((guess.values for guess in guesses if guess.name == by and guess.type.name == "text"), None)
    if texts is not None and (looks := looks_like(texts)):
        raise ConfigError(
            f"--by {by}: looks like {looks[0]}, which stay text, and text cannot date rows: "
            "omit --by; the draft says how the stg_ model reads them"
        )
    there = f"these are: {', '.join(dated)}" if dated else "the sample has none"
    raise ConfigError(f"--by {by}: is not a column of the sample with dates or times; {there}")


@contextmanager
def _loaded(new: NewDataset, text: str) -> Iterator[ModuleType]:
    """The contract's module, before it is a file; pandera looks its types up in sys.modules."""
    module = ModuleType(f"contracts.{new.module}")
    module.__package__ = new.package or None
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, f"{new.module}.py", "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]
