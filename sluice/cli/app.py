"""`sluice`: the app, its groups, Prefect's settings, main()."""

from __future__ import annotations

import gc
import inspect
import os
import warnings
from contextlib import suppress
from functools import cache, partial
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from sluice.cli import dataset_commands, exit_codes, project_commands, run_commands, server_commands
from sluice.cli.alerts_commands import alerts_app
from sluice.cli.marts.commands import marts_app
from sluice.cli.quarantine_commands import quarantine_app
from sluice.cli.review import commands as review_commands
from sluice.contract.errors import ConfigError
from sluice.project.paths import home, make_prefect_home
from sluice.runs import logs
from sluice.server import api_password
from sluice.steps import prefect_settings

VERSIONS = ("prefect", "dbt-core", "dbt-postgres", "pandera", "pandas", "SQLAlchemy", "psycopg2-binary")


def _versions(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # 20 ms that `--help` does without

        shown = {"sluice": "sluice-elt"} | {name: name for name in VERSIONS}
        typer.echo("\n".join(f"{name:<15} {version(package)}" for name, package in shown.items()))
        raise typer.Exit


app = typer.Typer(
    name="sluice",
    help="Load raw files into PostgreSQL, publish only what meets its contract, transform it with dbt.",
    epilog=f"Exit codes: {', '.join(f'{code} {what}' for code, what in exit_codes.MEANINGS.items())}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WITH_PREFECT = {
    "run",
    "backfill",
    "setup",
    "doctor",
    "quarantine",
    "alerts",
    "forget",
    "backup",
    "restore",
    "marts",
    "diff",
}  # commands that ask its API


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", is_eager=True, callback=_versions, help="Show the versions and exit.")
    ] = False,
) -> None:
    """What comes before every command."""
    logs.let_services_end_quietly()
    with suppress(ConfigError):  # there is no project here: the command says so
        api_password.use(home(), os.environ)  # also for commands that only read: a block may name the warehouse
    if context.invoked_subcommand in WITH_PREFECT:
        make_prefect_home()
        if not os.environ.get("PREFECT_API_URL"):
            from sluice.server.orphans import end_with_me

            end_with_me()


GROUPS = {
    "contract": dataset_commands.contract_app,
    "quarantine": quarantine_app,
    "alerts": alerts_app,
    "marts": marts_app,
}


def with_whole_sentences(commands: typer.Typer) -> typer.Typer:
    """The same commands; a list of them has the first sentence of each as a whole, not cut at the end of the line."""
    for command in commands.registered_commands:
        words = " ".join((inspect.getdoc(command.callback) or "").split())
        command.short_help = words.partition(". ")[0].removesuffix(".") + "."
    return commands


for commands in (project_commands, run_commands, dataset_commands, review_commands, server_commands):
    app.add_typer(with_whole_sentences(commands.app))
for name, group in GROUPS.items():
    app.add_typer(with_whole_sentences(group), name=name, short_help=group.info.help)


@cache
def _commands() -> Any:
    """All of them as typer runs them, made once: a process may call main() more than once, as tests do."""
    return get_command(app)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit; a user's mistake is one message, not a traceback."""
    # What cannot do without that folder says so itself.
    warnings.filterwarnings("ignore", message="Failed to create the Prefect home directory")
    prefect_settings.set_defaults()
    gc.set_threshold(50_000, 20, 100)  # a collection looks through all that Prefect and dbt made: saves 1.3 s a night
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as fast here, and returns what it no longer uses
    commands = partial(_commands(), arguments, prog_name="sluice", standalone_mode=False)
    exit_codes.end(commands)  # the code of a typer.Exit comes back as a value
