"""A function that gives rows: one of the project's, called once, or a skeleton of one to be written by the user."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa

from sluice.cli.samples.of_file import batches_of
from sluice.cli.samples.request import DatasetRequest, Learned, refuse_others
from sluice.contract.batches import Single
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.contract.registry import package_of
from sluice.contract.scaffold.draft import guesses_of
from sluice.contract.scaffold.new_dataset import Function
from sluice.contract.sources import Rows
from sluice.project import paths
from sluice.source.python import spool
from sluice.source.sample import ROWS, sample_of

Read = Callable[[str], Any]
SKELETON = '''def {name}(batch):
    """Give the rows of a batch: dicts, frames of pandas, or Arrow tables. None says that it is not there yet."""
    # confirm: two made-up rows; ask an API, a cursor or a resource of dlt for those of the batch
    yield {{"id": 1, "title": f"first example of {{batch}}"}}
    yield {{"id": 2, "title": f"second example of {{batch}}"}}
'''


class _NoColumns(pa.DataFrameModel):
    """What a contract has before its columns are known."""


def learn(request: DatasetRequest) -> Learned:
    """The columns of the rows that the function gives for the first batch.

    Raises:
        ConfigError: there is no such function.
        SourceMissing, DataError, ToolError: it gives no rows, or fails, as `spool.call`.
    """
    refuse_others(request, ("null_values", "quoted_null", "ignore", "max_field_bytes"), "rows of a function")
    batches = batches_of(request)
    read, function, package = _named(request.function) if request.function is not None else _skeleton(request)
    files = Rows(read, batches, **request.options)
    undated = Rows(lambda batch: _first(read(batch)), Single(), **request.options)
    unknown = Contract(request.source, request.entity, request.owner, _NoColumns, undated)
    with tempfile.TemporaryDirectory() as folder:
        file = spool.call(unknown, spool.look(unknown, batches.first), batches.first, Path(folder))
        sample, _ = sample_of(file, files, frozenset(request.options))
    to_write = f"{function.name}: gives two made-up rows; write it, then draft with --replace --function, or write the "
    doubts = () if request.function else (f"{to_write}columns by hand",)
    return Learned(files, sample, guesses_of(sample), doubts, function, package)


def _skeleton(request: DatasetRequest) -> tuple[Read, Function, str]:
    name = f"read_{request.entity}"
    text = SKELETON.format(name=name)
    module: dict[str, Any] = {}
    exec(compile(text, "<skeleton>", "exec"), module)
    return module[name], Function(name, text=text), ""


def _named(given: str) -> tuple[Read, Function, str]:
    """A function `module:name`: of a neighbour of the contract, named with `_` first, or of an installed module."""
    module, _, name = given.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ConfigError(f"--function {given}: name it with its module, as in _shop_api:orders")
    folder = paths.contracts_folder()
    beside = module.startswith("_") and (folder / f"{module}.py").is_file()
    package = f"{package_of(folder.parent)}.{folder.name}"
    try:
        found = importlib.import_module(f"{package}.{module}" if beside else module)
    except Exception as error:  # the user's code: any error in it is a fault of that file
        hint = "" if beside else f" (a file of {folder.name}/ that others import has a name that begins with _)"
        raise ConfigError(f"--function {given}: {module} cannot be imported: {error}{hint}") from error
    function = getattr(found, name, None)
    if not callable(function):
        raise ConfigError(f"--function {given}: {module} has no function {name}")
    return function, Function(name, f".{module}" if beside else module), package if beside else ""


def _first(data: Any) -> Any:
    """As much of the rows as a draft needs: a function may have no end."""
    if data is None or isinstance(data, pd.DataFrame | Mapping | str | bytes) or not hasattr(data, "__iter__"):
        return data
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return data
    return _some(data)


def _some(data: Any) -> Iterator[Any]:
    count = 0
    for chunk in data:
        yield chunk
        count += len(chunk) if hasattr(chunk, "__len__") and not isinstance(chunk, Mapping) else 1
        if count >= ROWS:
            return
