"""The folder of fetched files: where each lies, whether it is here already, and when it goes. Fetches nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from sluice.source.files import Listing

# Since a file was fetched or last used. A run uses one for a day (runs/tasks.py), and a load takes hours at most.
KEPT = timedelta(days=2)


def place_for(listing: Listing, folder: Path) -> Path:
    """Where a file lies under `folder`: by the key of its address, size, ETag and time, under its own name."""
    address = getattr(listing.address, "real", listing.address)  # two files may have one name, where a token names them
    key = repr((address, listing.size, listing.etag, listing.modified))
    name = unquote(urlsplit(address).path).rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[-100:] or "file"
    return folder / hashlib.sha256(key.encode()).hexdigest()[:16] / name


def here(listing: Listing, folder: Path) -> Path | None:
    """The file of this very listing, if it is here whole; it is kept for another while."""
    path = place_for(listing, folder)
    if path.exists() and (listing.etag or listing.modified) and path.stat().st_size == listing.size:
        used(path, folder)
        return path
    return None


def used(path: Path, folder: Path) -> None:
    """Keep a fetched file from now on for as long as a new one. A file that lies elsewhere is left alone."""
    if path.is_relative_to(folder):
        with suppress(OSError):
            os.utime(path.parent)


def expire(folder: Path, kept: timedelta = KEPT) -> int:
    """Remove what was not used for longer than `kept`. Gives how many files; one that cannot go stays, in silence."""
    oldest, gone = time.time() - kept.total_seconds(), 0
    for place in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if place.is_dir() and not place.is_symlink() and place.stat().st_mtime < oldest:
                shutil.rmtree(place)
                gone += 1
    return gone
