"""Whether the same inputs give a node the same rows: what reads the clock, chance, or a table unseen may not. Pure.

In doubt it may not, and the node is built every night.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

# Materializations that make all of a node each time. What adds to a table, has rows of earlier builds in it.
WHOLE = ("table", "view", "ephemeral", "seed", "test", "unit")
OF_DBT = ("dbt", "dbt_postgres")
OURS = "macros/sluice/"  # read what the loads decide, and `ops` only for the newest loads of a test's own rows
# What Jinja can ask for that is in no file: the database, the moment, the invocation
ASKS = re.compile(
    r"\b(run_query|statement|load_result|store_result|run_started_at|invocation_id|invocation_args_dict|modules|adapter"
    r"|graph|get_columns_in_relation|get_column_values|get_relation|selected_resources|dbt_version|log|thread_id)\b"
)
# A variable of the environment whose name is put together
COMPUTED = re.compile(r"""\benv_var\s*\((?!\s*(['"])\w+\1\s*[,)])""")
# Functions and words of PostgreSQL whose value is another one at another time, or in another session
CLOCK = (
    *("now", "current_timestamp", "current_date", "current_time", "localtime", "localtimestamp", "clock_timestamp"),
    *("statement_timestamp", "transaction_timestamp", "timeofday", "age", "today", "yesterday", "tomorrow"),
    *("random", "random_normal", "setseed", "gen_random_uuid", "gen_random_bytes", "uuidv4", "uuidv7"),
    *("nextval", "currval", "lastval", "setval", "current_setting", "set_config", "current_user", "session_user"),
    *("current_role", "current_catalog", "current_schema", "current_schemas", "current_database", "current_query"),
    *("version", "dblink", "query_to_xml", "table_to_xml", "tablesample", "xmin", "ctid", "oid", "tableoid"),
)
OTHERS = re.compile(r"\b(uuid_generate_\w+|inet_\w+|txid_\w+|pg_\w+|lo_\w+|information_schema)\b")
WORDS = re.compile(r"[a-z_][a-z0-9_]*")
SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
JINJA_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


def is_of_dbt(macro: Mapping[str, Any]) -> bool:
    """Whether a macro is dbt's own, which its version stands for."""
    return macro["package_name"] in OF_DBT


def may_be(node: Mapping[str, Any], macros: Mapping[str, Any]) -> bool:
    """Whether nothing in the node's text, or in the macros that it calls, asks for what is in no file."""
    kind, config = node["resource_type"], node.get("config", {})
    if kind not in ("model", "seed", "test", "unit_test") or node.get("language", "sql") != "sql":
        return False  # a snapshot keeps when it ran; nobody reads what Python does
    if config.get("store_failures") or config.get("materialized") not in WHOLE:
        return False
    hooks = " ".join(str(hook) for when in ("pre-hook", "post-hook") for hook in config.get(when) or ())
    texts = [JINJA_COMMENT.sub(" ", text) for text in (node.get("raw_code") or "", hooks, *_called(node, macros))]
    return not any(ASKS.search(text) or COMPUTED.search(text) for text in texts)


def _called(node: Mapping[str, Any], macros: Mapping[str, Any]) -> Iterator[str]:
    """The texts of the macros that a node calls, and of those that they call; not dbt's and not Sluice's own."""
    todo, seen = list(node.get("depends_on", {}).get("macros", ())), set()
    while todo:
        name = todo.pop()
        if name in seen or name not in macros:
            continue
        seen.add(name)
        macro = macros[name]
        if is_of_dbt(macro) or macro["original_file_path"].startswith(OURS):
            continue
        yield macro["macro_sql"]
        todo += macro["depends_on"]["macros"]


def proves(sql: str, relations: Collection[str], volatile: Collection[str]) -> bool:
    """Whether a query reads only these relations, and calls nothing that gives another value another time.

    Args:
        sql: what dbt compiled.
        relations: `schema.name` of each relation that it may read; names of ephemeral models are CTEs of it.
        volatile: names of the database's functions that are not stable.
    """
    text = SQL_COMMENT.sub(" ", sql).lower()
    words = set(WORDS.findall(text))
    if words.intersection(CLOCK) or words.intersection(volatile) or OTHERS.search(text):
        return False
    read = _tables(sql)
    return read is not None and read <= {each.lower() for each in relations}


def _tables(sql: str) -> set[str] | None:
    """`schema.name` of each table that a query names, but for its CTEs; None if it cannot be read."""
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    try:
        trees = parse(sql, dialect="postgres")
    except (SqlglotError, RecursionError):
        return None
    found: set[str] = set()
    for tree in filter(None, trees):
        named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        for table in tree.find_all(exp.Table):
            if isinstance(table.this, exp.Func):  # generate_series and the like: their names are looked at as words
                continue
            name = f"{table.db}.{table.name}".lower()
            if table.db or table.name.lower() not in named:
                found.add(name)
    return found
