"""What the user says of a new dataset, and a sample of its rows, before anything is guessed. Pure."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from sluice.contract.authoring.names import in_words
from sluice.contract.columns import ColumnType
from sluice.contract.contract import LONGEST_ID, PART, Files
from sluice.contract.errors import ConfigError
from sluice.contract.sources import Table

MAX_REJECTED = 0.05  # of an ordinary draft's gate
NO_OWNER = "you@example.com"  # where the user names none
OWN_SCHEMAS = ("ops", "staging", "quarantine", "marts")  # a source of this name would be taken for Sluice's own


@dataclass(frozen=True, slots=True)
class Function:
    """A function that gives a dataset's rows.

    Attributes:
        module: where it is; empty if the contract's own file has it.
        text: of the function, if it is to be written into that file.
    """

    name: str
    module: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class NewDataset:
    """Names, owner and files of a dataset.

    Raises:
        ConfigError: a name that cannot name a table, a file or a dbt source.
    """

    source: str
    entity: str
    owner: str
    files: Files
    dated: bool = True  # a column of dates or times can distinguish its batches
    function: Function | None = None  # that gives the rows, where no file does
    package: str = ""  # that the contract's module is part of, so that it can import its neighbours
    max_rejected: float = MAX_REJECTED  # the share of rejected rows above which the gate closes

    def __post_init__(self) -> None:
        for name in (self.source, self.entity):
            if not PART.fullmatch(name) or keyword.iskeyword(name):
                raise ConfigError(
                    f"{name!r} is not a valid name: use lower case letters, digits and single _, as in yellow_trips"
                )
        if self.source in OWN_SCHEMAS:
            raise ConfigError(f"{self.source!r} is reserved by Sluice; use the name of the provider of the files")
        if len(self.dataset_id) > LONGEST_ID:
            raise ConfigError(f"{self.dataset_id} is over {LONGEST_ID} characters; use shorter names")

    @property
    def dataset_id(self) -> str:
        """`<source>__<entity>`."""
        return f"{self.source}__{self.entity}"

    @property
    def module(self) -> str:
        """The contract's module in contracts/."""
        return f"{self.source}_{self.entity}"

    @property
    def description(self) -> str:
        """A first description."""
        if isinstance(self.files, Table):
            return f"{in_words(self.entity)} as another tool loads them into {self.files.table}."
        return f"{in_words(self.entity)} as {self.source} delivers them."

    @property
    def batch(self) -> str:
        """The batch that the sample is of."""
        return self.files.batches.first


@dataclass(frozen=True)
class Sample:
    """Some rows of a file, by column: bytes from CSV, typed values from Parquet."""

    names: Sequence[str]
    columns: Sequence[pa.Array]
    whole: bool = False  # all rows of the file are in it
    typed: bool = False  # the file gives its columns types
    delimiter: str = ","
    texts: frozenset[str] = frozenset()  # columns that a typed file gives as text of any type
    kinds: Mapping[str, ColumnType] = field(default_factory=dict)  # types that are known, of cells given as text
    misfit: str = ""  # what is said of a header with more or fewer names than rows have fields
    encodings: tuple[str, ...] = ()  # others that may be right, too, and read other words
    doubt: str = ""  # what is said of lines that may be several columns
    malformed: tuple[str, ...] = ()  # rows that could not be divided, or repeat the header, as the file has them

    @property
    def rows(self) -> int:
        return len(self.columns[0])
