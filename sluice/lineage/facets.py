"""Facets of the standard, from Sluice's own facts. Imports the client; call only where events are wanted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from openlineage.client import facet_v2 as of
from openlineage.client.event_v2 import InputDataset, OutputDataset

from sluice.contract.formatting import percent
from sluice.lineage.names import Name
from sluice.project import fingerprints, paths

Field = tuple[str, str, str]  # column, type, description
Origin = tuple[Name, str, str]  # table, column, and how: one of DIRECT or INDIRECT
IDENTITY, TRANSFORMATION = "IDENTITY", "TRANSFORMATION"
DIRECT = {"as it is": IDENTITY, "renamed": IDENTITY, "computed": TRANSFORMATION}
INDIRECT = {"chooses rows": "FILTER", "joins rows": "JOIN"}


def schema(fields: Iterable[Field]) -> dict[str, Any]:
    """Columns with types and descriptions."""
    listed = [
        of.schema_dataset.SchemaDatasetFacetFields(name, type=kind or None, description=text or None)
        for name, kind, text in fields
    ]
    return {"schema": of.schema_dataset.SchemaDatasetFacet(fields=listed)} if listed else {}


def column_lineage(columns: Mapping[str, Iterable[Origin]], rows_by: Iterable[Origin] = ()) -> dict[str, Any]:
    """From which columns each column comes, and which decide what rows there are."""
    kinds = of.column_lineage_dataset
    listed = {name: kinds.Fields([_input(*each) for each in origins]) for name, origins in columns.items()}
    listed = {name: each for name, each in listed.items() if each.inputFields}
    whole = [_input(*each) for each in rows_by]
    return {"columnLineage": kinds.ColumnLineageDatasetFacet(listed, dataset=whole)} if listed or whole else {}


def _input(table: Name, column: str, how: str) -> Any:
    kinds = of.column_lineage_dataset
    indirect = how in INDIRECT
    done = kinds.Transformation("INDIRECT" if indirect else "DIRECT", {**INDIRECT, **DIRECT}[how], how)
    return kinds.InputField(*table, column, [done])


def owners(names: Iterable[str]) -> dict[str, Any]:
    """Of a dataset."""
    listed = [of.ownership_dataset.Owner(name, "OWNER") for name in names]
    return {"ownership": of.ownership_dataset.OwnershipDatasetFacet(listed)} if listed else {}


def statistics(rows: int | None) -> dict[str, Any]:
    """What was written."""
    made = of.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    return {} if rows is None else {"outputStatistics": made(rowCount=rows)}


def read(rows: int | None, size: int | None) -> dict[str, Any]:
    """What was read."""
    made = of.input_statistics_input_dataset.InputStatisticsInputDatasetFacet
    return {} if rows is None else {"inputStatistics": made(rowCount=rows, size=size, fileCount=1)}


@dataclass(frozen=True, slots=True)
class Assertion:
    """A check or test, and what it found. `tolerance` is a share of rows, 0 to 1."""

    name: str
    passed: bool
    severity: str
    failing: int | None
    rows: int | None = None
    tolerance: float | None = None
    column: str | None = None
    error: str | None = None


def assertions(found: Iterable[Assertion]) -> dict[str, Any]:
    """Checks of a dataset with the rows that fail."""
    kinds = of.data_quality_assertions_dataset
    listed = [
        kinds.Assertion(
            each.name, each.passed, each.column, each.severity,
            name=each.name,
            description=each.error,
            expected=f"at most {percent(each.tolerance)} of rows fail" if each.tolerance else "no row fails",
            actual=None if each.failing is None else f"{each.failing} failing rows",
            params={key: n for key, n in (("rows", each.rows), ("failing", each.failing)) if n is not None},
        )
        for each in found
    ]  # fmt: skip
    return {"dataQualityAssertions": kinds.DataQualityAssertionsDatasetFacet(listed)} if listed else {}


def job(kind: str, path: str | None, owned_by: Iterable[str] = (), query: str | None = None) -> dict[str, Any]:
    """What a job is, whose, and by which version of its source.

    Args:
        kind: FLOW, LOAD, MODEL, TEST, ...
        path: its file, relative to the project.
    """
    found: dict[str, Any] = {"jobType": of.job_type_job.JobTypeJobFacet("BATCH", "SLUICE", kind)}
    repository, version = _version()
    place = "/".join(filter(None, (repository, path))) if repository else f"file:{path or '.'}"
    found["sourceCodeLocation"] = of.source_code_location_job.SourceCodeLocationJobFacet(
        "git" if repository else "files", place, repository, path, version
    )
    listed = [of.ownership_job.Owner(name, "OWNER") for name in owned_by]
    if listed:
        found["ownership"] = of.ownership_job.OwnershipJobFacet(listed)
    if query:
        found["sql"] = of.sql_job.SQLJobFacet(query, dialect="postgres")
    return found


def run(parent: tuple[str, Name] | None, error: str | None = None) -> dict[str, Any]:
    """What runs, for whom, and why it failed.

    Args:
        parent: run id and job of the run that this one belongs to.
    """
    engine = of.processing_engine_run.ProcessingEngineRunFacet(fingerprints.code(), "Sluice")
    found: dict[str, Any] = {"processing_engine": engine}
    if parent is not None:
        kinds, (of_run, of_job) = of.parent_run, parent
        root = kinds.Root(kinds.RootRun(of_run), kinds.RootJob(*of_job))
        found["parent"] = kinds.ParentRunFacet(kinds.Run(of_run), kinds.Job(*of_job), root)
    if error is not None:
        found["errorMessage"] = of.error_message_run.ErrorMessageRunFacet(error, "Python")
    return found


def version(number: object) -> dict[str, Any]:
    """Which version of a dataset was written."""
    return {"version": of.dataset_version_dataset.DatasetVersionDatasetFacet(str(number))}


def taken(name: Name, facets: Mapping[str, Any], found: Mapping[str, Any]) -> InputDataset:
    """A dataset that is read, and what was found in it."""
    return InputDataset(*name, facets=dict(facets), inputFacets=dict(found))


def given(name: Name, facets: Mapping[str, Any], found: Mapping[str, Any]) -> OutputDataset:
    """A dataset that is written, and what was written."""
    return OutputDataset(*name, facets=dict(facets), outputFacets=dict(found))


@cache
def _version() -> tuple[str | None, str]:
    """The project's repository and its commit; a fingerprint of its code where it is in no repository of git."""
    commit, remote = _git("rev-parse", "HEAD"), _git("config", "--get", "remote.origin.url")
    if not commit:
        return None, fingerprints.code()
    parts = urlsplit(remote)
    if parts.netloc:  # an address may hold a token
        remote = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return remote or None, commit


def _git(*arguments: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        root: Path = paths.root()
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=5, check=True
        )
        return done.stdout.strip()
    return ""
