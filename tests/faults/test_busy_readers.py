"""Readers without a pause never keep a publish out for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from sluice.marts.publish import Patience
from tests.integration.marts.test_marts import Night, dsn

READ = "SELECT count(*), min(z.v), max(t.v), pg_sleep({}) FROM marts.{} z JOIN marts.{} t USING (n) GROUP BY n LIMIT 1"
ORDERS = (("zones", "trips"), ("trips", "zones"))


@contextmanager
def readers(night: Night, count: int, seconds: float) -> Iterator[list[object]]:
    """Keep `count` readers at it, each with queries of this length, one after the other. Gives what went wrong."""
    stop, wrong = threading.Event(), []

    def read(number: int) -> None:
        query = READ.format(seconds, *ORDERS[number % 2])
        with psycopg2.connect(dsn(night)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                try:
                    cursor.execute(query)
                    row = cursor.fetchone()
                    if row is None or row[1] != row[2]:
                        wrong.append(row)
                except psycopg2.Error as error:
                    wrong.append(error)
                connection.commit()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("milliseconds", [15, 30])
def test_four_readers_without_a_pause_do_not_make_a_publish_give_up(night: Night, milliseconds: int) -> None:
    night.publish()
    with readers(night, 4, milliseconds / 1000) as wrong:
        for _ in range(3):
            night.publish(patience=Patience(locks=60))
    assert wrong == []
    assert night.seen() == {4}


def test_the_gate_costs_a_query_no_part_of_its_plan(night: Night) -> None:
    night.publish()
    query = "EXPLAIN (COSTS OFF) SELECT v, count(*) FROM {0}.zones JOIN {0}.trips USING (n, v) WHERE n = 7 GROUP BY v"
    with psycopg2.connect(dsn(night)) as connection, connection.cursor() as cursor:
        plans = []
        for schema in ("marts", "marts__a"):
            cursor.execute(query.format(schema))
            plans.append([row[0] for row in cursor.fetchall()])
    assert plans[0] == plans[1]
