"""Hold pandera's verdict and the SQL verdict together over many drawn contracts and frames.

    python -m tests.two_ways [--pairs 2000] [--seed 0] [--report FILE]

Goes on until so many contracts, each traced wholly, were held together over a frame, and each kind of check met
nulls, and NaN or infinities, 50 times. Ends with 1, and the pair, at the first difference.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.warehouse import embedded
from tests.two_ways.contracts import CONTRACTS
from tests.two_ways.trial import MEETINGS, Difference, Tried, hold, warehouse

ENOUGH = 50  # times that each kind of check must meet nulls, and NaN or infinities
MOST_ROUNDS = 100


def rare(tried: Tried) -> list[str]:
    """The kinds of checks that did not meet enough."""
    return sorted(kind for kind, met in tried.kinds.items() if min(met["with nulls"], met["with NaN"]) < ENOUGH)


def report(tried: Tried, seed: int, seconds: float) -> dict[str, Any]:
    """What was tried, as data."""
    checks, held = tried.checks, tried.checks["held together, passing"] + tried.checks["held together, failing"]
    return {
        "differences": 0,
        "seed": seed,
        "seconds": round(seconds),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in ("pandera", "pandas")},
        "pairs": dict(sorted(tried.pairs.items())),
        "share of checks traced": round(checks["traced"] / checks["all"], 4),
        "share of checks held together": round(held / checks["all"], 4),
        "share of those passing": round(checks["held together, passing"] / held, 4),
        "share of those failing": round(checks["held together, failing"] / held, 4),
        "checks": dict(sorted(checks.items())),
        "kinds of checks": {kind: {key: met[key] for key in MEETINGS} for kind, met in sorted(tried.kinds.items())},
    }


def show(result: dict[str, Any]) -> None:
    for part in ("pairs", "checks"):
        for what, count in result[part].items():
            print(f"{count:8,} {part}, {what}")
    print(f"\n{'kind of check':32}" + "".join(f"{key:>12}" for key in MEETINGS))
    for kind, met in result["kinds of checks"].items():
        print(f"{kind:32}" + "".join(f"{met[key]:12,}" for key in MEETINGS))
    traced, passing = result["share of checks traced"], result["share of those passing"]
    print(f"\nno difference; {traced:.1%} of the checks traced; of those held together {passing:.1%} pass")


def run(connection: sa.Connection, tried: Tried, pairs: int, seed: int) -> None:
    """Try so many pairs; then, of the contracts that can have them, more until no kind of check is rare."""
    met: dict[str, set[str]] = {what: set() for what in CONTRACTS}
    for number in range(seed, seed + MOST_ROUNDS):
        due, wanted = max(pairs - tried.pairs["wholly traced"], 0), set(rare(tried))
        if not due and not wanted:
            return
        for what, contracts in CONTRACTS.items():
            if due or met[what] & wanted:
                part = Tried()
                hold(connection, part, contracts, due // len(CONTRACTS) + 10, number)
                tried.add(part)
                met[what] |= part.kinds.keys()
        print(f"{tried.pairs['wholly traced']:,} pairs, {len(rare(tried))} kinds of checks still rare", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000, help="wholly traced contracts with a frame")
    parser.add_argument("--seed", type=int, default=0, help="another number draws other pairs")
    parser.add_argument("--report", type=Path, help="write what was tried, as JSON")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="This pattern")  # pandas, of groups
    home = Path(tempfile.mkdtemp(prefix="sluice-two-ways-"))
    tried, start = Tried(), time.monotonic()
    try:
        with warehouse(embedded.start(home)) as connection:
            run(connection, tried, options.pairs, options.seed)
    except Difference as difference:
        print(f"a difference: {difference}", *difference.__notes__, sep="\n", file=sys.stderr)
        return 1
    finally:
        embedded.remove(home)
    result = report(tried, options.seed, time.monotonic() - start)
    show(result)
    if options.report:
        options.report.write_text(json.dumps(result, indent=2) + "\n")
    if missing := rare(tried):
        print(f"met too seldom: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
