"""Which models of a dbt project are marts, by its manifest and sluice.toml. Pure; imports no dbt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

from sluice.contract.errors import ConfigError
from sluice.project import paths
from sluice.project.marts.settings import DEFAULT

Node = Mapping[str, Any]
GRAPH = ("parents", "children", "childrens_parents")  # what of a selector asks for neighbours
WILD = frozenset("*?[]")


def marts_in(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the models that readers get to see.

    Raises:
        ConfigError: `[marts] models` names a selector that the project has not, or that asks for more than a model's
            own tags, path, name or package.
    """
    return frozenset(name for entry in paths.project().settings.marts.models for name in _meant(entry, manifest))


def meaning_nothing(manifest: Mapping[str, Any]) -> list[str]:
    """The entries of `[marts] models` that mean no model; not the default, for a young project may have no marts."""
    entries = paths.project().settings.marts.models
    return [entry for entry in entries if entry != DEFAULT and not _meant(entry, manifest)]


def no_marts() -> str:
    """The warning where no model of the dbt project is a mart: readers get nothing."""
    named = ", ".join(paths.project().settings.marts.models)
    return (
        f"no model of the dbt project is a mart ([marts] models in sluice.toml: {named}), so readers get no marts. Its "
        "models were built and tested"
    )


def _meant(wanted: str, manifest: Mapping[str, Any]) -> set[str]:
    selectors = manifest.get("selectors") or {}
    models = {name: node for name, node in manifest.get("nodes", {}).items() if node["resource_type"] == "model"}
    return {name for name, node in models.items() if _means(wanted, node, selectors)}


def _means(wanted: str, node: Node, selectors: Mapping[str, Any]) -> bool:
    method, colon, value = wanted.partition(":")
    if not colon:
        method, value = "path", wanted
    if method == "selector":
        return _selected(value, node, selectors)
    return _of_method(method, value, node)


def _of_method(method: str, value: str, node: Node) -> bool:
    match method:
        case "tag":
            return any(fnmatchcase(tag, value) for tag in node.get("tags", ()))
        case "path":
            pattern = PurePosixPath(value)
            there = _is_at(PurePosixPath(node.get("original_file_path", "")).parts, pattern.parts)
            # The default also means a folder of that name anywhere, as it always did
            return there or (pattern == PurePosixPath(DEFAULT) and "marts" in node["fqn"][1:-1])
        case "fqn":
            fqn = node["fqn"]
            return fnmatchcase(node["name"], value) or any(_begins(each, value) for each in (fqn, fqn[1:]))
        case "package":
            return node.get("package_name") == value
    raise ConfigError(
        f"[marts] models: {method}:{value} is not supported; write a folder such as models/marts, "
        "tag:NAME or selector:NAME"
    )


def _is_at(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a pattern means a file, or a folder that it is in; `**` is any number of folders."""
    if not pattern or not path:
        return not pattern or set(pattern) == {"**"}
    if pattern[0] == "**":
        return _is_at(path, pattern[1:]) or _is_at(path[1:], pattern)
    return fnmatchcase(path[0], pattern[0]) and _is_at(path[1:], pattern[1:])


def _begins(fqn: Sequence[str], wanted: str) -> bool:
    """Whether a model's folders and name begin as asked for; from the first wildcard on, all of the rest must match."""
    parts, flat = wanted.split("."), ".".join(fqn).split(".")
    plain = list(takewhile(lambda part: not WILD.intersection(part), parts))
    if flat[: len(plain)] != plain:
        return False
    return plain == parts or fnmatchcase(".".join(flat[len(plain) :]), ".".join(parts[len(plain) :]))


def _selected(name: str, node: Node, selectors: Mapping[str, Any]) -> bool:
    if name not in selectors:
        known = f"the selectors are {', '.join(selectors)}" if selectors else "it has no selectors.yml"
        raise ConfigError(f"[marts] models names selector:{name}, which the dbt project does not have: {known}")
    return _defined(name, selectors[name]["definition"], node, selectors)


def _defined(name: str, definition: Any, node: Node, selectors: Mapping[str, Any]) -> bool:
    """Whether the definition of a selector, as dbt writes it into its manifest, means the model."""
    if isinstance(definition, str):
        return _means(definition if ":" in definition else f"fqn:{definition}", node, selectors)
    for how in ("union", "intersection"):
        if how in definition:
            parts = [each for each in definition[how] if not (isinstance(each, dict) and "exclude" in each)]
            without = [one for each in definition[how] if each not in parts for one in each["exclude"]]
            combined = any if how == "union" else all
            there = combined(_defined(name, each, node, selectors) for each in parts)
            return there and not any(_defined(name, each, node, selectors) for each in without)
    if "method" not in definition or any(definition.get(each) for each in GRAPH):
        raise ConfigError(
            f"[marts] models: selector:{name} asks for more than tags, paths and names; tag the marts instead"
        )
    found = _means(f"{definition['method']}:{definition['value']}", node, selectors)
    return found and not any(_defined(name, each, node, selectors) for each in definition.get("exclude", ()))
