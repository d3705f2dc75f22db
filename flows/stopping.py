"""Let Ctrl-C, SIGTERM or a closed terminal end a command that serves. Imports nothing slow: it comes first."""

from __future__ import annotations

import signal
from collections.abc import Callable

import typer

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def until_told(serve: Callable[[], int]) -> int:
    """Serve until a signal comes, which is met once: the cleaning up is not interrupted. Returns the exit code."""

    def interrupt(*_: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        typer.echo("Stopping ...")
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in SIGNALS}
    try:
        return serve()
    except KeyboardInterrupt:  # while it was read; later, it ends what it started and tells of it itself
        typer.echo("Stopped, before anything was started.")
        return 0
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
