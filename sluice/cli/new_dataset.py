"""`sluice new`: a sample file in, the first draft of its dataset written into the project.

Looks before it writes: a name, a file or a value that does not do is one error, and nothing is written.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sluice.cli.output.tables import out
from sluice.contract.batches import Batches, Calendar, EachFile, Single, calendar_of
from sluice.contract.contract import Files
from sluice.contract.errors import ConfigError, ToolError
from sluice.contract.scaffold.doubts import datable, dated, doubts_of, refuse_row_as_header
from sluice.contract.scaffold.draft import Draft, Sample, draft, guesses_of
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import NO_OWNER, NewDataset
from sluice.project import paths
from sluice.project.datasets import contracts
from sluice.project.derived import place, stale_files
from sluice.source.addresses import is_remote
from sluice.source.fetch import fetch, look
from sluice.source.sample import sample_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user says of a new dataset.

    Attributes:
        batch: the period that the sample is of, where the source delivers one file an hour, a day, ...
        each_file: the pattern of file names, where each file of the sample's folder is a batch.
        by: the column that dates the rows of a batch.
        options: of `Files`, those that the user set.
        replace: whether an earlier draft is written again.
    """

    source: str
    entity: str
    address: str
    owner: str = NO_OWNER
    batch: str | None = None
    each_file: str | None = None
    by: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False


def new(wish: Wish) -> None:
    """Write contract, staging model, example rows and derived files of a new dataset.

    Raises:
        ConfigError: a name that does not do, or a dataset or file that is there already.
        DataError: the sample is empty, damaged, or in no format that Sluice reads.
    """
    batches = _batches(wish)
    named = NewDataset(wish.source, wish.entity, wish.owner, Files("", batches))
    _refuse_existing(named, wish.replace)
    with tempfile.TemporaryDirectory() as folder:
        file = fetch(look(wish.address), Path(folder))
        files = Files(_template(wish.address, batches), batches, **wish.options)
        sample, files = sample_of(file, files, frozenset(wish.options))
    guesses = guesses_of(sample)
    if files.header and file.format in ("csv", "excel") and not {"header", "names"} & set(wish.options):
        refuse_row_as_header(file.address, sample, guesses)
    new = NewDataset(wish.source, wish.entity, wish.owner, dated(files, guesses), datable(guesses))
    made = draft(new, sample, guesses)
    texts = {place(path): text for path, text in made.files.items()} | _derived(made)
    _write(texts, new=[] if wish.replace else [place(path) for path in made.files])
    _say(new, sample, texts, guesses)


def _batches(wish: Wish) -> Batches:
    if wish.each_file is not None:
        if wish.batch is not None or wish.by is not None:
            raise ConfigError("--each-file names batches by their files: leave out --batch and --by")
        each, name = EachFile(wish.each_file), wish.address.rpartition("/")[2]
        if each.batch_of(name) is None:
            raise ConfigError(f"--each-file {each.pattern}: the sample's name, {name}, does not match it")
        return each
    if wish.batch is not None:
        return calendar_of(wish.batch, wish.by)
    if wish.by is not None:
        raise ConfigError("--by names the column that dates the rows of a batch: add --batch with its period: 2024-01")
    return Single()


def _refuse_existing(new: NewDataset, again: bool) -> None:
    if again:
        return
    files = (
        f"contracts/{new.module}.py",
        f"dbt_project/models/staging/{new.source}/stg_{new.dataset_id}.sql",
        f"dbt_project/models/staging/{new.source}/_{new.dataset_id}__models.yml",
        f"dbt_project/models/marts/fct_{new.dataset_id}.sql",
        f"dbt_project/models/marts/_fct_{new.dataset_id}.yml",
        f"tests/data/{new.dataset_id}/good.csv",
        f"tests/data/{new.dataset_id}/bad.csv",
    )
    there = next((file for file in files if place(PurePosixPath(file)).exists()), None)
    if there is not None or new.dataset_id in contracts():
        where = there or "contracts/"
        raise ConfigError(
            f"{new.dataset_id} already exists ({where}); nothing was written. Choose another name, "
            "or replace the draft with --replace"
        )


def _template(address: str, batches: Batches) -> str:
    """The address of every delivery, as far as the sample's own shows it."""
    if not is_remote(address) and not address.lower().startswith("file:"):
        path = Path(address).expanduser().resolve()
        address = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    address = address.replace("{", "{{").replace("}", "}}")
    if isinstance(batches, EachFile):
        return f"{address.rpartition('/')[0] or '.'}/"
    if not isinstance(batches, Calendar):
        return address
    parts = {f"{field}={text}": f"{field}={{{field}}}" for field, text in batches.parts(batches.start).items()}
    if all(part in address for part in parts):  # folders as Hive names them
        return re.sub("|".join(parts), lambda found: parts[found[0]], address)
    if batches.start in address:
        return address.replace(batches.start, "{batch}")
    written = "([-_./T ]?)".join(batches.parts(batches.start).values())  # 20240131, 2024_01_31, 2024/01/31
    marks = [f"{{{field}}}" for field in batches.fields]
    spelled = "".join(f"{mark}\\{place}" for place, mark in enumerate(marks[:-1], start=1)) + marks[-1]
    found, count = re.subn(f"(?<![0-9]){written}(?![0-9])", spelled, address)
    if count:
        return found
    folder, slash, name = address.rpartition("/")
    stem, dot, ending = name.partition(".")
    return f"{folder}{slash}{stem}_{{batch}}{dot}{ending}"


def _derived(made: Draft) -> dict[Path, str]:
    """The derived files of the new dataset, and those it shares with others of its source."""
    new = made.contract
    others = [one for one in contracts().values() if one.source == new.source and one.dataset_id != new.dataset_id]
    return stale_files([*others, new])


def _write(texts: dict[Path, str], new: list[Path]) -> None:
    """All files or none."""
    before: dict[Path, bytes | None] = {}  # of those that were opened
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            old = path.read_bytes() if path.exists() else None
            with path.open("x" if path in new else "w", encoding="utf-8", newline="\n") as file:
                before[path] = old
                file.write(text)
    except OSError as error:
        for path, old in before.items():
            if old is None:
                path.unlink()
            else:
                path.write_bytes(old)
        raise ToolError(f"{error.filename}: cannot be written: {error.strerror}; nothing was kept") from None


def _say(new: NewDataset, sample: Sample, texts: dict[Path, str], guesses: Sequence[Guess]) -> None:
    doubts = doubts_of(new, guesses, sample.rows)
    staging = paths.project().settings.schemas.staging
    lines = [
        f"{new.dataset_id}: {len(sample.columns)} columns guessed from {sample.rows:,} rows. Wrote:",
        *(f"  {os.path.relpath(path)}" for path in texts),
        *(["Review these first (marked with `# confirm` in the draft):"] if doubts else []),
        *(f"  {number}. {doubt}" for number, doubt in enumerate(doubts, start=1)),
        "Then:",
        f"  sluice contract show {new.dataset_id}",
        f"  sluice run {new.dataset_id}",
        f'  sluice sql "select * from {staging}.{new.dataset_id} limit 10"',  # noqa: S608 - shown, not run
    ]
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
