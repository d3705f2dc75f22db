"""The sweep: one night, broken at one statement in one way; the next night; and what is then other than it should be.

The points are the statements that a night without a fault sends, so that a new one is swept without being listed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT
from sluice.warehouse import embedded, ownership
from sluice.warehouse.embedded import location, users
from sluice.warehouse.postgres.roles import Separation
from tests.support import proxy
from tests.support.proxy import Link, proxied
from tests.support.repository import ROOT
from tests.sweep.contents import UNSENT, Contents, bad_end, look
from tests.sweep.planted import THREADS
from tests.sweep.report import Report

HERE = Path(__file__).parent
LATER = timedelta(hours=2)  # between two nights, so that an alert whose sender was killed is due again
NIGHTS, NOT_REACHED = 6, "the point was not reached"
STOPPED = "server stopped"
SETTLED = (
    0.2  # seconds until what a stopped night had already sent is done, or it would take a lock after all are ended
)
SECONDS = 180  # of a night, which takes 3
PROJECT = "SWEEP_PROJECT"  # the environment variable that names the project to the process that nights are forked from
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.sweep.engine", "tests.sweep.warm"])
Action = Callable[["Night", Link, bytes], bytes]


@dataclass
class Night:
    """One night under way in a process of its own."""

    process: multiprocessing.process.BaseProcess
    said: multiprocessing.connection.Connection

    def end(self) -> Report | None:
        """What it said, or nothing where it was killed."""
        report: Report | None = None
        try:
            if not self.said.poll(SECONDS):
                raise AssertionError(f"a night did not end in {SECONDS} s")
            report = self.said.recv()
        except EOFError:
            pass
        finally:
            self.process.kill()
            self.process.join()
        return report


@dataclass(frozen=True)
class Warehouse:
    """A database with the home that belongs to it."""

    url: sa.URL
    home: Path


@dataclass
class Sweep:
    """A server, a warehouse after its first night, and what the second one is to make of it.

    Attributes:
        before, expected: the contents after the first night, and after a second one without a fault.
        points: the statements of that one.
    """

    server: sa.URL
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)
    points: list[str] = field(default_factory=list)
    before: Contents = field(default_factory=Contents)
    expected: Contents = field(default_factory=Contents)

    def __post_init__(self) -> None:
        project = self.folder / "project"
        shutil.copytree(HERE / "project", project)
        shutil.copytree(ROOT / "dbt_project/macros/sluice", project / "dbt_project/macros/sluice")
        shutil.copytree(ROOT / "profiles", project / "profiles")
        profile = project / "profiles/profiles.yml"
        threads = f"""threads: "{{{{ env_var('{THREADS}', '2') | as_number }}}}" """
        text = profile.read_text()
        assert "threads: 2 " in text
        profile.write_text(text.replace("threads: 2 ", threads))
        os.environ[PROJECT] = str(project)
        with self._admin() as cursor:
            cursor.execute("ALTER SYSTEM SET fsync = off")  # the server may be stopped at once, the machine is not
            cursor.execute("SELECT pg_reload_conf()")
        self.server = self.server.set(username=embedded.LOADER)
        first = Warehouse(self.server.set(database="first"), self.folder / "first")
        first.home.mkdir()
        with self._admin() as cursor:
            cursor.execute("CREATE DATABASE first OWNER sluice_owner")
        with users.as_superuser(first.url) as connection:  # so that nights work with no more rights than they need
            ownership.claim(connection, DEFAULT, "sweep")
            separation = Separation(connection, DEFAULT, users.ROLES)
            separation.users({}, embedded.OWNER)
            separation.contents()
        for files in ("night_0", "night_1"):  # so that both sides are there
            assert bad_end(self.start(first, first.url, files).end()) == []
        self.before = look(first.url)
        with self.copied() as warehouse, proxied(warehouse.url) as link:
            assert bad_end(self.start(warehouse, link.url, "night_2").end()) == []
            self.points = list(dict.fromkeys(link.seen))
            self.expected = look(warehouse.url)
        assert (self.before.broken, self.expected.broken, self.before.fresh, self.expected.fresh) == (
            (),
            (),
            True,
            True,
        )
        assert self.expected.marts != self.before.marts

    @contextmanager
    def _admin(self) -> Iterator[psycopg2.extensions.cursor]:
        query = self.server.query
        address = {"host": query["host"], "port": query["port"], "user": "postgres", "dbname": "postgres"}
        with closing(psycopg2.connect(**address)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    @contextmanager
    def copied(self) -> Iterator[Warehouse]:
        """The warehouse as it is after the first night, for one case."""
        name = f"case_{next(self.numbers)}"
        home = self.folder / name
        shutil.copytree(self.folder / "first", home)
        with self._admin() as cursor:
            # Not by the log: a copy whose server is stopped at once would give numbers of its sequences twice
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE first STRATEGY file_copy OWNER sluice_owner")
        try:
            yield Warehouse(self.server.set(database=name), home)
        finally:
            with self._admin() as cursor:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
            shutil.rmtree(home)

    def start(
        self, warehouse: Warehouse, url: sa.URL, files: str, later: timedelta = timedelta(), bug: str = ""
    ) -> Night:
        """Begin a night in a process of its own. Its files take the place of those of the night before."""
        place = warehouse.home / "files"
        shutil.copytree(HERE / "files" / files, place, dirs_exist_ok=True, copy_function=shutil.copyfile)
        hear, say = FORKS.Pipe(duplex=False)
        address = url.render_as_string(hide_password=False)
        arguments = (say, address, warehouse.home, self.folder / "project", place, later, bug)
        process = FORKS.Process(target=_night, args=arguments, daemon=True)
        process.start()
        say.close()
        return Night(process, hear)

    def case(self, point: str, fault: str, bug: str = "") -> list[str]:
        """Break the night at one point, let another follow, and say what is wrong then.

        What dbt's threads send, how often and in which order, is not the same in each night. One that did not come to
        the point is tried again, `NIGHTS` times in all, each time at the statement of this text before that one.
        """
        for _ in range(NIGHTS):
            try:
                wrong = self._case(point, fault, bug)
            except AssertionError as error:  # a night that does not end; other cases are to be tried, too
                wrong = [f"{fault} at {point}: {error}"]
            if not any(NOT_REACHED in each for each in wrong):
                break
            statement, _, number = point.rpartition(" #")
            point = f"{statement} #{max(int(number) - 1, 1)}"
        return wrong

    def _case(self, point: str, fault: str, bug: str) -> list[str]:
        if fault == "overtaken":
            return self.overtaken(point, bug)
        with self.copied() as warehouse, proxied(warehouse.url) as link:
            started: list[Night] = []
            link.at(point, lambda at, message: FAULTS[fault](self, started[0], at, message))
            started.append(self.start(warehouse, link.url, "night_2", bug=bug))
            report = started[0].end()
            self._start_again()  # a night may end before the server that it was broken by is back
            now = look(warehouse.url)
            wrong = now.half(self.before, self.expected)
            wrong += now.untrue(report, self.before, self.expected) if report else []
            wrong += self._follow(warehouse, bug, "night_2", self.expected)
            wrong += [] if link.cut else [NOT_REACHED]
            return [f"{fault} at {point}: {each}" for each in wrong]

    def overtaken(self, point: str, bug: str = "") -> list[str]:
        """Stop the night at one point, let another take over with newer files, and the first continue."""
        wrong: list[str] = []
        with self.copied() as warehouse, proxied(warehouse.url) as link:
            started: list[Night] = []

            def stop(_: Link, message: bytes) -> bytes:
                pid = started[0].process.pid or 0
                os.kill(pid, signal.SIGSTOP)
                time.sleep(SETTLED)
                try:
                    self._end_locks(warehouse)
                    wrong.extend(self._follow(warehouse, bug, "night_3", self.expected_later))
                finally:
                    os.kill(pid, signal.SIGCONT)
                return message

            link.at(point, stop)
            started.append(self.start(warehouse, link.url, "night_2", bug=bug))
            report, now = started[0].end(), look(warehouse.url)
            wrong += [each for each in bad_end(report) if "Traceback" in each]
            wrong += now.differences(Report(marts=("published", "")), self.expected_later)
            # A message that the first night was sending when it was stopped is kept from its successor
            wrong = [each for each in wrong if not each.startswith(UNSENT)]
            idle = self.start(warehouse, warehouse.url, "night_3", LATER, bug).end()
            wrong += [
                f"a night without anything new: {idle}" for _ in range(not idle or idle.marts != ("unchanged", ""))
            ]
            wrong += look(warehouse.url).differences(idle, self.expected_later)  # by then every message is sent
            wrong += [] if link.cut else [NOT_REACHED]
        return [f"overtaken at {point}: {each}" for each in wrong]

    @cached_property
    def expected_later(self) -> Contents:
        """What a successor with newer files makes of the warehouse."""
        with self.copied() as warehouse:
            assert bad_end(self.start(warehouse, warehouse.url, "night_3", LATER).end()) == []
            return look(warehouse.url)

    def _follow(self, warehouse: Warehouse, bug: str, files: str, expected: Contents) -> list[str]:
        """Let a whole night follow, and say what is other than it should be then."""
        report, now = self.start(warehouse, warehouse.url, files, LATER, bug).end(), look(warehouse.url)
        kept = warehouse.home / "sent.jsonl"
        sent = {tuple(json.loads(line)) for line in kept.read_text().splitlines()} if kept.exists() else set()
        return now.differences(report, expected) + [f"never sent: {each}" for each in now.sent - sent]

    def _end_locks(self, warehouse: Warehouse) -> None:
        """End the sessions that hold advisory locks of the warehouse, as if their link had broken."""
        with self._admin() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_database d ON d.oid = database "
                "WHERE locktype = 'advisory' AND datname = %s",
                (warehouse.url.database,),
            )

    def stop_at_once(self) -> None:
        """Stop the server as a crash would, and start it again."""
        place = location.find_place(self.folder / ".sluice")
        place.run("pg_ctl", "-w", "-D", str(place.data), "-m", "immediate", "stop")
        self._start_again()

    def _start_again(self) -> None:
        embedded.start(self.folder / ".sluice")

    def terminate(self, backend: int) -> None:
        with self._admin() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))


def _night(*arguments: Any) -> None:
    from tests.sweep.engine import main  # imported in the process that is forked, and not in the one of the tests

    main(*arguments)


def _kill(_sweep: Sweep, night: Night, _link: Link, _message: bytes) -> bytes:
    os.kill(night.process.pid or 0, signal.SIGKILL)
    raise proxy.Cut


def _end_backend(sweep: Sweep, _night: Night, link: Link, message: bytes) -> bytes:
    sweep.terminate(link.backend)
    return message


def _stop_server(sweep: Sweep, _night: Night, _link: Link, _message: bytes) -> bytes:
    sweep.stop_at_once()
    raise proxy.Cut


FAULTS: dict[str, Callable[[Sweep, Night, Link, bytes], bytes]] = {
    "killed": _kill,
    "backend ended": _end_backend,
    STOPPED: _stop_server,
    "transient error": lambda _sweep, _night, link, message: proxy.fail(link, message),
    "answer lost": lambda _sweep, _night, link, message: proxy.lose_the_answer(link, message),
}
