"""A table or figure as a job of the workflow."""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.config import shown
from patchvae.errors import PatchVAEError
from patchvae.records import check_metrics


def write_report(
    name: str,
    config: Mapping[str, Any],
    file: Sequence[Sequence[str]],
    files: Sequence[Sequence[str]],
    wanted: Sequence[str],
    packed: Path | None,
) -> None:
    """Call `write` of a module of `report.tables` with files by parameter: (parameter, path), or (parameter, paths...).

    wanted, packed: as in `check_metrics`, for the metrics files in their order.
    Raises PatchVAEError for an unknown report, a parameter that is unknown, missing or given twice, and a wrong file.
    """
    function = writer(name)
    values: dict[str, Any] = {}
    for key, *paths in (*file, *files):
        if key in values:
            raise PatchVAEError(f"{name}: {shown(key)} is given twice")
        values[key] = [Path(path) for path in paths]
    values |= {key: Path(path) for key, path in file}
    try:
        inspect.signature(function).bind(config, **values)
    except TypeError as error:
        raise PatchVAEError(f"{name}: {error}") from error
    measured = [Path(path) for _, *paths in files for path in paths if path.endswith(".json")]
    check_metrics(measured, wanted, packed)
    function(config, **values)


def writer(name: str) -> Callable[..., None]:
    """`write` of a report's module; raises PatchVAEError where there is none."""
    module = f"patchvae.report.tables.{name}"
    if name.isidentifier() and importlib.util.find_spec(module):
        function: Callable[..., None] | None = getattr(importlib.import_module(module), "write", None)
        if function is not None:
            return function
    raise PatchVAEError(f"unknown report {shown(name)}")
