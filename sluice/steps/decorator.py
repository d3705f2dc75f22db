"""The decorator of a project's flows.

A flow of a project is a Prefect flow like any other. The decorator adds what no flow may leave out: how a crash is
reported, the run's record and locks, and the exit code for the worst that happened.
"""

from __future__ import annotations

import functools
import inspect
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_type_hints

import prefect
from prefect.logging import get_logger
from prefect.runtime import deployment, flow_run

from sluice.contract.errors import ConfigError
from sluice.lineage import events
from sluice.project import paths
from sluice.runs import lifecycle, progress
from sluice.runs.outcomes import Summary, run_name
from sluice.runs.prefect_records import wait_until_recorded
from sluice.steps.finish import close
from sluice.steps.run import CURRENT, Run
from sluice.warehouse import embedded
from sluice.warehouse.connection import BLOCK_VARIABLE, register_embedded

HOOKS: dict[str, list[Any]] = {
    "on_completion": [wait_until_recorded],
    "on_crashed": [lifecycle.crashed, wait_until_recorded],
    "on_failure": [lifecycle.crashed, wait_until_recorded],
}


if TYPE_CHECKING:
    from prefect import flow as flow
else:

    def flow(function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Make a Prefect flow whose steps may be `deliver`, `transform`, `finish` and the steps of corrections.

        Takes what `prefect.flow` takes. Hooks given here are called after Sluice's own. The flow returns the
        `Summary` of its run.

        Raises:
            ConfigError: the function is a coroutine; Sluice's steps are not.
        """
        if function is None:
            return functools.partial(flow, **options)
        if inspect.iscoroutinefunction(function):
            raise ConfigError(f"{_where(function)} is async; a flow with Sluice's steps must be an ordinary function")
        hooks = {name: [*ours, *(options.pop(name, None) or [])] for name, ours in HOOKS.items()}
        defaults = {"flow_run_name": run_name, "log_prints": True}
        return prefect.flow(**{**defaults, **options, **hooks})(_guarded(function))


def _guarded(function: Callable[..., Any]) -> Callable[..., Summary]:
    """The function in a run: opened before, closed after, also on failure."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Summary:
        progress.begin(flow_run.get_id())
        _refuse_passing_folder()
        register_embedded()
        run = Run(_where(function))
        token = CURRENT.set(run)
        file, _, _ = run.where.partition(":")
        warn = get_logger("sluice.lineage").warning
        try:
            with events.of_run(flow_run.get_id(), flow_run.get_flow_name(), file, warn) as run.events, run.held:
                function(*args, **kwargs)
                return close(run)
        finally:
            CURRENT.reset(token)

    # Prefect reads annotations in the globals of the function that it is given, which are this module's.
    guarded.__annotations__ = get_type_hints(function, include_extras=True)
    guarded.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return guarded


def _refuse_passing_folder() -> None:
    """A deployment with a pull step runs in a new folder each time: a warehouse made there would be lost with it.

    Raises:
        ConfigError: the run would make a new embedded warehouse in such a folder.
    """
    if not deployment.get_id() or os.environ.get("SLUICE_HOME") or os.environ.get(BLOCK_VARIABLE):
        return
    home = paths.home()
    if home.is_relative_to(tempfile.gettempdir()) and not embedded.exists(home):
        raise ConfigError(
            f"this run would make a new warehouse in {home}, a folder that is gone after it. Set SLUICE_HOME to a "
            f"folder that stays, or {BLOCK_VARIABLE} to a block of your database, for the worker"
        )


def _where(function: Callable[..., Any]) -> str:
    """The flow as its user knows it: `flows/nightly.py: nightly()`."""
    file = inspect.getsourcefile(function) or ""
    return f"{'/'.join(file.split('/')[-2:])}: {function.__name__}()"
