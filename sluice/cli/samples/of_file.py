"""A sample file: its rows, how it is written, and the address of every delivery."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from sluice.cli.samples.request import DatasetRequest, Learned
from sluice.contract.batches import Batches, Calendar, EachFile, Single, calendar_of
from sluice.contract.contract import Files
from sluice.contract.errors import ConfigError
from sluice.contract.scaffold.doubts import of_encoding, of_malformed
from sluice.contract.scaffold.draft import guesses_of
from sluice.contract.scaffold.misleading import misleading, of_header, refuse_row_as_header
from sluice.source.addresses import is_remote
from sluice.source.fetch import fetch, listed, look
from sluice.source.files import Listing
from sluice.source.parts import several
from sluice.source.sample import sample_of


def learn(request: DatasetRequest, address: str) -> Learned:
    """The file's columns and options.

    Raises:
        DataError: it is empty, damaged, in no format that Sluice reads, or its first line looks like a row.
    """
    batches = batches_of(request)
    with tempfile.TemporaryDirectory() as folder:
        file = fetch(_looked_at(address), Path(folder))
        files = Files(_template(address, batches), batches, **request.options)
        sample, files = sample_of(file, files, frozenset(request.options))
    guesses = guesses_of(sample)
    doubts = [
        *([sample.doubt] if sample.doubt else []),
        *of_malformed(files, sample, guesses),
        *misleading(files, sample, guesses),
        *of_encoding(files, sample.encodings, guesses),
    ]
    if files.header and file.format in ("csv", "excel") and not {"header", "names"} & set(request.options):
        refuse_row_as_header(file.address, sample, guesses)
        doubts += of_header(guesses)
    return Learned(files, sample, guesses, doubts)


def _looked_at(address: str) -> Listing:
    """The sample: a file, or all that match an address with `*`."""
    if not several.is_of_several(address):
        return look(address)
    return several.matching(address, listed(several.folder_above(address)))


def batches_of(request: DatasetRequest) -> Batches:
    """The cadence that the user names.

    Raises:
        ConfigError: the options do not go together, or do not fit the sample's name.
    """
    if request.each_file is not None:
        if request.batch is not None or request.by is not None:
            raise ConfigError("--each-file names batches by their files: leave out --batch and --by")
        each, name = EachFile(request.each_file), (request.address or "").rpartition("/")[2]
        if each.batch_of(name) is None:
            raise ConfigError(f"--each-file {each.pattern}: the sample's name, {name}, does not match it")
        return each
    if request.batch is not None:
        return calendar_of(request.batch, request.by)
    if request.by is not None and request.table is None:
        raise ConfigError("--by names the column that dates the rows of a batch: add --batch with its period: 2024-01")
    return Single()


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
