"""What a run would do tonight: batches, why each would be loaded, checks, and whether dbt would build. Writes nothing.

It asks what the run asks (plan.py), of sources and ledger, in read-only transactions; no file is fetched. So a
file whose time changed while its bytes did not is foreseen as a load, and found out by the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from sluice.contract.checks.compile import checks_of
from sluice.contract.errors import ConfigError, SluiceError
from sluice.ledger import tables
from sluice.ledger.reading import read_only
from sluice.marts import build as transform
from sluice.project import dbt_size
from sluice.project.dbt_size import Size
from sluice.project.paths import home
from sluice.runs import plan
from sluice.runs.plan import Delivery
from sluice.source.files import SourceMissing
from sluice.warehouse.connection import look_into_warehouse
from sluice.warehouse.warehouse import Warehouse


class Would(StrEnum):
    """What a run would do with a batch. The machine's words: `shown` gives the console's."""

    LOAD = "load"
    UNCHANGED = "unchanged"
    NOT_DELIVERED = "not_delivered"  # no error of a run
    MISSING = "missing"  # a batch that was named: an error
    UNKNOWN = "unknown"  # the source does not answer now

    @property
    def shown(self) -> str:
        """As people read it."""
        return self.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a run would do with one batch.

    Attributes:
        why: the reasons, one sentence each.
        checks: names of the checks that would be run.
    """

    dataset: str
    batch: str
    would: Would
    why: tuple[str, ...]
    checks: tuple[str, ...]
    address: str


@dataclass(frozen=True, slots=True)
class PlannedModels:
    """Whether dbt would build, why, and how much of it there is."""

    build: bool
    why: str
    size: Size


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    batches: tuple[Foreseen, ...]
    models: PlannedModels

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def foresee(datasets: Sequence[str] | None, batches: Sequence[str] | None, url: str | None) -> Plan:
    """What a run with the same arguments would do now.

    Raises:
        ConfigError: an unknown dataset, an invalid batch, a template that does not fit.
        ToolError: the warehouse does not answer.
    """
    found = plan.deliveries(datasets, batches, url)
    warehouse = read_only(look_into_warehouse())
    known = _known(warehouse, found) if warehouse else {}
    foreseen = tuple(_foreseen(each, known.get((each.contract.dataset_id, each.batch), [])) for each in found)
    return Plan(foreseen, _models(warehouse, foreseen))


def _known(warehouse: Warehouse, found: Iterable[Delivery]) -> dict[tuple[str, str], list[sa.Row]]:
    """The loads of each batch, the newest first."""
    loads = tables.batches.c
    columns = (loads.load_id, loads.dataset, loads.batch, loads.status, loads.reasons, loads.started_at)
    print_of_file = (loads.address, loads.bytes, loads.sha256, loads.etag, loads.modified, loads.contract_version)
    wanted: dict[str, list[str]] = {}
    for each in found:
        wanted.setdefault(each.contract.dataset_id, []).append(each.batch)
    # As arrays: PostgreSQL takes a list of thousands of pairs for as many nested conditions, and runs out of stack
    of_each = (
        sa.and_(loads.dataset == dataset, loads.batch == sa.any_(sa.literal(names, ARRAY(sa.Text()))))
        for dataset, names in wanted.items()
    )
    query = sa.select(*columns, *print_of_file).where(sa.or_(sa.false(), *of_each))
    known: dict[tuple[str, str], list[sa.Row]] = {}
    with warehouse.engine.begin() as connection:
        for row in connection.execute(query.order_by(loads.load_id.desc())):
            known.setdefault((row.dataset, row.batch), []).append(row)
    return known


def _foreseen(delivery: Delivery, loads: Sequence[sa.Row]) -> Foreseen:
    would: Would
    why: tuple[str, ...]
    published = next((load for load in loads if load.status == "published"), None)
    if delivery.problem is not None and not delivery.batch:
        none_yet = isinstance(delivery.problem, SourceMissing) and not delivery.asked
        would = Would.NOT_DELIVERED if none_yet else Would.UNKNOWN
        return Foreseen(delivery.contract.dataset_id, "", would, (str(delivery.problem),), (), delivery.address)
    try:
        listing = plan.look(delivery)
    except SourceMissing as error:
        early = (Would.UNKNOWN, (str(error),)) if plan.was_listed(delivery) else (Would.NOT_DELIVERED, ())
        would, why = (Would.MISSING, (str(error),)) if delivery.asked else early
    except SluiceError as error:
        if isinstance(error, ConfigError) and error is not delivery.problem:
            raise
        would, why = Would.UNKNOWN, (str(error),)
    else:
        why = plan.news(delivery.contract, listing, published)
        would = Would.LOAD if why else Would.UNCHANGED
    if would is Would.LOAD:
        why = _with_former(why, loads)
    checks = tuple(check.name for check in checks_of(delivery.contract, delivery.batch)) if would is Would.LOAD else ()
    return Foreseen(delivery.contract.dataset_id, delivery.batch, would, why, checks, str(delivery.address))


def _with_former(why: tuple[str, ...], loads: Sequence[sa.Row]) -> tuple[str, ...]:
    """The reasons, and what became of the newest load if readers do not have it."""
    if not loads or loads[0].status in ("published", "superseded"):
        return why
    newest, said = loads[0], f": {'; '.join(loads[0].reasons)}" if loads[0].reasons else ""
    words = {"held": "held before", "failed": "failed before", "abandoned": "interrupted before"}
    under_way = f"a load began at {newest.started_at:%Y-%m-%d %H:%M} UTC and has not ended"
    former = f"{words[newest.status]}{said}" if newest.status in words else under_way
    return (*(reason for reason in why if reason != "never loaded"), former)


def _models(warehouse: Warehouse | None, foreseen: Sequence[Foreseen]) -> PlannedModels:
    loads = sum(each.would is Would.LOAD for each in foreseen)
    size = dbt_size.of_project(home())
    if warehouse is not None and transform.due(warehouse):
        return PlannedModels(True, "a published load is missing in the marts, or the dbt project changed", size)
    if loads:
        return PlannedModels(
            True,
            "if the gate opens for the batch" if loads == 1 else f"if the gate opens for any of {loads} batches",
            size,
        )
    return PlannedModels(False, "the marts show every published load", size)
