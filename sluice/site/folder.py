"""Where the site is, and how a new one takes the last one's place: at once, so that nobody sees half a site.

`site` is a link to a folder `sites/<number>`. A new folder is filled beside it, then the link is moved.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from sluice.contract.errors import ToolError
from sluice.project import paths


def front_page(home: Path) -> Path:
    """What a browser is to open."""
    return home / "site" / "index.html"


@contextmanager
def fresh_site(home: Path) -> Iterator[Path]:
    """A folder to fill; when the block ends well it is the site, else it is gone and the last site stays.

    Raises:
        ToolError: the disk refuses.
    """
    sites = home.resolve() / "sites"
    try:
        sites.mkdir(parents=True, exist_ok=True)
        with paths.open_lock(sites / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # runs of other datasets make the site, too
            folder = Path(mkdtemp(dir=sites))
            try:
                folder.chmod(0o755)  # a web server of another user may serve it
                yield folder
                before = _point(home / "site", folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            for old in sites.iterdir():
                if old.is_dir() and old not in (folder, before):  # someone may be about to open a page of the last
                    shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ToolError(f"the site cannot be written to {sites}: {error.strerror or error}") from error


def _point(link: Path, folder: Path) -> Path:
    """Move the link. Gives the folder it pointed to, if it did."""
    before = link.resolve()
    if link.is_dir() and not link.is_symlink():  # as it was before there were several
        shutil.rmtree(link)
    fresh = link.with_name(".site.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(folder, link.parent.resolve()), target_is_directory=True)
    fresh.replace(link)
    return before
