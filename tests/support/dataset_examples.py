"""The example rows of a dataset: tests/data/<dataset>/good.csv passes every check; each row of bad.csv fails the one
that its last column names (none at all, if that is empty)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.contract.contract import Contract, Files
from sluice.contract.scaffold.examples import FAILS

DATA = Path(__file__).parents[1] / "data"


def first_batch(contract: Contract) -> str:
    """The batch that example rows are of."""
    return contract.files.batches.first


def assert_examples_hold(
    contract: Contract,
    folder: Path,
    scratch: Path,
    deliver: Callable[..., Any],
    rows: Callable[..., Sequence[sa.Row]],
) -> None:
    """Put both files through load, audit and gate, and hold the reasons in quarantine against the files."""
    batch = first_batch(contract)
    good = deliver(contract, batch, folder / "good.csv")
    assert good.decision.open, str(good.decision)
    assert good.report.rows > good.report.rejected == 0

    plain, expected = without_last_column(folder / "bad.csv", scratch / "bad.csv", contract.files)
    assert expected, "bad.csv has no row"
    bad = deliver(contract, batch, plain)
    query = f"SELECT _row_number, _reasons FROM quarantine.{contract.dataset_id} WHERE _load_id = :load"
    reasons = {row._row_number: row._reasons for row in rows(query, load=bad.batch.load_id)}
    found = [(check, reasons.get(number, [])) for number, check in enumerate(expected, start=1)]
    # It may fail others beside it: two nulls in a unique column are duplicates, for one.
    odd = [f"{check or 'no check'}, but {why}" for check, why in found if (check not in why if check else why)]
    assert not odd, "\n".join(odd)


def without_last_column(path: Path, to: Path, files: Files) -> tuple[Path, list[str]]:
    """The file as the source would deliver it, and the last column. Quotes stay: "" is no null."""
    text = path.read_text(encoding="utf-8")
    before, lines = text.splitlines()[: files.skip], text.splitlines()[files.skip :]
    reader = csv.reader(
        lines,
        delimiter=files.delimiter,
        quotechar=files.quote or None,
        quoting=csv.QUOTE_MINIMAL if files.quote else csv.QUOTE_NONE,
        escapechar=files.escape or None,
    )
    last = [record[-1] for record in reader]
    assert not files.header or last[0].removeprefix("\ufeff") == FAILS
    cut = []
    for line, cell in zip(lines, last, strict=True):
        end = f"{files.quote}{cell}{files.quote}" if files.quote and line.endswith(f"{cell}{files.quote}") else cell
        cut.append(line.removesuffix(end).removesuffix(files.delimiter))
    to.write_text("\n".join([*before, *cut]) + "\n", encoding="utf-8")
    return to, last[1:] if files.header else last
