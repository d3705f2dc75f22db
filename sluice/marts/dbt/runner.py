"""What runs dbt: the interface that two implementations keep. Imports no dbt.

nodes.py  dbt in this process, warm for the next command. The default.
child.py  dbt in a child process, of this environment or of another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.results import NodeResult

Progress = Callable[[int, int, str], None]  # nodes done, nodes in all, the node just done
# Events of dbt after which the database may be other than it was
BEGAN = ("LogHookStartLine", "LogStartLine", "NodeStart")


@dataclass(frozen=True, slots=True)
class Problem:
    """What ended dbt without a result, in dbt's words.

    Attributes:
        usage: whether the arguments are wrong.
        began: whether a node or a hook may have run before.
    """

    words: str
    usage: bool = False
    began: bool = False


@dataclass(frozen=True, slots=True)
class DbtOutcome:
    """How a dbt command ended: its nodes' results, the lines of `dbt ls`, or the problem that stopped it."""

    invocation_id: str
    nodes: tuple[NodeResult, ...] = ()
    lines: tuple[str, ...] = ()
    problem: Problem | None = None


class Runner(Protocol):
    """Runs one dbt command at a time."""

    def run(self, args: Sequence[str], command: str, place: DbtPlace, progress: Progress | None) -> DbtOutcome:
        """Run dbt with `args`; inside a flow or task, every node that it runs is a task run, ended when this returns.

        Args:
            command: the leading words of `args`.
            place: where; its environment is set already.

        Raises:
            KeyboardInterrupt, or what the signal handler of before raises: a signal came; dbt's queries are cancelled.
            ConfigError: this dbt cannot be run.
        """
        ...
