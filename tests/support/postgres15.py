"""A stock PostgreSQL 15 or newer as a user would run it: TCP, a password, its own settings.

Uses binaries that are installed on the machine; finds none, says so.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from sluice.warehouse.embedded import root_user

PASSWORD = "s3cr3t-of-the-tests"


def find_binaries() -> Path | None:
    """The folder of a server's programs, version 15 if there is one, else the newest after it."""
    on_path = shutil.which("postgres")
    folders = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *([Path(on_path).resolve().parent] if on_path else []),
    ]
    found = {}
    for folder in folders:
        if (folder / "initdb").exists():
            text = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True).stdout
            major = re.search(r"\(PostgreSQL\) (\d+)", text)
            if major and int(major[1]) >= 15:
                found[int(major[1])] = folder
    return found[min(found)] if found else None


@contextmanager
def running_server(binaries: Path) -> Iterator[URL]:
    """Start a server with new data, stop it and delete the data in the end. Yields the URL of `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-pg15-"))  # not pytest's: its folders keep other users out
    options: dict[str, Any] = {"cwd": folder, "start_new_session": True, "check": True}
    if os.geteuid() == 0:
        user = root_user.system_user()
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    pg_ctl = [str(binaries / "pg_ctl"), "-w", "-D", str(data)]
    listen = f"-p {port} -h 127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    try:
        make = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync", f"--pwfile={password}"]
        make = [str(binaries / "initdb"), "-D", str(data), *make]
        subprocess.run(make, stdout=subprocess.DEVNULL, **options)
        start = [*pg_ctl, "-l", str(folder / "log"), "-o", listen, "start"]
        subprocess.run(start, stdout=subprocess.DEVNULL, **options)
        yield URL.create("postgresql+psycopg2", "postgres", PASSWORD, "127.0.0.1", port, "postgres")
    finally:
        subprocess.run([*pg_ctl, "-m", "immediate", "stop"], stdout=subprocess.DEVNULL, **{**options, "check": False})
        shutil.rmtree(folder)
