"""The context of a model's checks, put together from the settings of a run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.gate.catalogue import chosen_protocol
from pytest_mlff.gate.limits import limits
from pytest_mlff.reference.data import Reference
from pytest_mlff.schema import Model
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.cache import Cache
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.systems.reading import load_system

if TYPE_CHECKING:
    from pytest_mlff.settings import Settings


def build_context(
    settings: Settings,
    model: Model,
    meter: Meter | None = None,
    *,
    reference: Path | None = None,
) -> CheckContext:
    """Put a context together from the settings of a run.

    Parameters
    ----------
    settings : Settings
        What the user asked for.
    model : Model
        The candidate.
    meter : Meter, optional
        Of the whole run, shared by its models; by default one that is silent, with a budget that begins now.
    reference : Path, optional
        Folder of other reference data.

    Returns
    -------
    CheckContext
        Ready for :func:`pytest_mlff.gate.catalogue.run_check`.

    Raises
    ------
    SpecError, CacheError, ReferenceDataError
        For a configuration, cache directory or reference that cannot be used.
    """
    return CheckContext(
        model=model,
        system=load_system(settings.system),
        protocol=chosen_protocol(settings.protocol, settings.config),
        reference=Reference(reference),
        tolerances=limits(settings),
        cache=Cache(_cache_root(settings.cache_root, model)),
        meter=meter or Meter(Budget(settings.budget_s)),
        seed=settings.seed,
        config=settings.config,
        keep=settings.cache_root,
    )


def _cache_root(root: Path, model: Model) -> Path:
    """Where results go: those of a model whose forces do not repeat are shared within this run only."""
    return root if model.repeatable else _folder_of_this_run()


@cache
def _folder_of_this_run() -> Path:
    """Make a folder that no other run finds; the workers of one xdist run know its name."""
    import atexit
    import os
    import shutil
    import tempfile

    shared = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if shared is not None:
        return _shared_folder(shared)
    folder = tempfile.mkdtemp(prefix="pytest-mlff-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _shared_folder(testrunuid: str) -> Path:
    import tempfile

    return Path(tempfile.gettempdir()) / f"pytest-mlff-{testrunuid}"


def remove_shared_folder(testrunuid: str) -> None:
    """Remove what the workers of an xdist run shared of models whose forces do not repeat.

    Parameters
    ----------
    testrunuid : str
        xdist's id of the run, which must be over.
    """
    import shutil

    shutil.rmtree(_shared_folder(testrunuid), ignore_errors=True)
