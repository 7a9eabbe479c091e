"""Where a spec's module and name are, found out before anything heavy is imported.

``importlib.util.find_spec("a.b.c")`` imports ``a`` and ``a.b``, which for a network's package means importing
torch; a mistyped name should be answered faster than that. So parents are searched here by their paths alone,
and a name that a module's source never binds is refused from the source.
"""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from pytest_mlff.errors import SpecError
from pytest_mlff.models.registry import ecosystem_list
from pytest_mlff.settings.names import suggest


def find_module(name: str) -> ModuleSpec | None:
    """Find a module without importing its parents.

    Parameters
    ----------
    name : str
        Dotted name.

    Returns
    -------
    ModuleSpec or None
        None for a module that is loaded but carries no spec.

    Raises
    ------
    SpecError
        Naming the part of the name that does not exist, names close to it, and what would work.
    """
    spec: ModuleSpec | None = None
    path: Sequence[str] | None = None
    parts = name.split(".")
    if name in sys.modules:
        return sys.modules[name].__spec__
    for depth, part in enumerate(parts, start=1):
        full = ".".join(parts[:depth])
        if full in sys.modules:
            spec, path = sys.modules[full].__spec__, getattr(sys.modules[full], "__path__", None)
        else:
            spec = _find_one(full, path)
            if spec is None:
                raise SpecError(_no_module(name, full, part, path))
            path = spec.submodule_search_locations
        if depth < len(parts) and path is None:
            raise SpecError(f"{full!r} is a module, not a package, so there is no {name!r}")
    return spec


def _find_one(full: str, path: Sequence[str] | None) -> ModuleSpec | None:
    try:
        for finder in sys.meta_path:
            spec = finder.find_spec(full, path) if hasattr(finder, "find_spec") else None
            if spec is not None:
                return spec
    except KeyError:  # a folder without __init__.py inside a package wants its parent imported
        return importlib.util.find_spec(full)
    return None


def _no_module(name: str, full: str, part: str, path: Sequence[str] | None) -> str:
    siblings = [module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("__")]
    prefix = full.removesuffix(part)
    near = suggest(part, siblings, cutoff=0.5 if prefix else 0.7)
    here = Path(*name.split(".")).with_suffix(".py")
    if here.is_file():
        return (
            f"there is no module {full!r} on sys.path, but there is a file {here}; "
            f"write {here}:name, or python -m pytest, which adds the working directory to sys.path"
        )
    also = "" if "." in name else f", nor an installed ecosystem of that name (installed: {ecosystem_list()})"
    return f"there is no module {full!r}{near}{also}; check the spelling, or install it into {sys.prefix}"


def check_name(module: str, spec: ModuleSpec | None, name: str) -> None:
    """Refuse a name that a module's source does not bind, without importing the module.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    spec : ModuleSpec or None
        Where it is.
    name : str
        First part of the name wanted from it.

    Raises
    ------
    SpecError
        Only where the source leaves no doubt: no star import, no module ``__getattr__``, no tampering with
        ``globals()`` or ``sys.modules``, no submodule of that name. Otherwise the import decides.
    """
    if spec is None or module in sys.modules or not (spec.origin or "").endswith(".py"):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(Path(str(spec.origin)).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return  # the import will say it better
    bound = _bound_names(tree)
    if bound is None or name in bound:
        return
    submodules = {found.name for found in pkgutil.iter_modules(spec.submodule_search_locations or [])}
    if name not in submodules:
        top = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        raise SpecError(no_name(f"module {module!r}", name, top))


def no_name(where: str, name: str, candidates: Iterable[str]) -> str:
    """Say that a name does not exist in a module, file or class.

    Parameters
    ----------
    where : str
        Module, file or class.
    name : str
        The name that is missing.
    candidates : iterable of str
        The names that exist there.

    Returns
    -------
    str
        The message, with up to three close names, else up to six that exist.
    """
    public = sorted({candidate for candidate in candidates if not candidate.startswith("_")})
    known = suggest(name, public)
    if not known and public:
        known = f" (it has: {', '.join(public[:6])}{', ...' if len(public) > 6 else ''})"
    return f"{where} has no {name!r}{known}"


def _bound_names(tree: ast.Module) -> set[str] | None:
    """Every name the source binds at any depth, or None when that does not settle what the module has."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound.update((alias.asname or alias.name).split(".")[0] for alias in names)
                if isinstance(node, ast.ImportFrom):
                    bound.update((node.module or "").split("."))
            case ast.Name(id=name, ctx=ast.Store()):
                bound.add(name)
            case ast.Name(id="globals" | "exec") | ast.Attribute(value=ast.Name(id="sys"), attr="modules"):
                return None
            case ast.Call(func=ast.Name(id="vars" | "locals"), args=[]):
                return None
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case _:
                pass
    return None if bound & {"*", "__getattr__"} else bound
