"""Ecosystems: loaders of model files that other packages, or later this one, plug in.

An entry point of the group ``pytest_mlff.models`` is named after its ecosystem and points at a callable
``(target: str, *, device: str) -> ASE calculator``; ``target`` is what the user wrote after ``ecosystem:``,
and ``device`` is ``auto``, ``cpu`` or ``cuda[:n]``. A loader that wants to be found for plain paths too
carries an attribute ``recognises(path: str) -> bool``, which looks at the file (a magic number, the names
in an archive) and never unpickles it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import described, raise_interrupt

GROUP = "pytest_mlff.models"
"""The entry-point group of the loaders."""


def installed_ecosystems() -> dict[str, EntryPoint]:
    """Look up the installed ecosystems without importing any of them.

    Returns
    -------
    dict
        Entry point by ecosystem name, sorted by name.

    Raises
    ------
    SpecError
        When two packages claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise SpecError(
                f"two installed packages claim the ecosystem {point.name!r}: "
                f"{other.value} and {point.value}; uninstall one of them"
            )
    return dict(sorted(found.items()))


def ecosystem_list() -> str:
    """Names of the installed ecosystems, for messages.

    Returns
    -------
    str
        Comma-separated, or ``none``.
    """
    return ", ".join(installed_ecosystems()) or "none"


def load_loader(name: str) -> Callable[..., Any]:
    """Import the loader of an ecosystem.

    Parameters
    ----------
    name : str
        An installed ecosystem.

    Returns
    -------
    callable
        ``(target, *, device) -> ASE calculator``.

    Raises
    ------
    SpecError
        When it is not installed, cannot be imported, or is not callable.
    """
    points = installed_ecosystems()
    if name not in points:
        raise SpecError(f"the ecosystem {name!r} is not installed (installed: {ecosystem_list()})")
    try:
        loader = points[name].load()
    except BaseException as error:
        raise_interrupt(error)
        raise SpecError(
            f"the loader {points[name].value} of the ecosystem {name!r} cannot be imported: {described(error)}"
        ) from error
    if not callable(loader):
        raise SpecError(f"the loader {points[name].value} of the ecosystem {name!r} is not callable")
    return loader  # type: ignore[no-any-return]


def recognise(path: str) -> str:
    """Find the one ecosystem that takes a file for its own.

    Parameters
    ----------
    path : str
        An existing file or folder.

    Returns
    -------
    str
        The ecosystem's name.

    Raises
    ------
    SpecError
        When no installed ecosystem, or more than one, recognises it.
    """
    names = installed_ecosystems()
    takers = [name for name in names if _recognises(name, path)]
    if len(takers) == 1:
        return takers[0]
    if takers:
        explicit = " or ".join(f"{name}:{path}" for name in takers)
        raise SpecError(f"more than one ecosystem recognises this file ({', '.join(takers)}); write {explicit}")
    raise SpecError(
        "this file's kind is not known: no installed ecosystem recognises it "
        f"(installed: {ecosystem_list()}); name one as ecosystem:path, or load the file in a calculator.py "
        "of your own and give that"
    )


def _recognises(name: str, path: str) -> bool:
    loader = load_loader(name)
    test = getattr(loader, "recognises", None)
    if test is None:
        return False
    try:
        return bool(test(path))
    except BaseException as error:
        raise_interrupt(error)
        raise SpecError(f"the ecosystem {name!r} failed while looking at this file: {described(error)}") from error
