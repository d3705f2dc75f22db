"""End what a `sluice up` left running when it could not stop it itself. Knows processes, nothing of Prefect.

Every process that `sluice up` starts carries its home in the environment, and so do their children. `end`
ends them. A watcher (this module as a script) does so as soon as `sluice up` is gone, killed or not: it
waits for the lock that the kernel takes from a dead process.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]

MARK = "SLUICE_UP"  # environment variable: the home whose `sluice up` started a process
# What `sluice up` starts, as its command line says. The embedded PostgreSQL inherits the mark too, and has a keeper of
# its own; a `sluice up` is never meant.
OURS = ("-m prefect", "-m sluice.server.orphans", "-m sluice alerts send")
RUN_MARK = "SLUICE_STARTED_BY"  # environment variable: the command that started a temporary server of Prefect
TEMPORARY = ("prefect.server.api.server:create_app",)
_pipes: list[int] = []
GRACE = 10.0  # seconds from SIGTERM to SIGKILL; a flow run needs about two to report that it crashed


def end(home: Path, grace: float = GRACE) -> int:
    """End all processes that carry this home's mark, and their children. Returns how many there were."""
    return _end(list(dict.fromkeys(_marked(str(home)))), grace)


def end_tree(pid: int, grace: float = GRACE) -> int:
    """End a process and all its descendants. Returns how many there were."""
    try:
        root = psutil.Process(pid)
        return _end([*root.children(recursive=True), root], grace)
    except psutil.NoSuchProcess:
        return 0


def _end(processes: list[psutil.Process], grace: float) -> int:
    for process in processes:
        _tell(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        _tell(process, kill=True)
    psutil.wait_procs(alive, timeout=grace)
    return len(processes)


def watch(lock: Path, home: Path) -> subprocess.Popen[bytes]:
    """Start the watcher. It outlives its starter, ends what that leaves behind, and ends itself."""
    return subprocess.Popen(
        [sys.executable, "-m", "sluice.server.orphans", str(lock), str(home)],
        env={**os.environ, MARK: str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def end_with_me() -> None:
    """Let the temporary server that Prefect may start for this process end with it, also after a `kill -9`.

    A watcher reads a pipe that nobody writes to; its end comes with the end of this process.
    """
    mark = f"{os.getpid()}-{uuid4().hex}"
    os.environ[RUN_MARK] = mark
    reads, writes = os.pipe()
    with open(reads, "rb") as pipe:  # noqa: PTH123 - a number, not a path
        subprocess.Popen(
            [sys.executable, "-m", "sluice.server.orphans", mark],
            stdin=pipe,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    _pipes.append(writes)  # open for as long as this process lives


def _marked(mark: str, variable: str = MARK, ours: Sequence[str] = OURS) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.environ().get(variable) != mark:
                continue
            command = " ".join(process.cmdline())
            if any(name in command for name in ours):
                yield process
                yield from process.children(recursive=True)
        except psutil.Error:  # gone meanwhile, or another user's
            continue


def _tell(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.Error:
        pass


def _wait_and_end(lock: str, home: str) -> None:
    with Path(lock).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end(Path(home))


def _wait_for_pipe_and_end(mark: str) -> None:
    sys.stdin.buffer.read()
    _end(list(_marked(mark, RUN_MARK, TEMPORARY)), GRACE)


if __name__ == "__main__":
    (_wait_and_end if len(sys.argv) > 2 else _wait_for_pipe_and_end)(*sys.argv[1:])
