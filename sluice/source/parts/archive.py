"""The files in a zip archive: which there are, which are meant, and the bytes of one. Nothing is written to disk."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from sluice.contract.authoring.annotations import quoted
from sluice.contract.errors import DataError

MOST_MEMBERS = 1000
DIRECTORY_BYTES = 16 << 20  # of the list of members, which is read into memory whole
SHOWN = 10  # members that a message names
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others in steps of any size
_OTHER = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd"}
_END, _END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_STRAY = ("Thumbs.db", "desktop.ini")  # what systems leave in a folder that is packed
_OFFICE = {"xlsx": ["xl/workbook.xml"], "xlsb": ["xl/workbook.bin"], "ods": ["mimetype", "content.xml"]}


class Member:
    """The bytes of one file in an archive, and where in the archive the reading is."""

    def __init__(self, path: Path, name: str) -> None:
        self._file = path.open("rb")
        try:
            self._archive = zipfile.ZipFile(self._file)
            info = self._archive.getinfo(name)
            self._start = info.header_offset
            self._stream = self._archive.open(info)
        except BaseException:
            self._file.close()
            raise

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def tell(self) -> int:
        return max(0, self._file.tell() - self._start)

    def close(self) -> None:
        self._stream.close()
        self._archive.close()
        self._file.close()


def workbook(path: Path) -> str:
    """The format of a spreadsheet: `xlsx`, `xlsb` or `ods`; empty if the archive is not a spreadsheet."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return next((kind for kind, parts in _OFFICE.items() if all(part in names for part in parts)), "")


def members(path: Path, address: str) -> list[zipfile.ZipInfo]:
    """The files in an archive, in the order of their names; folders and what systems leave in them are left out.

    Raises:
        DataError: the archive is damaged, has too many members, or one that cannot be read.
    """
    refuse_large_directory(path, address)
    with zipfile.ZipFile(path) as archive:
        found = [info for info in archive.infolist() if not _is_stray(info)]
    names = [info.filename for info in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{address}: holds two files named {shown(twice)}; ask the provider for a corrected archive")
    return sorted(found, key=lambda info: info.filename)


def chosen(infos: Sequence[zipfile.ZipInfo], wanted: str, address: str) -> list[zipfile.ZipInfo]:
    """The members that are meant.

    Args:
        wanted: name or pattern; without it there must be exactly one member.

    Raises:
        DataError: it is not clear which, there is none, or one cannot be read.
    """
    names = ", ".join(shown(info.filename) for info in infos[:SHOWN]) + (", ..." if len(infos) > SHOWN else "")
    if wanted:
        found = [info for info in infos if _matches(info.filename, wanted)]
        if not found:
            raise DataError(f"{address}: holds no file that matches Files(member={quoted(wanted)}); it holds {names}")
    else:
        found = list(infos)
    if not found:
        raise DataError(f"{address}: is an archive without a file; ask the provider to deliver it again")
    if all(info.flag_bits & 1 for info in found):
        _refuse_unreadable(found[0], address)
    if len(found) > 1 and not wanted:
        ending = PurePosixPath(infos[0].filename).suffix
        raise DataError(
            f"{address}: holds {len(infos):,} files: {names}. Choose one with "
            f"Files(member={quoted(infos[0].filename)}), or join files with the same columns with a pattern, as in "
            f'Files(member="*{ending}") (sluice new: --member)'
        )
    for info in found:
        _refuse_unreadable(info, address)
    return found


def shown(name: str) -> str:
    """A member's name as a message may show it."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _matches(name: str, wanted: str) -> bool:
    return fnmatchcase(name, wanted) or fnmatchcase(PurePosixPath(name).name, wanted)


def _is_stray(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    return info.is_dir() or path.parts[:1] == ("__MACOSX",) or path.name.startswith(".") or path.name in _STRAY


def _refuse_unreadable(info: zipfile.ZipInfo, address: str) -> None:
    name = shown(info.filename)
    if info.flag_bits & 1:
        raise DataError(f"{address}: {name} is encrypted; ask the provider for an archive without a password")
    if info.compress_type not in _METHODS:
        method = _OTHER.get(info.compress_type, f"method {info.compress_type}")
        raise DataError(
            f"{address}: {name} is compressed with {method}, which is not read; ask the provider for an archive "
            "compressed with deflate, the default of zip programs"
        )


def refuse_large_directory(path: Path, address: str) -> None:
    """Refuse an archive by the last bytes of the file, before its list of members is read into memory.

    Raises:
        DataError: it has too many members.
        zipfile.BadZipFile: it is cut, or not an archive.
    """
    count, size = _directory(path)
    if count > MOST_MEMBERS or size > DIRECTORY_BYTES:
        raise DataError(
            f"{address}: holds {count:,} files, at most {MOST_MEMBERS:,} are read; ask the provider to pack fewer "
            "files, or unpack it before the run and name the files in Files(url=...)"
        )


def _directory(path: Path) -> tuple[int, int]:
    """How many members an archive lists, and the bytes of that list."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - (1 << 16) - _END.size)
        file.seek(start)
        tail = file.read()
        place = tail.rfind(b"PK\5\6")
        if place < 0 or place + _END.size > len(tail):
            raise zipfile.BadZipFile("its list of members is missing")
        _, _, _, _, count, length, _, _ = _END.unpack_from(tail, place)
        locator = start + place - _LOCATOR.size
        if locator >= 0:
            file.seek(locator)
            mark, _, where, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
            if mark == b"PK\6\7":
                file.seek(where)
                record = file.read(_END64.size)
                if len(record) < _END64.size:
                    raise zipfile.BadZipFile("its list of members is cut")
                _, _, _, _, _, _, _, count, length, _ = _END64.unpack(record)
    return count, length


def damaged(address: str, error: BaseException) -> DataError:
    """What is said of an archive that cannot be read."""
    zipped = "is not a whole zip archive" if isinstance(error, zipfile.BadZipFile) else "cannot be read"
    return DataError(f"{address}: {zipped} ({error}); ask the provider to deliver it again")
