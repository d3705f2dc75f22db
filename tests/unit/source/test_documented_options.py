"""The tables of docs/sources.md: each example is read as the table says, and no option or format is left out."""

from __future__ import annotations

import bz2
import gzip
import inspect
import json
import lzma
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import sluice
from sluice.cli.dataset_commands import new
from sluice.contract.batches import Single
from sluice.contract.columns import column
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import DataError
from sluice.contract.values.casts import read
from sluice.source.fetch import fetch, look
from sluice.source.files import Compression, Format
from sluice.source.parts import stream
from sluice.source.readers.row_stream import open_reader
from tests.support.documented import table
from tests.support.workbooks import workbook

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zstd": zstandard.compress, "bzip2": bz2.compress, "xz": lzma.compress,
}  # fmt: skip


FORMATS, OPTIONS, COLUMNS = (table("sources.md", first) for first in ("format", "option", "type"))


def written(folder: Path, kind: str, example: str, encoding: str) -> Path:
    """The file of an example."""
    path = folder / "delivery"
    example = re.sub(r"(\S⏎) \.\.\. ([0-9,]+) times", lambda found: found[1] * int(found[2].replace(",", "")), example)
    text = example.replace("⏎", "\n")
    if kind in PACK:
        path.write_bytes(PACK[kind](text.encode()))
    elif kind == "Excel":
        workbook(path, json.loads(example))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, body in json.loads(example).items():
                packed.writestr(name, body.replace("⏎", "\n"))
    elif kind == "Parquet":
        pq.write_table(pa.table(json.loads(example)), path)
    elif kind == "folder":
        for name, columns in json.loads(example).items():
            (path / name).parent.mkdir(parents=True)
            pq.write_table(pa.table(columns), path / name)
    else:
        path.write_bytes(text.encode(encoding))
    return path


def rows_of(path: Path, files: Files) -> Iterator[dict[str, Any]]:
    with closing(open_reader(fetch(look(str(path)), path.parent), files)) as reader:
        for rows in reader:
            columns = [column.to_pylist() for column in rows.columns]
            for row in zip(*columns, strict=True):
                cells = zip(reader.names, row, strict=True)
                yield {name: _text(cell) for name, cell in cells if name not in files.ignore}


def _text(cell: Any) -> str | None:
    return cell.decode() if isinstance(cell, bytes) else None if cell is None else str(cell)


@pytest.mark.parametrize(
    ("kind", "options", "example", "expected"),
    [
        *((kind, "", example, expected) for kind, example, expected, *_ in FORMATS),
        *((kind, options, example, expected) for options, kind, _, example, expected in OPTIONS),
    ],
)
def test_an_example_of_the_guide_is_read_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, example: str, expected: str
) -> None:
    monkeypatch.setattr(stream, "RATIO_FROM", 0)
    files: Files = eval(f"Files('x', Single(), {options})", {"Files": Files, "Single": Single})
    path = written(tmp_path, kind, example, files.encoding)
    if expected.startswith("refused: "):
        with pytest.raises(DataError, match=expected.removeprefix("refused: ")):
            list(rows_of(path, files))
        return
    assert " ".join(json.dumps(row, ensure_ascii=False) for row in rows_of(path, files)) == expected


@pytest.mark.parametrize(("kind", "options", "cell", "expected"), COLUMNS)
def test_a_cell_of_the_guide_has_the_value_that_it_says(kind: str, options: str, cell: str, expected: str) -> None:
    declared = eval(f"column('x', {options})", {"column": column})
    model = type("Model", (pandera.DataFrameModel,), {"__annotations__": {"x": getattr(sluice, kind)}, "x": declared})
    contract = Contract("a", "b", "tests", model, Files("x", Single()))
    values, bad = read(pa.array([cell.encode()]), contract.columns[0])
    if expected == "rejected":
        assert bad is not None
        assert bad[0].as_py()
        return
    assert bad is None
    value = values[0].as_py()
    assert str(UUID(bytes=value) if kind == "Uuid" else value) == expected


def test_every_option_and_format_has_an_example() -> None:
    options = {name for row in OPTIONS for name in re.findall(r"(\w+)=", row[0])}
    assert options == {part.name for part in fields(Files)} - {"url", "batches"}
    offered = set(inspect.signature(new).parameters)
    assert options - {"null_values"} <= offered
    assert "null" in offered
    formats = {row[0].lower().split()[0] for row in FORMATS}
    assert formats >= {*get_args(Format), *get_args(Compression)}
