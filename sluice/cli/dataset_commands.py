"""new, contract show."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sluice.cli.options import Json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def new(
    source: Annotated[str, typer.Argument(help="Provider of the files, such as tlc.")],
    entity: Annotated[str, typer.Argument(help="What a file holds, such as yellow_trips.")],
    sample: Annotated[str, typer.Option("--from", help="A file of it: CSV (plain, gzip, zstd) or Parquet.")],
    monthly: Annotated[
        str | None, typer.Option(help="The month the sample is of, such as 2024-01, if there is a file a month.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="The timestamp column, by its new name, that dates rows.")] = None,
    owner: Annotated[str, typer.Option(help="Who is alerted when the gate closes.")] = "you@example.com",
    encoding: Annotated[str | None, typer.Option(help="Of a text file, such as cp1252.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="What separates fields; \\t for a tab.")] = None,
    header: Annotated[bool | None, typer.Option("--header/--no-header", help="Whether line 1 has names.")] = None,
    names: Annotated[str | None, typer.Option(help="Names of the columns, in order, with commas between.")] = None,
    skip: Annotated[int | None, typer.Option(min=0, help="Lines before the header to leave out.")] = None,
    quote: Annotated[str | None, typer.Option(help="What encloses a field; empty for nothing.")] = None,
    escape: Annotated[str | None, typer.Option(help="What stands before a quote inside a field, such as \\.")] = None,
    comment: Annotated[str | None, typer.Option(help="What lines to leave out begin with, such as #.")] = None,
    multiline: Annotated[bool | None, typer.Option(help="Whether fields may hold line breaks.")] = None,
    null: Annotated[list[str] | None, typer.Option(help="A word that means null in every column; repeatable.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; repeatable.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write an earlier draft again.")] = False,
) -> None:
    """Draft a new dataset from a sample file: contract, staging model, example rows."""
    from sluice.cli import new_dataset

    given: dict[str, Any] = {
        "encoding": encoding,
        "delimiter": "\t" if delimiter in ("\\t", "tab") else delimiter,
        "header": header,
        "names": None if names is None else tuple(name.strip() for name in names.split(",")),
        "skip": skip,
        "quote": quote,
        "escape": escape,
        "comment": comment,
        "multiline": multiline,
        "null_values": tuple(dict.fromkeys(["", *null])) if null else None,
        "ignore": tuple(ignore) if ignore else None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    new_dataset.new(new_dataset.Wish(source, entity, sample, owner, monthly, by, options, replace))


contract_app = typer.Typer(help="Look at contracts.", no_args_is_help=True, rich_markup_mode=None)


@contract_app.command("show")
def contract_show(dataset: Annotated[str, typer.Argument(help="Dataset id.")], as_json: Json = False) -> None:
    """Show a contract: columns, and every check with the way it runs and its SQL."""
    from sluice.cli.output import contracts

    contracts.contract(dataset, as_json)
