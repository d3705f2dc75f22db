"""Names and texts in Spark's SQL. Pure."""

from __future__ import annotations


def quoted(*parts: str) -> str:
    """The full name of a relation."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def text(value: str) -> str:
    """A literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def filled(statement: str, **parts: str) -> str:
    """A statement with names and literals, which `quoted` and `text` gave, in the places of {these}."""
    return statement.format(**parts)
