"""What of a dbt project cannot be published from two sides, one sentence each. Pure: reads dbt's manifest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sluice.contract.derive.schemas import Schemas
from sluice.marts.own_project import hooks
from sluice.project.marts.chosen import marts_in, meaning_nothing

BUILT = ("model", "seed")
CALLS = re.compile(r"\b(?:extract|substring|trim|overlay) ?\([^()]*?\bfrom\b", re.I)  # their FROM reads no relation
Node = Mapping[str, Any]


class DbtProject:
    """A dbt project, and where it is built.

    Args:
        suffix: what a side adds to the name of a schema.
        database: the only one that can be published in.
    """

    def __init__(self, manifest: Mapping[str, Any], schemas: Schemas, suffix: str, database: str) -> None:
        self.manifest, self.schemas, self.suffix, self.database = manifest, schemas, suffix, database
        self.nodes = manifest["nodes"]
        self.marts = marts_in(manifest)
        self.built = [
            each for each in self.nodes.values() if each["resource_type"] in BUILT and not _is_ephemeral(each)
        ]

    def refusals(self) -> Iterator[str]:
        """Why it cannot be published as it is."""
        adapter = self.manifest["metadata"].get("adapter_type")
        if adapter != "postgres":
            yield f"its adapter is {adapter}; Sluice publishes with dbt-postgres only"
        yield from self._other_databases()
        yield from self._schemas()
        for entry in meaning_nothing(self.manifest):
            yield f"[marts] models names {entry!r}, which means no model of the project: see what it has with dbt ls"
        yield from self._snapshots()
        yield from self._marts()
        yield from self._hard_coded()
        yield from hooks.writing_outside(self.manifest)

    def _other_databases(self) -> Iterator[str]:
        for node in self.nodes.values():
            if node["resource_type"] in (*BUILT, "snapshot") and node.get("database") not in (None, self.database):
                yield f"{_of(node)} is built in the database {node['database']!r}; readers read {self.database!r}"

    def _schemas(self) -> Iterator[str]:
        bare = [node for node in self.built if not node["schema"].endswith(self.suffix)]
        if bare:
            yield (
                f"{_of(bare[0])} would be built into the schema {bare[0]['schema']}, which has no side: the project's "
                "generate_schema_name does not call Sluice's. See the line to change: sluice init --dbt PATH; change "
                "it: sluice init --dbt PATH --patch"
            )
            return
        named = {node["schema"].removesuffix(self.suffix) for node in self.built}
        of_marts = {self.nodes[name]["schema"].removesuffix(self.suffix) for name in self.marts}
        new = sorted(named - {*self.schemas.built})
        if new and not self.marts and not meaning_nothing(self.manifest):
            places = sorted({node["original_file_path"].rpartition("/")[0] for node in self.built if _is_model(node)})
            yield (
                "[marts] models in sluice.toml means no model of the project, so readers would have nothing: name the "
                f"folders, tags or selectors of the marts. Its models are in {', '.join(places) or 'no folder'}"
            )
        if new and self.marts:  # which schemas have marts is not known before there are any
            readers = sorted(of_marts | {*self.schemas.published} - {self.schemas.marts})
            internal = sorted((named | {*self.schemas.internal}) - of_marts - {*self.schemas.published})
            yield (
                f"sluice.toml does not name all schemas of the project ({', '.join(new)}). Write under [marts]:"
                f"\n    schemas = {_toml(readers)}\n    internal = {_toml(internal)}"
            )
        for schema in sorted(of_marts & {*self.schemas.internal}):
            yield f"the schema {schema} has marts, and is listed under internal of [marts]: list it under schemas"

    def _snapshots(self) -> Iterator[str]:
        for node in self.nodes.values():
            if node["resource_type"] == "snapshot" and node["schema"] in self.schemas.all:
                yield (
                    f"snapshot {node['name']} is in the schema {node['schema']}, which is Sluice's or readers': give "
                    "it another one, in its config or under snapshots in dbt_project.yml: +schema: snapshots"
                )

    def _marts(self) -> Iterator[str]:
        for name in sorted(self.marts):
            node = self.nodes[name]
            if _is_ephemeral(node):
                yield f"mart {node['name']} is ephemeral, so readers cannot have it: materialize it, or leave it out"
            elif "." in node["alias"]:
                yield f"mart {node['name']} has a dot in its name {node['alias']!r}"
            elif node["config"].get("materialized") == "view" and (shared := self._behind(node)):
                yield (
                    f"mart {node['name']} is a view over the {shared}, which both sides share: readers would see its "
                    "rows before any test has passed. Build a table, in the model's config or in dbt_project.yml: "
                    "+materialized: table"
                )

    def _behind(self, node: Node) -> str | None:
        """A snapshot or source that a view reads when it is read, also through other views."""
        sources = self.manifest.get("sources", {})
        for each in node["depends_on"]["nodes"]:
            if each in sources:
                return f"source {sources[each]['source_name']}.{sources[each]['name']}"
            parent = self.nodes.get(each)
            if parent is None:
                continue
            if parent["resource_type"] == "snapshot":
                return f"snapshot {parent['name']}"
            if parent["config"].get("materialized") in ("view", "ephemeral") and (found := self._behind(parent)):
                return found
        return None

    def _hard_coded(self) -> Iterator[str]:
        """What names a schema that Sluice publishes: it would read what readers have, or one side for ever."""
        names = self._named()
        pattern = _naming(names)
        macros = [each for each in self.manifest["macros"].values() if each["package_name"] not in hooks.DBT_S]
        texts = [(_of(node), node.get("raw_code") or "") for node in self.nodes.values()]
        for what, text in [*texts, *((f"macro {each['name']}", each["macro_sql"]) for each in macros)]:
            if found := pattern.search(_relations_of(text)):
                schema = found["name"] or found["target"]
                yield f"{what} names the schema {schema}: write ref(...) instead, so that it reads its own side"
        for source in self.manifest.get("sources", {}).values():
            if source["schema"] in names:
                yield (
                    f"source {source['source_name']}.{source['name']} is in the schema {source['schema']}, which this "
                    "project builds: use ref(...)"
                )

    def _named(self) -> set[str]:
        """The schemas that nothing of the project may name."""
        return {*self.schemas.built, *(part for side in self.schemas.sides for part in self.schemas.parts(side))}

    def compiled(self) -> Iterator[str]:
        """What names such a schema once dbt has compiled it, by a variable or a macro."""
        own = {f"{schema}{self.suffix}" for schema in self.schemas.built}
        pattern = _naming(self._named() - own)
        for node in self.nodes.values():
            if found := pattern.search(_relations_of(node.get("compiled_code") or "")):
                yield f"{_of(node)} reads the schema {found['name']}: write ref(...), so that it reads its own side"


def _naming(schemas: Collection[str]) -> re.Pattern[str]:
    """What finds, in a text with single spaces, one of these schemas or that of dbt's target, after FROM or JOIN."""
    word, spaces = r"(?:\w+|\"[^\"]+\"|\{\{[^{}]*\}\})", r"\s*"
    listed = rf"{word}(?:{spaces}\.{spaces}{word})*(?: (?:as )?\w+)?{spaces},{spaces}"
    database = rf"(?:{word}{spaces}\.{spaces})?"
    schema = rf"(?:\"?(?P<name>{'|'.join(map(re.escape, schemas))})\"?|(?P<target>\{{\{{-? ?target\.schema ?-?\}}\}}))"
    return re.compile(rf"(?<!distinct )\b(?:from|join) (?:only )?(?:{listed})*{database}{schema}{spaces}\.", re.I)


def _relations_of(text: str) -> str:
    """SQL with single spaces, without comments and without a FROM that names no relation."""
    return CALLS.sub(" ", " ".join(hooks.COMMENTS.sub(" ", text).split()))


def _is_model(node: Node) -> bool:
    return bool(node["resource_type"] == "model")


def _is_ephemeral(node: Node) -> bool:
    return bool(node["config"].get("materialized") == "ephemeral")


def _of(node: Node) -> str:
    return f"{node['resource_type'].replace('_', ' ')} {node['name']}"


def _toml(names: list[str]) -> str:
    return f"[{', '.join(f'{name!r}' for name in names)}]".replace("'", '"')
