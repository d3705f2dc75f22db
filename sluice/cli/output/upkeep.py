"""`sluice forget`, `backup` and `restore`: what they did, or would do."""

from __future__ import annotations

import signal
from dataclasses import asdict
from pathlib import Path

import sqlalchemy as sa

from sluice.cli import exit_codes
from sluice.cli.output.tables import err, out, print_json, print_table
from sluice.contract.errors import SluiceError
from sluice.contract.formatting import counted
from sluice.ledger import builds, schema, tables
from sluice.project import paths
from sluice.site import write
from sluice.staging import forget as forgetting
from sluice.warehouse import backup as saving
from sluice.warehouse import dumped, ownership
from sluice.warehouse.connection import address_as_it_is, open_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse


def forget(dataset: str, yes: bool, as_json: bool) -> None:
    """Remove a dataset without a contract, or show what that would remove."""
    choice.need(Capability.FORGET)
    warehouse = open_warehouse()
    with warehouse.engine.begin() as connection:
        schema.create(connection)  # it may never have been used
    found = (forgetting.forget if yes else forgetting.remains)(warehouse, dataset)
    if as_json:
        print_json({**asdict(found), "removed": yes})
    else:
        _show(found, yes)
    if yes:
        _update_site(warehouse)


def _show(found: forgetting.Remains, removed: bool) -> None:
    if not found.anything:
        out.print(
            f"{found.dataset_id}: nothing is left to remove; the ledger has {counted(found.loads, 'load')} of it."
        )
        return
    rows = [{"table": name, "kind": "table"} for name in found.tables]
    print_table(found.dataset_id, rows + [{"table": name, "kind": "dbt's view"} for name in found.views])
    counts = (
        f"{counted(found.rows, 'published row')}, {counted(found.rejected, 'row')} in quarantine, "
        f"{found.bytes / 1e6:,.1f} MB, {counted(found.incidents, 'incident')}"
    )
    stay = f"the ledger keeps {counted(found.loads, 'load')}"
    if removed:
        said = f"Removed: {counts}; {stay}. The next `sluice run` rebuilds the marts."
    else:
        said = f"Would remove: {counts}; {stay}. Nothing was changed. Remove it: sluice forget {found.dataset_id} --yes"
    out.print(said, markup=False, highlight=False, soft_wrap=True)


def backup(file: Path, as_json: bool) -> None:
    """Write the warehouse into a file."""
    choice.need(Capability.BACKUP)
    signal.signal(signal.SIGTERM, _terminate)
    with address_as_it_is() as url:
        size = saving.backup(url, file)
        outside = dumped.read_outside(url, paths.project().settings.schemas)
    if outside:
        said = f"Warning: views read {', '.join(outside)}, not in the backup: back up that too, and restore it first"
        err.print(said, markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json({"file": str(file.expanduser().absolute()), "bytes": size})
    else:
        said = f"Backup: {file}, {size / 1e6:,.1f} MB. Restore it into an empty warehouse: sluice restore {file}"
        out.print(said, markup=False, highlight=False, soft_wrap=True)


def restore(file: Path, grants: bool, as_json: bool) -> None:
    """Fill an empty warehouse with what a backup holds."""
    choice.need(Capability.BACKUP)
    signal.signal(signal.SIGTERM, _terminate)
    warehouse = open_warehouse()
    saving.restore(warehouse, file, grants)
    is_embedded = warehouse.target == "embedded"
    with warehouse.engine.begin() as connection:
        schema.create(connection)  # the backup may be of an older version
        if is_embedded:  # what is restored belongs to the loader, and nobody else reads it
            ownership.settle_sides(connection, warehouse.schemas, warehouse.transformer, embedded=True)
        published = tables.batches.c.status == "published"
        count = connection.scalar(sa.select(sa.func.count()).where(published))
        live = builds.live(connection)
    if as_json:
        print_json({"file": str(file.expanduser().absolute()), "batches": count, "marts": live and live.side})
        return
    marts = f"marts of {live.published_at:%Y-%m-%d %H:%M} UTC" if live else "no marts"
    first = "" if is_embedded or warehouse.transformer is None else "sluice setup --roles && "
    said = f"Restored: {count} published batch{'' if count == 1 else 'es'}, {marts}. "
    said += f"Next: {first}sluice doctor && sluice run"
    out.print(said, markup=False, highlight=False, soft_wrap=True)


def _terminate(*_: object) -> None:
    """Let a soft kill end the command as Ctrl-C does: no half-written file, no open transaction."""
    raise exit_codes.Terminated


def _update_site(warehouse: Warehouse) -> None:
    try:
        write.write(warehouse)
    except SluiceError as error:  # the dataset is forgotten
        err.print(f"Warning: the site was not updated, the previous one is kept: {error}", markup=False, soft_wrap=True)
