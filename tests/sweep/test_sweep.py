"""A night that is broken at any statement, in any way: data and words are right, and the next night heals it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.warehouse import embedded
from tests.support.in_memory import folder_in_memory, keep_databases
from tests.sweep.planted import BUGS
from tests.sweep.sweep import FAULTS, NIGHTS, NOT_REACHED, STOPPED, Sweep

AT_A_TIME = 2  # nights; each has a database and a process of its own, and all have one server
POINTS = int(os.environ.get("SWEEP_POINTS", "26"))  # of each fault, from the first to the last; 1000 for all: hours
FIRST = bool(os.environ.get("SWEEP_FIRST"))  # only the first of all statements that differ in their values only
FROM = os.environ.get("SWEEP_FROM", "")  # a part of a statement: so many points from there on, without leaving any out
NUMBER = re.compile(r" #(\d+)$")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    folder = tmp_path_factory.mktemp("sweep")
    with folder_in_memory() as memory:
        try:
            server = embedded.start(folder / ".sluice")
            keep_databases(server.set(username="postgres"), memory)
            yield Sweep(server, folder)
        finally:
            embedded.remove(folder / ".sluice")


def commits(sweep: Sweep) -> list[str]:
    return [point for point in sweep.points if point.startswith("COMMIT ")]


def points(sweep: Sweep, fault: str) -> list[str]:
    """Where this fault is tried: the first and the last of all statements that differ in their values only."""
    if fault == "answer lost":
        return commits(sweep)
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for point in sweep.points:
        shape = NUMBER.sub("", point)
        first.setdefault(shape, point)
        last[shape] = point
    chosen = {*first.values(), *(() if FIRST else last.values())}
    return [point for point in sweep.points if point in chosen]


def some(found: list[str], count: int) -> list[str]:
    """So many of them, from the first to the last."""
    return [found[number * len(found) // count] for number in range(count)] if len(found) > count else found


def from_statement(found: list[str], count: int, start: str) -> list[str]:
    """So many of them, one after another, from the first statement that contains this."""
    at = next((place for place, point in enumerate(found) if start in point), len(found))
    return found[at : at + count]


def test_a_night_that_was_killed_in_dbt_is_healed_by_the_next(sweep: Sweep) -> None:
    (point,) = [
        point for point in sweep.points if point.startswith('create table "db"."marts__a"."dim_shops__dbt_tmp"')
    ]
    assert sweep.case(point, "killed") == []


@pytest.mark.long(minutes=1)
@pytest.mark.parametrize("fault", [*FAULTS, "overtaken"])
def test_a_night_that_was_broken_anywhere_is_healed_by_the_next(sweep: Sweep, fault: str) -> None:
    if FROM:
        found = from_statement(commits(sweep) if fault == "answer lost" else sweep.points, POINTS, FROM)
    else:
        found = some(points(sweep, fault), POINTS)
    assert found, "there is no such point"
    with ThreadPoolExecutor(1 if fault == STOPPED else AT_A_TIME) as threads:
        wrong = [each for case in threads.map(lambda point: sweep.case(point, fault), found) for each in case]
    print(f"{fault}: {len(found)} of {len(sweep.points)} points, {len(wrong)} differences")  # noqa: T201
    assert wrong == []


@pytest.mark.long(minutes=1)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(sweep: Sweep, bug: str) -> None:
    point = BUGS[bug].point(sweep.points)
    for _ in range(NIGHTS):  # a bug that is a race does not show in each night
        wrong = sweep.case(point, BUGS[bug].fault, bug)
        if wrong != [] and not any(NOT_REACHED in each for each in wrong):
            return
    pytest.fail(f"{bug}: not found in {NIGHTS} nights: {wrong}")
