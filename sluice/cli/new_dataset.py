"""`sluice new`: a sample file in, the first draft of its dataset written into the project.

Looks before it writes: a name, a file or a value that does not do is one error, and nothing is written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from sluice.cli.output.tables import out
from sluice.contract.batches import Monthly, Single
from sluice.contract.contract import Files
from sluice.contract.derive import files as derive
from sluice.contract.errors import ConfigError, DataError, ToolError
from sluice.contract.scaffold.draft import Draft, Sample, draft
from sluice.contract.scaffold.guess import null_words
from sluice.contract.scaffold.new_dataset import Facts
from sluice.project import paths
from sluice.project.datasets import contracts
from sluice.source.addresses import is_remote
from sluice.source.fetch import fetch, look
from sluice.source.files import SourceFile
from sluice.source.readers.csv_reader import CsvReader
from sluice.source.readers.parquet_reader import ParquetReader

SAMPLE_ROWS = 100_000  # about 20 MB of a wide CSV file; a rarer value is found by the first audit
DELIMITERS = ",;\t|"


def new(source: str, entity: str, address: str, monthly: str | None, by: str | None, owner: str) -> None:
    """Write contract, staging model, example rows and derived files of a new dataset.

    Args:
        monthly: the month that the sample is of, where the source delivers one file a month.
        by: the column that dates the rows of a month.

    Raises:
        ConfigError: a name that does not do, or a dataset or file that is there already.
        DataError: the sample is empty, damaged, or no CSV or Parquet file.
    """
    batches = _batches(monthly, by)
    named = Facts(source, entity, owner, Files("", batches))
    _refuse_existing(named)
    with tempfile.TemporaryDirectory() as folder:
        file = fetch(look(address), Path(folder))
        files = Files(_template(address, monthly), batches, delimiter=_delimiter(file))
        sample, files = _sample(file, files)
    facts = Facts(source, entity, owner, files)
    made = draft(facts, sample)
    root = paths.root()
    texts = {root / path: text for path, text in made.files.items()} | _derived(made, root)
    _write(texts, new=[root / path for path in made.files])
    _say(facts, sample, texts)


def _batches(monthly: str | None, by: str | None) -> Monthly | Single:
    if monthly is None:
        if by is not None:
            raise ConfigError("--by names the column that dates the rows of a month: say --monthly 2024-01 too")
        return Single()
    batches = Monthly(start=monthly, by=by)
    batches.validate(monthly)
    return batches


def _refuse_existing(facts: Facts) -> None:
    files = (
        f"contracts/{facts.module}.py",
        f"dbt_project/models/staging/{facts.source}/stg_{facts.dataset_id}.sql",
        f"dbt_project/models/staging/{facts.source}/_{facts.dataset_id}__models.yml",
        f"tests/data/{facts.dataset_id}/good.csv",
        f"tests/data/{facts.dataset_id}/bad.csv",
    )
    there = next((file for file in files if (paths.root() / file).exists()), None)
    if there is not None or facts.dataset_id in contracts():
        where = there or "contracts/"
        raise ConfigError(f"{facts.dataset_id} is there already ({where}); nothing was written. Take another name")


def _template(address: str, monthly: str | None) -> str:
    """The address of every delivery, as far as the sample's own tells."""
    if not is_remote(address) and not address.lower().startswith("file:"):
        path = Path(address).expanduser().resolve()
        address = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    address = address.replace("{", "{{").replace("}", "}}")
    if monthly is None or monthly in address:
        return address.replace(monthly, "{batch}") if monthly else address
    folder, slash, name = address.rpartition("/")
    stem, dot, ending = name.partition(".")
    return f"{folder}{slash}{stem}_{{batch}}{dot}{ending}"


def _delimiter(file: SourceFile) -> str:
    """What parts most names in the header; a comma where nothing does."""
    if file.format == "parquet":
        return ","
    found, unread = {}, None
    for delimiter in DELIMITERS:
        try:
            with _closing(CsvReader(file, Files("", Single(), delimiter=delimiter))) as reader:
                found[delimiter] = len(reader.names)
        except DataError as error:  # a quoted name that does not end where this delimiter is due
            unread = unread or error
    if unread is not None and not found:
        raise unread
    return max(found, key=lambda delimiter: found[delimiter])


def _sample(file: SourceFile, files: Files) -> tuple[Sample, Files]:
    """The first rows of the file, and how it is to be read: what means null, and whether fields hold line breaks."""
    try:
        sample = _first_rows(file, files)
    except DataError as stray_quote:
        files = replace(files, multiline=True)
        try:
            sample = _first_rows(file, files)
        except DataError:
            raise stray_quote from None
    words = sorted(frozenset().union(*map(null_words, sample.columns)))
    if not words:
        return sample, files
    files = replace(files, null_values=(*files.null_values, *words))
    return _first_rows(file, files), files


def _first_rows(file: SourceFile, files: Files) -> Sample:
    reader = ParquetReader(file, files) if file.format == "parquet" else CsvReader(file, files)
    with _closing(reader):
        if not reader.names or not all(name.strip() for name in reader.names):
            raise DataError(f"{file.address}: a column of its header has no name; the first line must name them all")
        pieces: list[list[pa.Array]] = []
        count = 0
        for rows in reader:
            whole = pa.array([n not in rows.rejected for n in range(rows.length)])
            pieces.append([column.filter(whole) for column in rows.columns])
            count += len(pieces[-1][0])
            if count >= SAMPLE_ROWS:
                break
        if not count:
            raise DataError(f"{file.address}: has column names but no whole row to learn from; give another sample")
        columns = [pa.concat_arrays(column)[:SAMPLE_ROWS] for column in zip(*pieces, strict=True)]
        return Sample(reader.names, columns)


@contextmanager
def _closing(reader: CsvReader | ParquetReader) -> Iterator[CsvReader | ParquetReader]:
    try:
        yield reader
    finally:
        reader.close()


def _derived(made: Draft, root: Path) -> dict[Path, str]:
    """The derived files of the new dataset, and those it shares with others of its source."""
    others = [contract for contract in contracts().values() if contract.source == made.contract.source]
    return derive.stale_files([*others, made.contract], root)


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


def _say(facts: Facts, sample: Sample, texts: dict[Path, str]) -> None:
    marks = sum(text.count("# confirm") for text in texts.values())
    columns = len(sample.columns)
    lines = [
        f"{facts.dataset_id}: {columns} columns guessed from {sample.rows:,} rows. Wrote:",
        *(f"  {os.path.relpath(path)}" for path in texts),
        f"{marks} guesses are marked `# confirm`: go through them, then",
        f"  sluice contract show {facts.dataset_id}",
        f"  sluice run {facts.dataset_id}",
        f'  sluice sql "select * from staging.{facts.dataset_id} limit 10"',  # noqa: S608 - shown, not run
    ]
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
