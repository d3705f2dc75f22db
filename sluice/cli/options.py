"""Arguments and options that commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from sluice.runs import logs

DatasetIds = Annotated[list[str] | None, typer.Argument(help="Dataset ids; all if omitted.", show_default=False)]
Batches = Annotated[
    list[str] | None,
    typer.Option("--batch", "-b", help="Batch such as 2021-01; repeatable. The batches that are due if omitted."),
]
Url = Annotated[
    str | None,
    typer.Option(help="Path or address to use instead; {batch}, {dataset} and {entity} are filled in."),
]


class Engine(StrEnum):
    """In whose SQL checks can be said."""

    postgres = "postgres"
    spark = "spark"


class LogFormat(StrEnum):
    """How the lines on standard error are written while a flow runs."""

    text = "text"
    json = "json"


def _log_as(chosen: LogFormat | None) -> None:
    if chosen is not None:
        os.environ[logs.VARIABLE] = chosen.value


Logs = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format", callback=_log_as, help="Format of log lines on standard error.",
        envvar=logs.VARIABLE, show_envvar=True, show_default=False,
    ),
]  # fmt: skip
DatasetId = Annotated[str, typer.Argument(help="Dataset id.")]
BatchName = Annotated[str, typer.Argument(help="Batch, such as 2021-01.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document instead of a table.")]
