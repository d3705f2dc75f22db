"""new, check, forget, contract show, export, diff, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sluice.cli.options import DatasetId, Engine, Json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def new(
    source: Annotated[str, typer.Argument(help="Provider of the files, such as tlc.")],
    entity: Annotated[str, typer.Argument(help="Content of the files, such as yellow_trips.")],
    sample: Annotated[
        str | None,
        typer.Option("--from", help="Sample: CSV, JSON Lines, Excel or Parquet, plain or packed; with * several."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="Table or view of the warehouse's database that another tool fills, such as raw.orders."),
    ] = None,
    function: Annotated[
        str | None,
        typer.Option(help="Function that gives the rows, such as _shop_api:orders for contracts/_shop_api.py."),
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Rows of a function that is yet to be written.")] = False,
    batch: Annotated[
        str | None,
        typer.Option(
            help="Period of the sample, if there is one file per hour (2024-01-31T05), day (2024-01-31), week "
            "(2024-W05), month (2024-01), quarter (2024-Q1) or year (2024)."
        ),
    ] = None,
    each_file: Annotated[
        str | None,
        typer.Option(help="Regular expression of file names, such as 'orders_([0-9]+)[.]csv': each file is a batch."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Timestamp column that dates the rows, by its name in the contract.")
    ] = None,
    owner: Annotated[str, typer.Option(help="Who is alerted when the gate closes.")] = "you@example.com",
    encoding: Annotated[str | None, typer.Option(help="Encoding of a text file, such as cp1252.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="What separates fields; \\t for a tab.")] = None,
    header: Annotated[bool | None, typer.Option("--header/--no-header", help="Whether line 1 is a header.")] = None,
    names: Annotated[str | None, typer.Option(help="Names of the columns, in order, separated by commas.")] = None,
    skip: Annotated[int | None, typer.Option(min=0, help="Lines to skip before the header.")] = None,
    quote: Annotated[str | None, typer.Option(help="Quote character of fields; empty for none.")] = None,
    escape: Annotated[
        str | None, typer.Option(help="Escape character before a quote inside a field, such as \\.")
    ] = None,
    trim: Annotated[bool | None, typer.Option(help="Whether blanks around fields are left out.")] = None,
    comment: Annotated[str | None, typer.Option(help="Prefix of comment lines, such as #.")] = None,
    multiline: Annotated[bool | None, typer.Option(help="Whether fields may hold line breaks.")] = None,
    null: Annotated[list[str] | None, typer.Option(help="Text that means null in every column; repeatable.")] = None,
    quoted_null: Annotated[bool | None, typer.Option(help="Whether text in quotes may mean null.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out; repeatable.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of an Excel workbook.")] = None,
    records: Annotated[
        str | None, typer.Option(help="Keys that lead to the array of rows in a JSON object, such as data.items.")
    ] = None,
    member: Annotated[
        str | None, typer.Option(help="File in a zip archive, or a pattern such as *.csv for several.")
    ] = None,
    max_field_bytes: Annotated[int | None, typer.Option(min=1, help="Longest cell; rows beyond are rejected.")] = None,
    max_bytes: Annotated[int | None, typer.Option(min=1, help="Longest file, unpacked.")] = None,
    max_ratio: Annotated[int | None, typer.Option(min=1, help="Most unpacked bytes for each packed one.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier draft.")] = False,
) -> None:
    """Draft a new dataset: contract, staging model, example rows.

    From a sample file (--from), a table that another tool fills (--table), a function of the project (--function), or
    with a function to be written (--rows). The table is only read.
    """
    from sluice.cli import new_dataset

    given: dict[str, Any] = {
        "encoding": encoding,
        "delimiter": "\t" if delimiter in ("\\t", "tab") else delimiter,
        "header": header,
        "names": None if names is None else tuple(name.strip() for name in names.split(",")),
        "skip": skip,
        "quote": quote,
        "escape": escape,
        "trim": trim,
        "comment": comment,
        "multiline": multiline,
        "null_values": tuple(dict.fromkeys(["", *null])) if null else None,
        "quoted_null": quoted_null,
        "sheet": sheet,
        "records": records,
        "member": member,
        "max_field_bytes": max_field_bytes,
        "max_bytes": max_bytes,
        "max_ratio": max_ratio,
        "ignore": tuple(ignore) if ignore else None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    request = new_dataset.DatasetRequest(
        source, entity, sample, owner, batch, each_file, by, options, replace, table, rows, function
    )
    new_dataset.new(request)


@app.command()
def forget(
    dataset: DatasetId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it; without this, only show what would be.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a dataset that has no contract any more: its tables, its quarantine and its incidents.

    Without --yes it only shows what would be removed. The ledger keeps its loads, as superseded. The next run rebuilds
    the marts. Refused for a dataset that has a contract, and while views of readers still show its rows.
    """
    from sluice.cli.output import upkeep

    upkeep.forget(dataset, yes, as_json)


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(help="Files to check: paths or addresses.", metavar="FILE...")],
    contract: Annotated[str, typer.Option(help="Contract file, such as contracts/shop_orders.py.")],
    batch: Annotated[
        list[str] | None,
        typer.Option("--batch", "-b", help="Batch that the file is, such as 2024-01; by its name if omitted."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="File that stands for the published rows that keys are looked up in; DATASET=FILE if "
            "several datasets are.",
            metavar="[DATASET=]FILE",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check files against a contract as a run would, without a database, a server or a project.

    Prints the verdict, the counts and failing rows. Exit code 0 if every file passes, 2 if the data fails.
    """
    from sluice.cli.output import file_check

    file_check.check(files, contract, batch or [], as_json, reference or [])


contract_app = typer.Typer(
    help="Show, export, compare and import contracts.", no_args_is_help=True, rich_markup_mode=None
)


@contract_app.command("show")
def contract_show(
    dataset: Annotated[str, typer.Argument(help="Dataset id.")],
    engine: Annotated[Engine, typer.Option(help="Engine in whose SQL the checks are shown.")] = Engine.postgres,
    as_json: Json = False,
) -> None:
    """Show a contract: its columns, and for every check how it runs and its SQL.

    Runs use PostgreSQL. The SQL of Spark 3.5 is for those who run the checks there themselves.
    """
    from sluice.cli.output import contracts

    contracts.contract(dataset, engine, as_json)


@contract_app.command("export")
def contract_export(dataset: Annotated[str, typer.Argument(help="Dataset id.")]) -> None:
    """Print a contract in the Open Data Contract Standard, with the warehouse as its server, for tools that run it.

    The rules are those of the audited table in `staging`. Host and port are those of `sluice connect`.
    """
    from sluice.cli.output import contracts

    contracts.export(dataset)


@contract_app.command("diff")
def contract_diff(
    old: Annotated[str, typer.Argument(help="Contract file as it was, or REVISION:FILE of git.")],
    new: Annotated[str, typer.Argument(help="Contract file as it is to be.")],
    as_json: Json = False,
) -> None:
    """Show what differs between two versions of a contract, and whom it breaks: readers of the table, or files.

    Exit code 0 if every change is compatible, 2 if one is breaking.
    """
    from sluice.cli.output import contracts

    raise typer.Exit(2 if contracts.diff(old, new, as_json) else 0)


@contract_app.command("import")
def contract_import(
    file: Annotated[Path, typer.Argument(help="YAML file: a contract of ODCS, or models or sources of dbt.")],
    source: Annotated[str, typer.Argument(help="Provider of the files, such as tlc.")],
    entity: Annotated[str, typer.Argument(help="Content of the files, such as yellow_trips.")],
    table: Annotated[str | None, typer.Option(help="Table of the file, if it has several.")] = None,
    url: Annotated[str, typer.Option(help="Where the deliveries will be.", show_default=False)] = "",
    owner: Annotated[
        str, typer.Option(help="Who is alerted when the gate closes; the file's owner if omitted.", show_default=False)
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier draft.")] = False,
) -> None:
    """Draft a contract from a contract of another standard: ODCS, or the YAML of a dbt model or source.

    Columns, types, descriptions, and rules with an equal are taken over; others are comments in the file, to be
    written by hand. To draft from data instead: sluice new.
    """
    from sluice.cli.output import contracts

    contracts.imported(file, source, entity, table, url, owner, replace)
