"""The password of the Prefect server that `sluice up` starts, kept in Sluice's home. Imports nothing slow.

Made once, unless PREFECT_SERVER_API_AUTH_STRING gives one. Only the user whose home it is can read it; Sluice's
commands find it themselves, and send it to no server but the one that `sluice up` serves at this moment.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sluice.contract.errors import ConfigError
from sluice.project import atomic

API, GIVEN = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
USER = "sluice"


def file(home: Path) -> Path:
    """Where it is kept, as `user:password` in one line."""
    return home / "prefect" / "api-password"


def kept(home: Path) -> str:
    """The password; created if missing. The caller holds the lock of `sluice up`.

    Raises:
        ConfigError: as `atomic.kept_password`, or it is not one.
    """
    import secrets  # here: 8 ms that `sluice --help` does without

    path = file(home)
    password = atomic.kept_password(path, f"{USER}:{secrets.token_urlsafe(24)}", "sluice up")
    if ":" not in password:
        raise ConfigError(f"{path}: holds no user:password. Delete it, then: sluice up")
    return password


@contextmanager
def served(home: Path, api: str) -> Iterator[None]:
    """Let Sluice's commands know, while the block runs, which API the password is of."""
    path = _address(home)
    path.write_text(api, encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def use(home: Path, environment: MutableMapping[str, str]) -> None:
    """Give the password to what asks this home's `sluice up`, if that is what PREFECT_API_URL names."""
    named = environment.get(API, "").rstrip("/")
    if not named or environment.get(GIVEN):
        return
    with suppress(OSError):
        if named == _address(home).read_text(encoding="utf-8") and _is_up(home):
            environment[GIVEN] = file(home).read_text(encoding="utf-8").strip()


def _is_up(home: Path) -> bool:
    """Whether a `sluice up` holds its lock: else who knows what listens there."""
    with (home / "prefect" / "up.lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _address(home: Path) -> Path:
    return home / "prefect" / "api-url"
