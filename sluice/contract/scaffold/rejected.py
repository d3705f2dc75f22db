"""How many rows of a sample its draft rejects, and the gate that lets the sample pass all the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.formatting import percent
from sluice.contract.scaffold.draft import Sample, hollow_of
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import MAX_REJECTED

MOST = 0.5  # of a sample that is worse, another sample is needed, and not another gate
STEP = 0.05


def share_rejected(sample: Sample, guesses: Sequence[Guess]) -> float:
    """The share of the sample's rows that are rejected, at most: a row may be counted for two columns."""
    hollow = hollow_of(sample)
    cells = sum(one.odd[0] + one.damaged + _totals(one) for one in guesses)
    rejected = len(sample.malformed) + (hollow.count if hollow else 0) + cells
    return rejected / max(sample.rows + len(sample.malformed), 1)


def _totals(one: Guess) -> int:
    if not one.totals:
        return 0
    return int(pc.sum(pc.is_in(one.values, pa.array(one.totals, one.values.type))).as_py() or 0)


def max_rejected(share: float) -> float:
    """The limit of the draft's gate."""
    return round(math.ceil(share / STEP - 1e-9) * STEP, 2) if MAX_REJECTED < share <= MOST else MAX_REJECTED


def of_gate(share: float) -> list[str]:
    """What is said of a sample that the usual gate would not let pass."""
    if share <= MAX_REJECTED:
        return []
    said = f"max_rejected: {percent(share)} of the sample's rows are rejected"
    if share > MOST:
        return [f"{said}; more than {percent(MAX_REJECTED)} close the gate"]
    return [f"{said}; the gate stays open up to {percent(max_rejected(share))}"]
