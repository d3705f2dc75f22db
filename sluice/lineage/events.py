"""The events of one run: START, then COMPLETE or FAIL, for the run itself, each of its loads and each of dbt's nodes.

What they say is read from the ledger and from dbt's artifacts, where everything is written anyway. An error on the way
to an event is a warning, never the run's.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from sluice.contract.contract import Contract
from sluice.lineage import client
from sluice.lineage.names import Name
from sluice.lineage.sender import Sender
from sluice.marts.dbt.results import DbtRun
from sluice.project.paths import project
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse

Said = TypeVar("Said", bound=Callable[..., None])


class EventListener:
    """Is notified of the loads and dbt builds of a run, and sends nothing: for a run where nobody wants events."""

    @contextmanager
    def load(self, warehouse: Callable[[], Warehouse], contract: Contract, batch: Batch) -> Iterator[None]:  # noqa: ARG002
        """The load of a batch, while the block runs."""
        yield

    @contextmanager
    def nodes(self, warehouse: Callable[[], Warehouse], run: DbtRun | None) -> Iterator[None]:  # noqa: ARG002
        """The nodes of a dbt build that has ended, with what the block writes of them: docs with their lineage."""
        yield


def _harmless(say: Said) -> Said:
    """Anything that goes wrong on the way to an event is reported once, and ends nothing."""

    @functools.wraps(say)
    def harmless(self: Events, *args: Any, **kwargs: Any) -> None:
        try:
            say(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the data is more than what is said of it
            self.problem = self.problem or f"an OpenLineage event could not be made: {type(error).__name__}: {error}"

    return harmless  # type: ignore[return-value]


class Events(EventListener):
    """The events of a run, handed to a sender.

    Args:
        run_id: of Prefect's flow run.
        job: namespace and name of the flow.
        where: its file, relative to the project.
    """

    def __init__(self, sender: Sender, run_id: str, job: Name, where: str) -> None:
        from openlineage.client.event_v2 import set_producer

        set_producer(f"urn:sluice-elt:{_version()}")
        self._sender, self.run_id, self.job, self._where = sender, run_id, job, where
        self.problem: str | None = None

    def close(self) -> str | None:
        """Send what is left, within a moment. Returns a sentence if some was not delivered."""
        return self._sender.close()

    @_harmless
    def of_run(self, state: str, error: str | None = None) -> None:
        """The run itself began or ended."""
        from sluice.lineage import facets

        facts = facets.job("FLOW", self._where)
        self.say(state, self.run_id, self.job, facts, facets.run(None, error))

    @contextmanager
    def load(self, warehouse: Callable[[], Warehouse], contract: Contract, batch: Batch) -> Iterator[None]:
        self._of_load(warehouse, contract, batch, ended=False)
        try:
            yield
        finally:
            self._of_load(warehouse, contract, batch, ended=True)

    @_harmless
    def _of_load(self, warehouse: Callable[[], Warehouse], contract: Contract, batch: Batch, ended: bool) -> None:
        from sluice.lineage import loads

        loads.say(self, warehouse(), contract, batch, ended)

    @contextmanager
    def nodes(self, warehouse: Callable[[], Warehouse], run: DbtRun | None) -> Iterator[None]:
        written: list[Any] = []
        if run is not None:
            self._read(run, written)
        try:
            yield
        finally:
            if run is not None and written:
                self._of_nodes(warehouse, run, *written)

    @_harmless
    def _read(self, run: DbtRun, written: list[Any]) -> None:
        """The artifacts, before another command of dbt writes its own in their place."""
        written += [run.artifact("manifest"), run.artifact("run_results")]

    @_harmless
    def _of_nodes(self, warehouse: Callable[[], Warehouse], run: DbtRun, manifest: Any, results: Any) -> None:
        from sluice.lineage import nodes

        nodes.say(self, warehouse(), run, manifest, results)

    def say(
        self,
        state: str,
        run_id: str,
        job: Name,
        job_facets: dict[str, Any],
        run_facets: dict[str, Any],
        inputs: list[Any] | None = None,
        outputs: list[Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """As EventEmitter.say."""
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

        moment = (at or datetime.now(UTC)).isoformat()
        run, of = Run(run_id, facets=run_facets), Job(*job, facets=job_facets)
        self._sender.send(
            RunEvent(
                eventTime=moment, run=run, job=of, eventType=RunState(state), inputs=inputs or [], outputs=outputs or []
            )
        )


@contextmanager
def of_run(run_id: str | None, flow: str | None, where: str, warn: Callable[[str], None]) -> Iterator[EventListener]:
    """The events of the run that is the block: START now; in the end COMPLETE, or FAIL with the error that it raises.

    Args:
        where: the flow's file, relative to the project.
        warn: takes a sentence, if events were not delivered.
    """
    events = None if run_id is None else _events(run_id, flow, where, warn)
    if events is None:
        yield EventListener()
        return
    events.of_run("START")
    try:
        yield events
    except BaseException as error:
        events.of_run("FAIL", str(error) or type(error).__name__)
        raise
    else:
        events.of_run("COMPLETE")
    finally:
        for problem in filter(None, (events.problem, events.close())):
            warn(problem)


def _events(run_id: str, flow: str | None, where: str, warn: Callable[[str], None]) -> Events | None:
    """What takes the run's events; None where nobody wants them, or, with a warning, where there can be none."""
    try:
        if not client.is_configured():
            return None
        if (missing := client.missing()) is None:
            return Events(Sender(client.make), run_id, (namespace(), flow or "flow"), where)
    except Exception as error:  # noqa: BLE001 - the data is more than what is said of it
        missing = f"no OpenLineage events are sent: {type(error).__name__}: {error}"
    warn(missing)
    return None


def namespace() -> str:
    """Of jobs: the project's id, unless the standard's variable names another."""
    return os.environ.get("OPENLINEAGE_NAMESPACE") or project().settings.project_id


def _version() -> str:
    try:
        return version("sluice-elt")
    except PackageNotFoundError:
        return "0"
