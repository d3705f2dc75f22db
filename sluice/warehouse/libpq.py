"""A connection's address as libpq's own environment variables, so that no credential is on a command line."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import URL

# Facts of a URL's query that libpq also takes from the environment
OPTIONS = {key: f"PG{key.upper()}" for key in ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl")} | {
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
}


def place(url: URL) -> dict[str, str]:
    """Host (or the socket's folder), port, user, password and database of an address."""
    return {
        "PGHOST": first(url.query.get("host")) or url.host or "localhost",
        "PGPORT": str(url.port or first(url.query.get("port")) or 5432),
        "PGUSER": url.username or "postgres",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": url.database or "postgres",
    }


def options(url: URL) -> dict[str, str]:
    """How the address wants to be connected to: TLS and the like."""
    return {OPTIONS[key]: first(value) for key, value in url.query.items() if key in OPTIONS}


def secret_words(url: URL) -> tuple[str, ...]:
    """What no message may show."""
    password = url.password or ""
    return tuple(filter(None, (password, quote(password))))


def first(value: str | tuple[str, ...] | None) -> str:
    """The first of a query's values, or nothing."""
    return value[0] if isinstance(value, tuple) else value or ""
