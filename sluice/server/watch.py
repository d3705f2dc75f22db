"""Run for files soon after they arrive: `sluice run --watch`.

A file is taken when two looks in a row find it unchanged: one that is still being written waits. Each run is a
separate process, so that a bug or the memory of one is not the next one's.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NoReturn

import sqlalchemy as sa

from sluice.contract.errors import SluiceError
from sluice.ledger import loads
from sluice.ledger.reading import reading
from sluice.project.datasets import contract_for
from sluice.runs import plan
from sluice.source.files import Listing, SourceFile, SourceMissing, SourceUnavailable, SourceUnreadable

Files = Mapping[tuple[str, str], Listing | SourceFile]  # by dataset and batch
VERDICTS = (0, 2)  # exit codes of a run that came to one: published, or held


def watch(datasets: Sequence[str] | None, url: str | None, seconds: float, say: Callable[[str], None]) -> NoReturn:
    """Look for new files every so many seconds, and run for them, until a KeyboardInterrupt.

    Args:
        say: is called with what prevents a look, each time that it is something else.

    Raises:
        ConfigError: an unknown dataset. What fails later is said, and tried again.
    """
    for dataset in datasets or ():
        contract_for(dataset)
    before: Files = {}
    taken: dict[tuple[str, str], Listing | SourceFile] = {}
    said = ""
    while True:
        try:
            now, problem = new_files(datasets, url), ""
        except SluiceError as error:
            now, problem = {}, str(error)
        if problem and problem != said:
            say(problem)
        said = problem
        for dataset, files in groupby(ready(now, before, taken), key=itemgetter(0)):
            batches = [batch for _, batch in files]
            known = _verdicts(dataset)
            ended = _run(dataset, batches, url) in VERDICTS
            judged = batches if ended else came_to_verdict(batches, known, _verdicts(dataset))
            taken |= {(dataset, batch): now[dataset, batch] for batch in judged}
        before = now
        time.sleep(seconds)


def new_files(datasets: Sequence[str] | None, url: str | None) -> Files:
    """What is known of each file that a run would load now, in the order of `plan.deliveries`.

    One that cannot be looked at is left for a later look.

    Raises:
        ConfigError: as `plan.deliveries`, as long as there is no file at all.
        ToolError: the database does not answer.
    """
    found: dict[tuple[str, str], Listing | SourceFile] = {}
    deliveries = plan.deliveries(datasets, None, url)
    names = {delivery.contract.dataset_id for delivery in deliveries}
    with reading() as connection:
        published = {name: loads.readers_have(connection, name) for name in names} if connection is not None else {}
    for delivery in deliveries:
        dataset = delivery.contract.dataset_id
        if delivery.problem is not None or plan.is_of_function(delivery.address):
            continue
        try:
            listing = plan.look(delivery)
        except (SourceMissing, SourceUnavailable, SourceUnreadable):
            continue
        if plan.news(delivery.contract, listing, published.get(dataset, {}).get(delivery.batch)):
            found[dataset, delivery.batch] = listing
    return found


def ready(now: Files, before: Files, taken: Files) -> list[tuple[str, str]]:
    """The files that were the same at the last look, and that no run came to a verdict on as they are.

    In the order of `now`: a dataset comes after those that it references.
    """
    return [key for key, listing in now.items() if before.get(key) == listing and taken.get(key) != listing]


def verdicts(connection: sa.Connection, dataset: str) -> dict[str, int]:
    """The number of each batch's newest load, where it was published or held."""
    newest = connection.execute(loads.newest(dataset))
    return {row.batch: row.load_id for row in newest if row.status in ("published", "held")}


def came_to_verdict(batches: Sequence[str], before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """The batches that a run published or held, even if it failed: something else in it may have failed."""
    return [batch for batch in batches if batch in after and before.get(batch) != after[batch]]


def _verdicts(dataset: str) -> dict[str, int]:
    try:
        with reading() as connection:
            return verdicts(connection, dataset) if connection is not None else {}
    except SluiceError:  # the next look says what it is
        return {}


def _run(dataset: str, batches: Sequence[str], url: str | None) -> int:
    named = [word for batch in batches for word in ("--batch", batch)]
    command = [sys.executable, "-m", "sluice", "run", dataset, *named, *(["--url", url] if url else [])]
    child = subprocess.Popen(command, start_new_session=True)  # so that Ctrl-C reaches it once: from here
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise
