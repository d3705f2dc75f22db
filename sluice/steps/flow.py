"""The decorator of a project's flows, and the run that their steps share.

A flow of a project is a Prefect flow like any other. The decorator adds what no flow may leave out: how a crash is
reported, the run's record and locks, and the exit code for the worst that happened.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

import prefect
from prefect.runtime import flow_run

from sluice.contract.errors import ConfigError
from sluice.runs import lifecycle, logs
from sluice.runs.outcomes import Marts, Outcome, Summary, run_name
from sluice.runs.prefect_records import wait_until_recorded
from sluice.warehouse.connection import open_warehouse, register_embedded
from sluice.warehouse.warehouse import Warehouse

HOOKS: dict[str, list[Any]] = {
    "on_completion": [wait_until_recorded],
    "on_crashed": [lifecycle.crashed, wait_until_recorded],
    "on_failure": [lifecycle.crashed, wait_until_recorded],
}


@dataclass
class Run:
    """One run of a flow, from its first step to its last.

    Attributes:
        where: the flow's file and name, for messages.
        night: whether it counts as the night's run: then its end is the heartbeat, and its failure is alerted as such.
        freshness: whether the age of the sources is part of it.
        held: locks and the open record in `ops.runs`; closed with the run.
    """

    where: str
    night: bool = False
    freshness: bool = False
    begun: bool = False
    delivered: list[Outcome] = field(default_factory=list)
    marts: Marts | None = None
    summary: Summary | None = None
    held: ExitStack = field(default_factory=ExitStack)

    def begin(self, *, night: bool = False, freshness: bool = False) -> Warehouse:
        """Create what tables are missing and write the run's record, unless a step has done so before."""
        warehouse = open_warehouse()
        if not self.begun:
            lifecycle.ensure_tables(warehouse)
            self.night, self.freshness, self.begun = night, freshness, True
            name = flow_run.get_name() or self.where
            record = lifecycle.at_work(warehouse, name, nightly=night, run_id=flow_run.get_id())
            self.held.enter_context(record)
        return warehouse


_current: ContextVar[Run | None] = ContextVar("sluice_run", default=None)


def current() -> Run:
    """The run that the calling step belongs to.

    Raises:
        ConfigError: the step was called outside of a flow, or in one that is not decorated by `sluice.flow`.
    """
    run = _current.get()
    if run is None:
        raise ConfigError(
            "a step was called outside of a Sluice flow. Call it in a function decorated with @flow, "
            "from: from sluice import flow"
        )
    return run


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
    """The function in a run: opened before, closed after, whatever became of it."""
    from sluice.steps.finish import close

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Summary:
        logs.begin(flow_run.get_id())
        register_embedded()
        run = Run(_where(function))
        token = _current.set(run)
        try:
            with run.held:
                function(*args, **kwargs)
                return close(run)
        finally:
            _current.reset(token)

    # Prefect reads annotations in the globals of the function that it is given, which are this module's.
    guarded.__annotations__ = get_type_hints(function, include_extras=True)
    guarded.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return guarded


def _where(function: Callable[..., Any]) -> str:
    """The flow as its user knows it: `flows/nightly.py: nightly()`."""
    file = inspect.getsourcefile(function) or ""
    return f"{'/'.join(file.split('/')[-2:])}: {function.__name__}()"
