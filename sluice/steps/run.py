"""One run of a flow: its record and locks, which all its steps share."""

from __future__ import annotations

from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field

from prefect.runtime import flow_run

from sluice.contract.errors import ConfigError
from sluice.lineage.events import EventListener
from sluice.runs import lifecycle
from sluice.runs.outcomes import Marts, Outcome, Summary
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.warehouse import Warehouse


@dataclass
class Run:
    """One run of a flow, from its first step to its last.

    Attributes:
        where: the flow's file and name, for messages.
        night: whether it counts as the night's run: then its end is the heartbeat, and its failure is alerted as such.
        freshness: whether the age of the sources is part of it.
        held: locks and the open record in `ops.runs`; closed with the run.
        events: takes what a lineage server is to know.
    """

    where: str
    night: bool = False
    freshness: bool = False
    begun: bool = False
    delivered: list[Outcome] = field(default_factory=list)
    marts: Marts | None = None
    summary: Summary | None = None
    held: ExitStack = field(default_factory=ExitStack)
    events: EventListener = field(default_factory=EventListener)

    def begin(self, *, night: bool = False, freshness: bool = False) -> Warehouse:
        """Create what tables are missing and write the run's record, unless a step has done so before."""
        warehouse = open_warehouse()
        if not self.begun:
            lifecycle.ensure_tables(warehouse)
            self.night, self.freshness, self.begun = night, freshness, True
            name = flow_run.get_name() or self.where
            record = lifecycle.running(warehouse, name, nightly=night, run_id=flow_run.get_id())
            self.held.enter_context(record)
        return warehouse


CURRENT: ContextVar[Run | None] = ContextVar("sluice_run", default=None)


def current() -> Run:
    """The run that the calling step belongs to.

    Raises:
        ConfigError: the step was called outside of a flow, or in one that is not decorated by `sluice.flow`.
    """
    run = CURRENT.get()
    if run is None:
        raise ConfigError(
            "a step was called outside of a Sluice flow. Call it in a function decorated with @flow, "
            "from: from sluice import flow"
        )
    return run


def events() -> EventListener:
    """What takes the events of the run that the calling step belongs to, if it belongs to one."""
    run = CURRENT.get()
    return run.events if run is not None else EventListener()
