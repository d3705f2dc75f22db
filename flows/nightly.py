"""The nightly flow: load what is new, then build the marts. It is yours: add tasks before and after the steps.

`python -m flows.nightly` runs it as `sluice run` does.
"""

from __future__ import annotations

import sys

from sluice import Summary, deliver, finish, flow, main, transform


@flow(name="nightly")
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    """Load what is new, audit it, publish what passes; then build, test and publish the marts.

    Args:
        datasets: Dataset ids, such as tlc__yellow_trips; all of them if none.
        batches: Batches, such as 2021-01; those that are due if none.
        url: Path or address to load from, not the contract's own; {batch}, {dataset} and {entity} are filled in.
    """
    delivered = deliver(datasets, batches, url)
    marts = transform()
    return finish(delivered, marts)


if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
