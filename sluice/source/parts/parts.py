"""The parts of a delivery, each a file with rows in one format: itself, members of an archive, files of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from sluice.contract.contract import Files
from sluice.contract.errors import DataError, ToolError
from sluice.source.files import SourceFile
from sluice.source.parts import archive, folder
from sluice.source.parts.stream import DAMAGE, Content, opened
from sluice.source.sniff import HEAD_BYTES, kind_of_member, sniff

SEEKING = ("parquet", "excel")  # formats whose readers need the whole file on disk
MOST_COMPARED = 100  # members whose first lines are compared for a draft


def parts_of(file: SourceFile, files: Files) -> list[SourceFile]:
    """The file's parts, in the order in which their rows are numbered.

    Raises:
        DataError: an archive is damaged, too large, or does not show which of its members are meant.
    """
    if file.parts:
        return [replace(each, values=part.values) for part in file.parts for each in parts_of(part, files)]
    if file.compression == "zip" and not file.member:
        return list(_members(file, files))
    if file.path.is_dir():
        return [part for found in folder.files_in(file.path, file.address) for part in _in_folder(file, found, files)]
    return [file]


def _in_folder(file: SourceFile, path: Path, files: Files) -> list[SourceFile]:
    address = f"{file.address}/{path.relative_to(file.path)}"
    kind = sniff(path, address)
    values = folder.values_of(file.path, path)
    new = replace(_part_of(file), address=address, path=path, size=path.stat().st_size)
    new = replace(new, format=kind.format, compression=kind.compression)
    return [replace(part, values=values) for part in parts_of(new, files)]


def _members(file: SourceFile, files: Files) -> Iterator[SourceFile]:
    try:
        infos = archive.members(file.path, file.address)
    except (*DAMAGE, NotImplementedError) as error:
        raise archive.damaged(file.address, error) from None
    infos = archive.chosen(infos, files.member, file.address)
    size = sum(info.file_size for info in infos)
    if size > files.max_bytes:
        raise DataError(
            f"{file.address}: holds {size:,} bytes, unpacked, where its contract allows {files.max_bytes:,}; to allow "
            f"more, set Files(max_bytes={2 * size})"
        )
    for info in infos:
        address = f"{file.address} ({archive.shown(info.filename)})"
        kind = kind_of_member(file.path, info.filename, address)
        yield replace(
            _part_of(file), address=address, format=kind.format, member=info.filename, size=info.compress_size
        )


def _part_of(file: SourceFile) -> SourceFile:
    """Without what is known of the whole alone."""
    return replace(file, sha256="", modified=None)


def proposed_member(file: SourceFile) -> str:
    """The pattern that joins all files of an archive, where they begin with the same line; else empty."""
    if file.compression != "zip":
        return ""
    infos = archive.members(file.path, file.address)
    if len(infos) < 2:
        return ""
    heads = {_first_line(file, info.filename) for info in infos[:MOST_COMPARED]}
    endings = {PurePosixPath(info.filename).suffix for info in infos}
    return f"*{endings.pop()}" if len(heads) == len(endings) == 1 else ""


def _first_line(file: SourceFile, member: str) -> bytes:
    """What a member begins with: its first line, or the mark of a format that has none."""
    try:
        with closing(opened(file.path, "zip", member)) as stream:
            head = stream.read(HEAD_BYTES)
    except (*DAMAGE, NotImplementedError, RuntimeError):
        return b""
    return head[:4] if head.startswith(b"PAR1") else head.splitlines()[0] if head else b""


@contextmanager
def on_disk(part: SourceFile, files: Files) -> Iterator[SourceFile]:
    """The part as a plain file, where its format is read from one; unpacked into a temporary folder if need be.

    Raises:
        DataError: it is damaged, or has more bytes than the contract allows.
    """
    if part.compression is None or part.format not in SEEKING:
        yield part
        return
    with TemporaryDirectory(prefix="sluice-") as scratch:
        path = Path(scratch, "part")
        try:
            with path.open("wb") as file, closing(Content(part, files)) as content:
                for block in content.blocks():
                    file.write(block)
        except OSError as error:
            raise ToolError(
                f"{part.address}: could not be unpacked into {scratch}: {error.strerror or error}; free some space, or "
                "set TMPDIR to another folder"
            ) from None
        yield replace(part, path=path, compression=None, member="", size=path.stat().st_size)
