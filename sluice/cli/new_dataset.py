"""`sluice new`: a sample in, the first draft of its dataset written into the project.

Looks before it writes: a name, a file or a value that does not do is one error, and nothing is written.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sluice.cli.output.tables import out
from sluice.cli.samples import of_file, of_function, of_table
from sluice.cli.samples.request import DatasetRequest, Learned
from sluice.contract.contract import Files
from sluice.contract.errors import ConfigError, ToolError
from sluice.contract.scaffold.doubts import datable, dated, doubts_of
from sluice.contract.scaffold.draft import Draft, draft
from sluice.contract.scaffold.new_dataset import NewDataset
from sluice.contract.scaffold.rejected import max_rejected, of_gate, share_rejected
from sluice.project import paths
from sluice.project.datasets import contracts
from sluice.project.derived import place, stale_files

__all__ = ["DatasetRequest", "new"]


def new(request: DatasetRequest) -> None:
    """Write contract, staging model, example rows and derived files of a new dataset.

    Raises:
        ConfigError: a name that does not do, or a dataset or file that is there already.
        DataError: the sample is empty, damaged, or in no format that Sluice reads.
    """
    batches = of_file.batches_of(request)
    _refuse_existing(NewDataset(request.source, request.entity, request.owner, Files("", batches)), request.replace)
    learned = _learned(request)
    share = share_rejected(learned.sample, learned.guesses)
    learned = replace(learned, doubts=[*learned.doubts, *of_gate(share)])
    named = NewDataset(
        request.source,
        request.entity,
        request.owner,
        dated(learned.files, learned.guesses),
        datable(learned.guesses),
        learned.function,
        learned.package,
        max_rejected(share),
    )
    made = draft(named, learned.sample, learned.guesses)
    texts = {place(path): text for path, text in made.files.items()} | _derived(made)
    _write(texts, new=[] if request.replace else [place(path) for path in made.files])
    _say(named, learned, texts)


def _learned(request: DatasetRequest) -> Learned:
    given = [request.address, request.table, request.rows or None, request.function]
    if sum(each is not None for each in given) != 1:
        raise ConfigError(
            "name one thing to learn from: --from FILE, --table SCHEMA.NAME, --function MODULE:NAME, or --rows for a "
            "function that is yet to be written"
        )
    if request.table is not None:
        return of_table.learn(request, request.table)
    return of_file.learn(request, request.address) if request.address is not None else of_function.learn(request)


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


def _say(new: NewDataset, learned: Learned, texts: dict[Path, str]) -> None:
    sample, guesses = learned.sample, learned.guesses
    doubts = doubts_of(new, guesses, sample.rows, learned.doubts)
    staging = paths.project().settings.schemas.staging
    lines = [
        f"{new.dataset_id}: {len(sample.columns)} columns guessed from {sample.rows:,} rows. Wrote:",
        *(f"  {os.path.relpath(path)}" for path in texts),
        *(["Review these first (marked with `# confirm` in the draft):"] if doubts else []),
        *(f"  {number}. {doubt}" for number, doubt in enumerate(doubts, start=1)),
        "Then:",
        f"  sluice contract show {new.dataset_id}",
        f"  sluice run {new.dataset_id}",
        f'  sluice sql --as-owner "select * from {staging}.{new.dataset_id} limit 10"',  # noqa: S608 - shown, not run
    ]
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
