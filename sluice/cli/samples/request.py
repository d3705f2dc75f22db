"""What a user says of a new dataset, and what was learned of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.contract.contract import Files
from sluice.contract.errors import ConfigError
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import NO_OWNER, Function, Sample


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """What the user says of a new dataset.

    One of `address`, `table`, `rows` and `function` is given.

    Attributes:
        address: of the sample file.
        batch: the period that the sample is of, where the source delivers one file an hour, a day, ...
        each_file: the pattern of file names, where each file of the sample's folder is a batch.
        by: the column that dates the rows of a batch.
        options: of `Files`, those that the user set.
        replace: whether an earlier draft is written again.
        table: that another tool fills, with its schema.
        rows: whether the contract gets a function to be written by the user.
        function: that gives the rows, as `module:name`.
    """

    source: str
    entity: str
    address: str | None = None
    owner: str = NO_OWNER
    batch: str | None = None
    each_file: str | None = None
    by: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False
    table: str | None = None
    rows: bool = False
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """A sample of a dataset and what it says.

    Attributes:
        files: the contract's argument `files`.
        doubts: what of these files needs a person's eye.
        package: that the contract's module is part of, where it imports a neighbour.
    """

    files: Files
    sample: Sample
    guesses: Sequence[Guess]
    doubts: Sequence[str] = ()
    function: Function | None = None
    package: str = ""


def refuse_others(request: DatasetRequest, able: Sequence[str], what: str) -> None:
    """Raises ConfigError if the user sets an option of a file that a source of this kind does not have."""
    odd = next((name for name in request.options if name not in able), None)
    if odd is not None or request.each_file is not None:
        name = f"--{(odd or 'each_file').replace('_', '-')}".replace("--null-values", "--null")
        raise ConfigError(f"{name} is for files, and does not go with {what}")
