"""Guesses -> dbt's first models of a dataset, staging and mart, with their YAML. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from sqlalchemy.dialects import postgresql

from sluice.contract.authoring.annotations import quoted
from sluice.contract.authoring.names import in_words
from sluice.contract.batches import Single
from sluice.contract.columns import SYSTEM_COLUMNS
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import NewDataset

POSTGRES = postgresql.dialect()


def staging_sql(new: NewDataset, guesses: Sequence[Guess]) -> str:
    """The model: source, renamed, select."""
    columns = ",\n        ".join([*(guess.name for guess in guesses), *SYSTEM_COLUMNS])
    return (  # the text of a model; its names are such that need no quotes
        "with\n\n"  # noqa: S608
        "source as (\n"
        f"    select * from {{{{ source('{new.source}', '{new.dataset_id}') }}}}\n"
        "),\n\n"
        "-- confirm: rename for meaning here, and only rename: ids as <thing>_id, units at the end (price_usd)\n"
        "renamed as (\n"
        f"    select\n        {columns}\n"
        "    from source\n"
        ")\n\n"
        "select * from renamed\n"
    )


def staging_yaml(new: NewDataset, guesses: Sequence[Guess]) -> str:
    """The model's descriptions and tests."""
    newest = ["config:", "  where: __in_newest_batches__"]
    lines = [
        "version: 2",
        "",
        "models:",
        f"  - name: stg_{new.dataset_id}",
        f"    description: {in_words(new.entity)} as delivered and accepted. One row per record. # confirm",
        "    data_tests:",
        "      - unique_combination:",
        "          arguments:",
        "            columns: [_dataset, _batch, _row_number]",
        *(f"          {line}" for line in newest),
        "    columns:",
    ]
    for guess in guesses:
        lines += [
            f"      - name: {_text(guess.name)}",
            f"        description: {_text(in_words(guess.name) + '.')}",
        ]
        if guess.unique:
            lines += ["        data_tests:", "          - not_null"]
            if isinstance(new.files.batches, Single):
                lines += ["          - unique"]
            else:  # the contract has it unique in each batch, no more
                lines += ["          - unique:", *(f"              {line}" for line in newest)]
    for name in SYSTEM_COLUMNS:
        lines += [f"      - name: {name}", f"        description: '{{{{ doc(\"{name}\") }}}}'"]
    return "\n".join(lines) + "\n"


def mart_sql(new: NewDataset, guesses: Sequence[Guess]) -> str:
    """A first mart: the staging model's columns, personal data left out."""
    columns = ",\n    ".join([*(guess.name for guess in _shown(guesses)), "_batch", "_row_number"])
    return (  # the text of a model; its names are such that need no quotes
        "with\n\n"  # noqa: S608
        f"{new.entity} as (\n"
        f"    select * from {{{{ ref('stg_{new.dataset_id}') }}}}\n"
        ")\n\n"
        "-- confirm: what readers get: join, aggregate and derive here. Columns of personal data were left out\n"
        f"select\n    {columns}\nfrom {new.entity}\n"
    )


def mart_yaml(new: NewDataset, guesses: Sequence[Guess]) -> str:
    """Its description, and each column's with its type, as a dbt contract on the model asks for."""
    lines = [
        "version: 2",
        "",
        "models:",
        f"  - name: fct_{new.dataset_id}",
        f"    description: {in_words(new.entity)} for readers. One row per record. # confirm",
        "    data_tests:",
        "      - unique_combination:",
        "          arguments:",
        "            columns: [_batch, _row_number]",
        "    columns:",
    ]
    for guess in _shown(guesses):
        lines += [
            f"      - name: {_text(guess.name)}",
            f"        data_type: {_type(guess)}",
            f"        description: {_text(in_words(guess.name) + '.')}",
        ]
        if guess.unique and isinstance(new.files.batches, Single):  # by which `sluice marts diff` compares rows
            lines += ["        data_tests:", "          - not_null", "          - unique"]
    for name, kind in (("_batch", "text"), ("_row_number", "bigint")):
        lines += [f"      - name: {name}", f"        data_type: {kind}"]
        lines += [f"        description: '{{{{ doc(\"{name}\") }}}}'"]
    return "\n".join(lines) + "\n"


def _shown(guesses: Sequence[Guess]) -> list[Guess]:
    return [guess for guess in guesses if not guess.pii]


def _type(guess: Guess) -> str:
    return str(guess.type.sql.compile(dialect=POSTGRES)).lower()


def _text(words: str) -> str:
    """A text as YAML reads it: `no` and `2019.` would be a truth value and a number there."""
    return words if yaml.safe_load(words) == words else quoted(words)
