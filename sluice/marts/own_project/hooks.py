"""Which hooks of a dbt project write elsewhere than into the relation that they belong to. Pure; reads their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DBT_S = ("dbt", "dbt_postgres")  # packages whose macros are dbt's own
TARGET = r"(?:only\s+)?(?P<target>\{\{.*?\}\}|[^\s(;]+)"
WRITES = (
    re.compile(rf"\b(?:insert\s+into|delete\s+from|merge\s+into|truncate(?:\s+table)?|copy)\s+{TARGET}", re.I | re.S),
    re.compile(rf"(?<!for\s)(?<!on\s)\bupdate\s+{TARGET}\s+(?:as\s+\w+\s+|\w+\s+)?set\b", re.I | re.S),
    re.compile(
        r"\b(?:create(?:\s+or\s+replace)?|alter|drop)\s+(?:(?:unlogged|materialized|foreign|unique|recursive)\s+)*"
        r"(?:table|view|schema|sequence|function|procedure|type|trigger|extension)\s+"
        rf"(?:if\s+(?:not\s+)?exists\s+)?{TARGET}",
        re.I | re.S,
    ),
    re.compile(rf"\bcreate\s+(?:unique\s+)?index\b[^;]*?\bon\s+{TARGET}", re.I | re.S),
    re.compile(rf"\brefresh\s+materialized\s+view\s+(?:concurrently\s+)?{TARGET}", re.I | re.S),
    re.compile(rf"\bselect\b[^;]*?\binto\s+(?!temp)(?:unlogged\s+)?(?:table\s+)?{TARGET}", re.I | re.S),
)
OWN = re.compile(r"\{\{-?\s*(?:this|ref\s*\()")
LITERAL = re.compile(r"[\"\w]")
TARGET_SCHEMA = re.compile(r"\{\{-?\s*target\.")
HANDED = re.compile(r"['\"]([^'\"\s]+)['\"]")
CALLED = re.compile(r"(?:\{\{-?|\{%-?\s*do)\s*(?:\w+\.)?(\w+)\s*\(")
COMMENTS = re.compile(r"\{#.*?#\}|--[^\n]*|/\*.*?\*/", re.S)


def writing_outside(manifest: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each hook that writes outside of the sides."""
    macros = {name: macro for name, macro in manifest.get("macros", {}).items() if macro["package_name"] not in DBT_S}
    for what, text in _hooks(manifest):
        reached = list(_reached(text, macros))
        target = _target(text) or next(filter(None, [*map(_literal, reached), _handed(text, reached)]), None)
        if target is not None:
            yield f"{what} writes to {target}, outside of the sides: readers would see it before any test has passed"


def _hooks(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "operation":
            yield f"the hook {node['name']} ({node.get('original_file_path', 'dbt_project.yml')})", node["raw_code"]
            continue
        for kind in ("pre-hook", "post-hook"):
            for hook in node.get("config", {}).get(kind) or ():
                text = hook if isinstance(hook, str) else str(hook.get("sql", ""))
                yield f"the {kind} of {node['resource_type']} {node['name']}", text


def _reached(text: str, macros: Mapping[str, Any]) -> Iterator[str]:
    """The texts of the macros that a hook calls, and of those that these call, however deep."""
    called = CALLED.findall(text)
    left = [name for name, macro in macros.items() if macro["name"] in called]
    met: set[str] = set()
    while left:
        name = left.pop()
        if name in macros and name not in met:
            met.add(name)
            yield macros[name]["macro_sql"]
            left += macros[name]["depends_on"]["macros"]


def _targets(text: str) -> Iterator[str]:
    plain = COMMENTS.sub(" ", text)
    for pattern in WRITES:
        yield from (found["target"] for found in pattern.finditer(plain))


def _target(text: str) -> str | None:
    """The first thing that a hook writes to and that is not its own relation."""
    return next((each for each in _targets(text) if not OWN.match(each)), None)


def _literal(text: str) -> str | None:
    """The same of a macro, which may be handed any relation: only what it names itself counts."""
    return next((each for each in _targets(text) if LITERAL.match(each) or TARGET_SCHEMA.match(each)), None)


def _handed(text: str, reached: Sequence[str]) -> str | None:
    """The first name that a hook hands to macros of which one writes to what it is given.

    Beside the hook's own relation, a text with a dot is meant: another may be a column, or an option.
    """
    if not any(target.startswith("{{") and not OWN.match(target) for macro in reached for target in _targets(macro)):
        return None
    own = re.search(r"\b(?:this|ref)\b", text)
    return next((name for name in HANDED.findall(text) if "." in name or not own), None)
