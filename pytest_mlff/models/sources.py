"""The user's own modules that a model is made of: those its sources import, wherever an edit would count.

Followed are imports at any depth of a source (also in a function that the probe did not reach), what the
loaded modules hold, and the classes of what the calculator holds (a network that a pickle or
``import_module`` brought in). What else happens to be loaded, a ``conftest.py`` or another model, does not
count: a model has one fingerprint in every run.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_mlff.foreign import is_installed

_MOST_OBJECTS = 5000
_LONGEST = 1000


def source_hashes(calculator: Any, modules: list[str], file: Path | None = None) -> dict[str, str]:
    """Hash the first-party modules behind a calculator.

    Parameters
    ----------
    calculator : object
        The calculator, after the probe.
    modules : list of str
        Modules known to make the model; those that are first-party are followed.
    file : Path, optional
        The ``file.py`` of the spec, which is loaded.

    Returns
    -------
    dict
        SHA-256 by dotted module name, sorted. First-party is what lies in the top-level package of one of
        `modules` (beside it, if that is no package) or in the folder of `file`, and neither in
        ``site-packages`` or ``dist-packages`` nor in the standard library.
    """
    roots = _roots(modules, file)
    if not roots:
        return {}
    waiting = {*modules, *_held_modules(calculator)}
    own = None if file is None else file.resolve()
    if file is not None:
        waiting.add(file_module_name(file))
    seen: set[str] = set()
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _source(name, roots)
        if path is None:
            continue
        if path != own:  # it is hashed as the file, wherever it lies
            found[name] = path
        waiting.update(_with_parents(name))
        if path.suffix == ".py":
            waiting |= _imports(path, name, package=path.name == "__init__.py")
        waiting |= _bound_modules(name)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(found.items())}


def file_module_name(file: Path) -> str:
    """Name under which the ``file.py`` of a spec is loaded.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    str
        One name for each place.
    """
    key = hashlib.sha256(str(file.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"_mlff_model_{key}"


def _roots(modules: list[str], file: Path | None) -> set[Path]:
    """Folders of first-party sources."""
    folders: set[Path] = set() if file is None else {file.resolve().parent}
    for name in modules:
        top = sys.modules.get(name.partition(".")[0])
        places = [Path(place) for place in getattr(top, "__path__", ())]
        if not places and getattr(top, "__file__", None):
            places = [Path(str(top.__file__)).parent]  # type: ignore[union-attr]
        folders.update(place.resolve() for place in places)
    return {folder for folder in folders if not is_installed(folder)}


def _source(name: str, roots: Set[Path]) -> Path | None:
    """File of a module, loaded or not, provided that it is first-party."""
    module = sys.modules.get(name)
    place = getattr(module, "__file__", None) if module is not None else _on_disk(name, roots)
    if not isinstance(place, str | Path):
        return None
    path = Path(place).resolve()
    own = any(path.is_relative_to(root) for root in roots) and not is_installed(path)
    return path if own and path.is_file() else None


def _on_disk(name: str, roots: Set[Path]) -> Path | None:
    """Find the source of a module that is not loaded, where its package or a root says."""
    package, _, last = name.rpartition(".")
    while package and package not in sys.modules:
        package, _, part = package.rpartition(".")
        last = f"{part}/{last}"
    if not package and last.partition("/")[0] in sys.stdlib_module_names:
        return None
    folders = getattr(sys.modules[package], "__path__", ()) if package else sorted(roots)
    for folder in folders:
        for path in (Path(folder, last, "__init__.py"), Path(folder, f"{last}.py")):
            if path.is_file():
                return path
    return None


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _imports(path: Path, name: str, *, package: bool) -> set[str]:
    """Names that a source imports, as modules and as what may be a submodule; empty if it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".") if package else name.split(".")[:-1]
                kept = parts[: len(parts) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names if base and alias.name != "*")
    return {parent for found in names for parent in _with_parents(found)}


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement at any depth; three times faster than visiting their expressions, too."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting.extend(getattr(node, part, ()))


def _modules_of(thing: Any) -> set[str]:
    """Where a module, class, function or other object comes from, with its base classes."""
    if isinstance(thing, ModuleType):
        return {thing.__name__}
    homes = [getattr(each, "__module__", None) for each in (thing, *type(thing).__mro__)]
    return {home for home in homes if isinstance(home, str)}


def _bound_modules(name: str) -> set[str]:
    """Modules of what a loaded module binds; but a package binds every submodule that anyone imports."""
    bound = list(getattr(sys.modules.get(name), "__dict__", {}).values())  # an entry may be None
    homes = [_modules_of(thing) for thing in bound]
    submodules = {thing.__name__ for thing in bound if isinstance(thing, ModuleType)}
    return set().union(*homes) - {found for found in submodules if found.startswith(f"{name}.")}


def _held_modules(calculator: Any) -> set[str]:
    """Modules of the classes of what a calculator holds, at any depth."""
    names: set[str] = set()
    level, seen = [calculator], {id(calculator)}
    while level and len(seen) < _MOST_OBJECTS:
        names = names.union(*(_modules_of(thing) for thing in level))
        following = [inner for thing in level for inner in _inside(thing)]
        level = []
        for thing in following:
            if id(thing) not in seen:
                seen.add(id(thing))
                level.append(thing)
    return names


def _inside(thing: Any) -> list[Any]:
    if isinstance(thing, str | bytes | int | float | type | ModuleType | None):
        return []
    own = getattr(thing, "__dict__", None)
    values = list(own.values()) if isinstance(own, Mapping) else []
    if isinstance(thing, dict) and len(thing) <= _LONGEST:
        values += thing.values()
    elif isinstance(thing, list | tuple) and len(thing) <= _LONGEST:
        values += thing
    return values
