"""`sluice setup`: makes and checks the Prefect blocks that this deployment needs, and the automations. Loads no data.

What is needed is read from where it is named: `SLUICE_WAREHOUSE`, and `alerts=` and `files=` of each contract.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from sluice.doctor.finding import Finding, examine, ok
from sluice.project import paths
from sluice.runs import lifecycle
from sluice.setup import automations, make_blocks, roles, verify
from sluice.setup.answers import Answers
from sluice.setup.required_blocks import Wanted, wanted
from sluice.warehouse import embedded
from sluice.warehouse.connection import BLOCK_VARIABLE, open_warehouse


def set_up(answers: Answers, send: bool = False) -> list[Finding]:
    """Every step, as findings: what was made, changed or found as it was, and whether it works.

    Args:
        send: also send a test message through each channel.
    """
    found = examine("blocks", make_blocks.register)
    for block in wanted():
        found += _one(block, answers, send)
    return found + examine("records", _records) + examine("automations", automations.apply)


def separate(answers: Answers, dry_run: bool) -> list[Finding]:
    """`sluice setup --roles`: the users' blocks, which are made first, and the users. A dry run makes neither."""
    blocks = [block for block in wanted() if block.area in ("warehouse", "transformer", "reader")]
    found: list[Finding] = []
    for block in blocks if not dry_run else []:
        found += examine(block.area, partial(make_blocks.make, block, answers))
    if any(finding.verdict != "ok" for finding in found):
        return found
    return found + examine("roles", partial(roles.separate, dry_run))


def _records() -> Iterator[Finding]:
    """Create the ledger's and the datasets' tables, or bring them to this version. Loads nothing."""
    if os.environ.get(BLOCK_VARIABLE) or embedded.exists(paths.home()):
        warehouse = open_warehouse()
        lifecycle.ensure_tables(warehouse)
        yield ok(
            "records", f"the tables of {warehouse.schemas.ops} and of every dataset are as this version needs them"
        )


def _one(block: Wanted, answers: Answers, send: bool) -> list[Finding]:
    found = examine(block.area, partial(make_blocks.make, block, answers))
    if any(finding.verdict != "ok" for finding in found):
        return found  # there is nothing to check
    return found + examine(block.area, partial(verify.check, block, send))
