"""Load a folder of files with Sluice, DuckDB and dlt, each as it comes, and say what became of every file.

    python benchmarks/files.py FOLDER [--only NAME ...] [--save]

FOLDER holds files of any format; `NAME.expected.json` beside one says what is right. Makes an environment for each peer
under .sluice/bench at the first run. benchmarks/README.md says what the columns mean.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import measure
from environments import HERE, HOME, python_of
from file_values import Loaded, Truth, truth_of, verdict_of

RESULT = HERE / "results" / "files.json"
LOADERS = {  # scripts of peers/
    "Sluice": "sluice_files",
    "DuckDB": "duckdb_files",
    "dlt": "dlt_files",
}
VERDICTS = ("right", "right with an option", "rejected visibly", "refused", "silently wrong")


def files_in(folder: Path) -> dict[Path, Truth]:
    """The files and what each says; those that nothing says the truth of are named and left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.endswith((".expected.json", ".md")) or path.name.startswith("."):
            continue
        try:
            found[path.resolve()] = truth_of(path)
        except ValueError as error:
            print(f"left out: {path.name}: {error}; write {path.name}.expected.json")
    return found


def loaded_by(name: str, files: list[Path]) -> dict[str, Loaded]:
    """What a loader gave for each file."""
    script = LOADERS[name]
    HOME.mkdir(parents=True, exist_ok=True)
    listed, output = HOME / "files.txt", HOME / f"{name}_files.jsonl"
    listed.write_text("\n".join(map(str, files)))
    output.unlink(missing_ok=True)
    measure.run(
        [python_of(script), str(HERE / "peers" / f"{script}.py"), str(listed), str(output)],
        HOME / "logs" / f"{script}.log",
        env={"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"},
    )
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    return {line.pop("file"): Loaded(**line) for line in lines}


def show(verdicts: dict[str, dict[str, tuple[str, str]]]) -> None:
    """A line for each file that is not right, then the table."""
    for file in sorted({file for found in verdicts.values() for file in found}):
        for name, found in verdicts.items():
            verdict, why = found[file]
            if verdict != "right":
                print(f"{file}: {name}: {verdict}: {why[:160]}")
    print(f"\n{'':10}" + "".join(f"{verdict:>22}" for verdict in VERDICTS))
    for name, found in verdicts.items():
        counts = Counter(verdict for verdict, _ in found.values())
        print(f"{name:10}" + "".join(f"{counts[verdict]:22}" for verdict in VERDICTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=list(LOADERS), help="only these")
    parser.add_argument("--save", action="store_true", help="write results/files.json")
    options = parser.parse_args()
    files = files_in(options.folder)
    verdicts: dict[str, dict[str, tuple[str, str]]] = {}
    for name in options.only or LOADERS:
        loaded = loaded_by(name, list(files))
        verdicts[name] = {path.name: verdict_of(truth, loaded[str(path)]) for path, truth in files.items()}
    show(verdicts)
    if options.save:
        counts = {name: Counter(verdict for verdict, _ in found.values()) for name, found in verdicts.items()}
        result = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": len(files),
            "loaders": {name: {verdict: counts[name][verdict] for verdict in VERDICTS} for name in counts},
        }
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
