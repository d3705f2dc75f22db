"""Stop the embedded PostgreSQL when its last user is gone, in any way: exit, SIGTERM, kill -9, abort.

A separate script, run by server.py with the standard library only (so it starts in milliseconds):

    keeper.py USERS_LOCK KEEPER_FD PID_FILE SOCKET UID GID COMMAND...

Every process that uses the server holds a shared lock on USERS_LOCK; the kernel drops it when the process
ends. The keeper waits for the exclusive lock, runs COMMAND (which stops the server) as UID:GID if a server is
behind PID_FILE and SOCKET, and ends. A process that starts the server waits for that. KEEPER_FD is a locked
file that shows others that a keeper runs.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path


def runs(pid_file: str, path: str) -> bool:
    """Whether a server listens, or comes to listen. A stale PID_FILE may name any program: leave that alone."""
    for _ in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            if client.connect_ex(str(Path(path).resolve())) == 0:
                return True
        if not Path(pid_file).exists():
            return False
        time.sleep(0.1)  # its starter was killed a moment ago
    return False


def main(users: str, keeper_fd: str, pid_file: str, path: str, uid: str, gid: str, *command: str) -> None:
    """Wait for the users to leave, then stop the server."""
    if os.fork():  # nobody waits for a keeper, so it must not stay the child of its starter
        os._exit(0)
    fcntl.flock(os.open(users, os.O_RDONLY), fcntl.LOCK_EX)
    if runs(pid_file, path):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        as_user = {"user": int(uid), "group": int(gid), "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(command, check=False, **quiet, **as_user)  # type: ignore[call-overload]
    os.close(int(keeper_fd))  # before the users' lock goes: who gets that next must be able to start a keeper


if __name__ == "__main__":
    main(*sys.argv[1:])
