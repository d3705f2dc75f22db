"""`sluice init`: write a project, in a new folder or beside what is there. Overwrites nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from string import Template

from sluice.contract.errors import ConfigError, ToolError
from sluice.project import paths, settings
from sluice.project.init import template

# What another tool's files are called where Sluice's would go: with them, no command of the project would work.
OTHERS = {
    "contracts": "[!_]*.py",
    "flows": "nightly.py",
    "dbt_project": "dbt_project.yml",
    "profiles": "profiles.yml",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each file: relative paths, in order."""

    root: Path
    wrote: tuple[str, ...]
    left: tuple[str, ...]


def init(folder: Path, example: str | None = None) -> Written:
    """Write what a project needs and the folder lacks.

    Raises:
        ConfigError: there is no such example, the folder is a project's already and an example was asked for, it
            lies within another project, or other files have the places of the project's. Nothing is written then.
        ToolError: a file cannot be written; those written before it stay.
    """
    root = folder.expanduser().absolute()
    _refuse(root, example)
    name = re.sub(r"[^a-z0-9_]+", "_", root.name.lower()).strip("_") or "project"
    name = name if name[0].isalpha() else f"project_{name}"
    values = {"name": name, "id": settings.new_id(root.name), "version": version("sluice-elt")}
    texts = {path: Template(text).safe_substitute(values) for path, text in template.started().items()}
    texts |= template.files(example)
    flows = _place(root, PurePosixPath("flows")).relative_to(root).as_posix()
    deployment = PurePosixPath("prefect.yaml")
    texts[deployment] = texts[deployment].replace("entrypoint: flows/", f"entrypoint: {flows}/")
    places = {_place(root, path): text for path, text in texts.items()}
    empty = [_place(root, PurePosixPath(each)) for each in ("contracts", "dbt_project/models/marts")]
    _refuse_files_in_the_way(root, [*(place.parent for place in places), *empty])
    # The mark first: after an interruption, the next `sluice init` adds the rest.
    in_order = sorted(places, key=lambda place: (place.name != paths.MARK, place))
    wrote = {place for place in in_order if write_new(place, places[place])}
    for each in empty:
        each.mkdir(parents=True, exist_ok=True)
    shown = {place: str(place.relative_to(root)) for place in sorted(places)}
    return Written(
        root,
        tuple(text for place, text in shown.items() if place in wrote),
        tuple(text for place, text in shown.items() if place not in wrote),
    )


def _place(root: Path, path: PurePosixPath) -> Path:
    """Where a file of the template goes: a sluice.toml that is there already may name other folders."""
    first, *rest = path.parts
    if first not in paths.FOLDERS or not (root / paths.MARK).is_file():
        return root / path
    return paths.project_in(root).folder(first).joinpath(*rest)


def _refuse(root: Path, example: str | None) -> None:
    if example is not None and example not in template.EXAMPLES:
        raise ConfigError(f"there is no example {example!r}; there is: {', '.join(template.EXAMPLES)}")
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file; name a folder for the project")
    refuse_within_another(root)
    if (root / paths.MARK).exists():
        if example is not None:
            raise ConfigError(f"{root} is a project already; write the example into an empty folder")
        return
    for folder, pattern in OTHERS.items():
        if found := next(iter(sorted((root / folder).glob(pattern))), None):
            raise ConfigError(
                f"{found.relative_to(root)} is there already, and is not Sluice's. Create the project in another "
                f"folder, or write {paths.MARK} with another name for {folder}/, as follows, then run again: "
                f'sluice init\n[project]\nid = "{settings.new_id(root.name)}"\n[paths]\n{folder} = "sluice_{folder}"'
            )


def refuse_within_another(root: Path) -> None:
    """Raise ConfigError where a folder above is a project."""
    above = next((each for each in root.parents if (each / paths.MARK).is_file()), None)
    if above is not None:
        raise ConfigError(f"{root} lies in the project {above}; a project cannot hold another")


def _refuse_files_in_the_way(root: Path, folders: Iterable[Path]) -> None:
    for folder in folders:
        for each in (folder, *folder.parents):
            if each.is_relative_to(root) and each.exists() and not each.is_dir():
                raise ConfigError(f"{each} is a file, and the project needs a folder of that name. Nothing was written")


def write_new(path: Path, text: str) -> bool:
    """Whether the file was missing, and is there now. Raises ToolError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror or error}") from None
    return True
