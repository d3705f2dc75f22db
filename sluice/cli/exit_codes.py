"""Exit codes, and how a command ends: by its result, an error or a signal, with one last line. Imports nothing slow."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import typer

from sluice.contract.errors import BusyError, ConfigError, DataError, SluiceError, ToolError, is_of
from sluice.project.paths import TEMPORARY_SERVER, prefect_home
from sluice.runs import logs

# Rights and disks, which are the user's to give; any other error of a file is a bug.
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
# What `sluice --help` and the guides say of each code. An error carries its own; a run that has several ends with the
# first of 5, 3, 2, 4 (sluice/runs/outcomes.py).
MEANINGS = {
    0: "published or nothing to do",
    DataError.exit_code: "held or refused because of the data",
    ToolError.exit_code: "a tool failed (network, database, dbt)",
    BusyError.exit_code: "another run is in progress",
    ConfigError.exit_code: "the command or the configuration is wrong",
    (STOPPED := 130): "stopped by Ctrl-C",  # as typer and shells have it
    (TERMINATED := 143): "stopped by SIGTERM",
}


class Terminated(BaseException):
    """A soft kill, where Prefect's own signal for it is not needed."""


def end(command: Callable[[], int | None]) -> NoReturn:
    """Run a command and exit with its code. A user's mistake is one message; a traceback is a bug's."""
    try:
        ended = command()
    except SluiceError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        ended = STOPPED
    except BaseException as stop:  # noqa: BLE001 - anything but a stop is raised again
        if not (isinstance(stop, Terminated) or is_of(stop, "prefect.exceptions", "TerminationSignal")):
            _fail(stop)
        _say("terminated. No partial results were published; run again to continue")
        sys.exit(TERMINATED)
    if ended == STOPPED:
        _say("stopped. No partial results were published; run again to continue")
    sys.exit(ended or 0)


def _say(message: str) -> None:
    """Why the command ends, as the last line of standard error."""
    if logs.wanted():
        logs.write("error", message)
    else:
        typer.echo(f"sluice: {message}", err=True)


def _fail(error: BaseException) -> NoReturn:
    """End with the message of a mistake that a library found; raise what is a bug."""
    click = typer.BadParameter.__module__  # typer has its own copy of click since 0.26; read in 0.29
    if is_of(error, click, "NoArgsIsHelpError"):  # its message is the help
        typer.echo(str(error), err=True)
        sys.exit(ConfigError.exit_code)
    if is_of(error, click, "ClickException"):  # a wrong option, a missing argument
        command = getattr(getattr(error, "ctx", None), "command_path", "") or "sluice"
        said = error.format_message()  # type: ignore[attr-defined]
        _say(f"{said}{'' if said.endswith(('.', '?')) else '.'} See: {command} --help")
        sys.exit(ConfigError.exit_code)
    if _is_of_prefects_api(error):
        where = f"the temporary server's database is in {prefect_home()}"
        ours = _is_of_temporary_server(error) or TEMPORARY_SERVER in os.environ
        where = where if ours else "PREFECT_API_URL names it"
        said = (str(error).splitlines() or [type(error).__name__])[0]
        _say(f"Prefect's API cannot be used: {said} ({where}). See: sluice doctor")
        sys.exit(ToolError.exit_code)
    if _is_of_the_driver(error):
        said = (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0]
        _say(f"the warehouse failed: {said}. See: sluice doctor; then run again")
        sys.exit(ToolError.exit_code)
    if isinstance(error, OSError) and error.errno in NOT_OURS and error.filename is not None:
        what = os.fsdecode(error.filename)
        _say(f"{what} cannot be used: {error.strerror}. See its rights and its disk, then run again")
        sys.exit(ToolError.exit_code)
    raise error


def _is_of_the_driver(error: BaseException) -> bool:
    """Not for a mistake in our SQL: that is a bug."""
    return any(is_of(error, each, "OperationalError", "InterfaceError") for each in ("psycopg2", "sqlalchemy.exc"))


def _is_of_prefects_api(error: BaseException) -> bool:
    """Whether Prefect's API does not answer: an error of httpx, or what Prefect 3.9 raises from one."""
    names = ("HTTPError", "InvalidURL", "CookieConflict", "StreamError")
    if any(is_of(each, "httpx", *names) for each in (error, error.__cause__) if each is not None):
        return True
    return _is_of_temporary_server(error)


def _is_of_temporary_server(error: BaseException) -> bool:
    """Whether a temporary server did not start: a bare RuntimeError of the module that starts it (read in 3.9)."""
    if not isinstance(error, RuntimeError) or error.__traceback__ is None:
        return False
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__") == "prefect.server.api.server"


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def until_stopped(serve: Callable[[], int]) -> int:
    """Serve until a signal comes, which is met once: the cleaning up is not interrupted. Returns the exit code."""

    def interrupt(*_: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        typer.echo("Stopping ...")
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in SIGNALS}
    try:
        return serve()
    except KeyboardInterrupt:  # while it was read; later, it ends what it started and reports it
        typer.echo("Stopped before anything was started.")
        return 0
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
