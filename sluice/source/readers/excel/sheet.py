"""The rows of a sheet, as another process, whose memory is limited, reads them out of the workbook."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sluice.contract.errors import DataError
from sluice.source.files import SourceFile

MEMORY = 1 << 30  # bytes of the process that unpacks a workbook, its code included
SHEET_BYTES = 160 << 20  # of a sheet's XML and the texts it refers to, so that a whole run stays within 600 MB
OUT_OF_MEMORY = 77  # the code it ends with
_PROGRAM = Path(__file__).with_name("sheet_process.py")


class Sheet:
    """Iterates the rows of one sheet, each a list of text, numbers, booleans and lists of kind and text.

    Attributes:
        name: the sheet's.
        names: of all sheets that are visible.
        last: the last row that holds something, by the sheet's XML, counted from 1.
        odd: by row and column, from 0, cells that hold an error or a formula that was never calculated.
        read: rows so far.
    """

    def __init__(self, file: SourceFile, name: str, draft: bool = False) -> None:
        """Start reading.

        Args:
            draft: take the first sheet that has rows, where there are several and none is named.

        Raises:
            DataError: the workbook is damaged, too large, or has no such sheet.
        """
        self._address = file.address
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sheet
        asked = {"path": str(file.path), "sheet": name, "draft": draft}
        asked |= {"memory": MEMORY, "most": SHEET_BYTES, "out_of_memory": OUT_OF_MEMORY}
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM), json.dumps(asked)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )
        self.read = 0
        try:
            facts = self._line()
            if facts is None:
                raise self._failed()
        except BaseException:
            self.close()
            raise
        self.name: str = facts["sheet"]
        self.names: list[str] = facts["sheets"]
        self.last: int = facts["last"]
        self.odd: dict[tuple[int, int], str] = {(row, place): text for row, place, text in facts["odd"]}

    def __iter__(self) -> Iterator[list[Any]]:
        while (rows := self._line()) is not None:
            for row in rows:
                self.read += 1
                yield row

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _line(self) -> Any:
        """What the process says next; None at its end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            if self._process.wait():
                raise self._failed()
            return None
        said = json.loads(line)
        if isinstance(said, dict) and "error" in said:
            raise DataError(f"{self._address}: {said['error']}")
        return said

    def _failed(self) -> DataError:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        if self._process.returncode in (OUT_OF_MEMORY, -signal.SIGABRT, -signal.SIGKILL):
            return DataError(
                f"{self._address}: reading the sheet needs more than {MEMORY >> 20:,} MB of memory; ask the provider "
                "for CSV or Parquet, or for several smaller files"
            )
        why = said.splitlines()[-1] if said else f"its reader ended with code {self._process.returncode}"
        return DataError(f"{self._address}: cannot be read ({why}); ask the provider to deliver it again")
