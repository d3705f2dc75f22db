"""What each node of a dbt project is built from, as fingerprints, from dbt's manifest. Pure: takes plain values.

A fingerprint covers a node's definition (SQL, config, columns, tests, every macro of the project), the loads of each
dataset that it reads, and the records of its parents on the side. So it is another one as soon as anything before the
node is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from pathlib import Path
from typing import Any

from sluice.marts.unchanged import steady

BUILT = ("model", "seed")
TESTS = ("test", "unit_test")
# What dbt writes into a node that says nothing of its rows: times, places, what the last build found
NOT_MEANT = {
    *("created_at", "build_path", "compiled", "compiled_code", "compiled_path", "extra_ctes", "extra_ctes_injected"),
    *(
        "deferred",
        "root_path",
        "patch_path",
        "docs",
        "refs",
        "sources",
        "metrics",
        "contract",
        "primary_key",
        "overrides",
    ),
}
Known = Callable[[str, str], str | None]  # a node and its fingerprint -> what identifies its record on the side


@dataclass(frozen=True)
class Nodes:
    """The nodes that `dbt build` runs, and what stands for what they read.

    Attributes:
        manifest: dbt's, of the project as it is.
        sources: what the rows of a source are, by its id: a dataset's published loads and its table. One that is not
            there, such as a table without loads or a table of `ops`, may hold other rows at any time.
        around: what all nodes depend on: versions, environment.
        project: the folder of the dbt project, for the files of seeds.
    """

    manifest: Mapping[str, Any]
    sources: Mapping[str, str]
    around: str
    project: Path
    _macros: dict[str, str] = field(default_factory=dict)

    def all(self) -> dict[str, Mapping[str, Any]]:
        """Every node by its id."""
        found = {**self.manifest["nodes"], **self.manifest.get("unit_tests", {})}
        return {name: node for name, node in found.items() if node.get("config", {}).get("enabled", True)}

    def in_order(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The nodes, each after those that it depends on; nothing if they cannot be ordered."""
        nodes = self.all()
        needs = {name: [each for each in _parents(node) if each in nodes] for name, node in nodes.items()}
        try:
            yield from ((name, nodes[name]) for name in TopologicalSorter(needs).static_order())
        except CycleError:
            return

    def fingerprint(self, node: Mapping[str, Any], before: Mapping[str, str | None]) -> str | None:
        """Of the node; None if what it is built from cannot be known.

        Args:
            before: what identifies each parent, by id; None of one that is built from what is not known.
        """
        stand_for = [
            self.sources.get(each) if each.startswith("source.") else before.get(each) for each in _parents(node)
        ]
        if None in stand_for or not steady.may_be(node, self.manifest["macros"]):
            return None
        said = {key: value for key, value in node.items() if key not in NOT_MEANT}
        said["depends_on"] = _parents(node)  # dbt adds the macros that a node called when it ran
        if node["resource_type"] == "seed":
            try:
                content = (self.project / node["original_file_path"]).read_bytes()
            except OSError:
                return None
            said["content"] = sha256(content).hexdigest()
        return _digest([said, stand_for, self.around, self._of_macros()])

    def _of_macros(self) -> str:
        """Of every macro that is not dbt's own: hooks, materializations and names call them unseen."""
        if not self._macros:
            theirs = self.manifest["macros"].values()
            texts = sorted(f"{m['unique_id']} {m['macro_sql']}" for m in theirs if not steady.is_of_dbt(m))
            self._macros["all"] = _digest(texts)
        return self._macros["all"]


def identities(nodes: Nodes, known: Known) -> dict[str, str | None]:
    """What identifies each node on the side, parents first; None of one that has to be built.

    An ephemeral model is in no table: its fingerprint stands for it.
    """
    found: dict[str, str | None] = {}
    for name, node in nodes.in_order():
        print_ = nodes.fingerprint(node, found)
        if print_ is None:
            found[name] = None
        elif node.get("config", {}).get("materialized") == "ephemeral":
            found[name] = print_
        else:
            found[name] = known(name, print_)
    return found


def _parents(node: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(node["depends_on"].get("nodes", [])))


def _digest(what: object) -> str:
    return sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
