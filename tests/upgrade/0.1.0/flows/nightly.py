"""The nightly flow: load what is new, then build the marts. It is yours: add tasks before and after the steps.

`python -m flows.nightly` runs it as `sluice run` does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from prefect import task

from sluice import Summary, deliver, finish, flow, main, transform


@task
def before_the_load() -> None:
    """The user's own."""
    Path("before.txt").write_text("called")


@task
def after_the_marts(published: int) -> None:
    """The user's own."""
    Path("after.txt").write_text(str(published))


@flow(name="nightly")
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    """Load what is new, audit it, publish what passes; then build, test and publish the marts.

    Args:
        datasets: Dataset ids, such as tlc__yellow_trips; all of them if none.
        batches: Batches, such as 2021-01; those that are due if none.
        url: Path or address to load from, not the contract's own; {batch}, {dataset} and {entity} are filled in.
    """
    before_the_load()
    delivered = deliver(datasets, batches, url)
    marts = transform()
    after_the_marts(sum(outcome.verdict == "published" for outcome in delivered))
    return finish(delivered, marts)


if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
