"""How a session of the driver takes the right to write to a side.

Standard library only: a dbt in an environment without Sluice loads this file by its path (marts/dbt/side_sessions.py).
"""

from __future__ import annotations

from typing import Any


class Lost(Exception):
    """A later build began, or this one has ended."""


def take(session: Any, side: str, build_id: int, right: dict[str, Any]) -> None:
    """Give a session of the driver the right to write to the side, for as long as it lives.

    Args:
        session: psycopg2's connection, without an open transaction; so it is left.
        right: what sluice/ledger/write_right.py says: the statements, and the name of each side's lock.

    Raises:
        Lost: the session may not write.
        psycopg2.Error: as the driver raises it.
    """
    with session.cursor() as cursor:
        cursor.execute(right["take"], (right["locks"][side],))
        session.commit()
        cursor.execute(right["newest"])
        newest = cursor.fetchone()
        session.commit()
    if newest != (build_id, "started"):
        now = f"build {newest[0]} ({newest[1]}) is the newest" if newest else "no build is known"
        raise Lost(f"build {build_id} may not write to {side} any more: {now}. A later run took over.")


def read_only(session: Any, right: dict[str, Any]) -> None:
    """Let a session of the driver change nothing."""
    with session.cursor() as cursor:
        cursor.execute(right["read_only"])
    session.commit()
