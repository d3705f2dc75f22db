"""The flows of the project, loaded from its own files, and called with the parameters that they have."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from sluice.contract.errors import ConfigError, SluiceError
from sluice.contract.registry import forget_modules, package_of
from sluice.project import paths


def load_flow(file: str, name: str) -> Any:
    """The flow `name` in the project's flows/`file`.py.

    Raises:
        ConfigError: there is no such file or flow, or the file cannot be imported.
    """
    folder = paths.flows_folder()
    shown = f"{folder.name}/{file}.py"
    if not (folder / f"{file}.py").is_file():
        raise ConfigError(f"{shown} is missing in {paths.root()}. Write it again: sluice init .")
    forget_modules(folder)
    try:
        module = importlib.import_module(f"{package_of(folder.parent)}.{folder.name}.{file}")
    except SluiceError:
        raise
    except Exception as error:
        # A flow is a user's code: any error in it is a fault of that file, and must name it.
        raise ConfigError(f"{shown} cannot be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if found is None or not callable(getattr(found, "fn", None)):
        raise ConfigError(f"{shown} has no flow {name}(): decorate a function of that name with @flow, from sluice")
    return found


def call_flow(file: str, name: str, given: Mapping[str, Any]) -> Any:
    """Run the project's flow with what was asked for.

    Args:
        given: values by parameter; one that is None was not asked for, and the flow's own default counts.

    Raises:
        ConfigError: as `load_flow`; or the flow has no parameter for something that was asked for.
    """
    flow = load_flow(file, name)
    asked = {parameter: value for parameter, value in given.items() if value is not None}
    lost = [parameter for parameter in asked if parameter not in inspect.signature(flow.fn).parameters]
    if lost:
        raise ConfigError(
            f"{paths.flows_folder().name}/{file}.py: {name}() has no parameter {', '.join(lost)}, which this command "
            f"needs. Add it to the function, and pass it to the step that takes it"
        )
    return flow(**asked)
