"""What a model is made of, as far as files, arguments and package versions tell: half of its fingerprint.

Hashed are the bytes of the file named by the spec (every file of a folder), or of the named module; of the
modules that define the calculator's class and its bases; of the user's own modules that these import
(``models/sources.py``); of files that arguments name; and names and versions of the packages these come
from. A file that loads weights from elsewhere is caught by the other half, the probe forces.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.models.registry import installed_ecosystems
from pytest_mlff.models.sources import source_hashes
from pytest_mlff.models.spec import ParsedSpec
from pytest_mlff.settings.files import what_is


def origin(parsed: ParsedSpec, calculator: Any, folder: Path) -> tuple[list[tuple[str, str]], str]:
    """Describe where a calculator comes from.

    Parameters
    ----------
    parsed : ParsedSpec
        The spec with the arguments that were used.
    calculator : object
        The calculator.
    folder : Path
        Working directory before the calculator was made: its code may have gone elsewhere.

    Returns
    -------
    list of (str, str)
        Labelled parts for the fingerprint. Contents enter, places do not: a model keeps its fingerprint
        when its file or its environment moves.
    str
        Packages with versions, for people.
    """
    modules = [base.__module__ for base in type(calculator).__mro__ if base is not object]
    if parsed.kind == "module":
        modules.insert(0, parsed.target)
    modules = list(dict.fromkeys(modules))
    packages = _packages(modules)
    parts = [("kind", parsed.kind), ("name", parsed.attribute), ("arguments", canonical_arguments(parsed))]
    if parsed.kind == "ecosystem":
        packages = sorted({*packages, *_loader_package(parsed.ecosystem)})
        parts += [("ecosystem", parsed.ecosystem), *_target_parts(parsed.target, folder)]
    elif parsed.kind == "file":
        parts.append(("file", _hash(Path(parsed.target))))
    parts += [(f"module {i}", digest) for i, digest in enumerate(_module_hashes(modules))]
    parts += [(f"argument file {key}", _hash(path)) for key, path in _argument_files(parsed, folder)]
    file = Path(parsed.target) if parsed.kind == "file" else None
    sources = source_hashes(calculator, [*modules, *_loader_module(parsed.ecosystem)], file)
    hashed = {value for _, value in parts}
    parts += [(f"source {name}", digest) for name, digest in sources.items() if digest not in hashed]
    if hasattr(calculator, "wrapped_from"):  # a spec and the calculator it made, which this one wraps
        spec, inner = calculator.wrapped_from
        inside, inner_version = origin(spec, inner, folder)
        parts += [(f"wrapped {label}", value) for label, value in inside]
        packages = list(dict.fromkeys([*packages, *inner_version.split(", ")]))
    return [*parts, *(("package", package) for package in packages)], ", ".join(packages)


def canonical_arguments(parsed: ParsedSpec) -> str:
    """Arguments as text that does not depend on their order or on the process.

    Parameters
    ----------
    parsed : ParsedSpec
        The spec.

    Returns
    -------
    str
        Positional arguments in order, keywords sorted by name, sets and dicts sorted.
    """
    positional = [_canonical(value) for value in parsed.args]
    return ", ".join(positional + [f"{key}={_canonical(value)}" for key, value in sorted(parsed.keywords, key=_first)])


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _canonical(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(sorted(f"{_canonical(k)}: {_canonical(v)}" for k, v in value.items())) + "}"
        case set() | frozenset():
            return "set(" + ", ".join(sorted(_canonical(item) for item in value)) + ")"
        case list():
            return "[" + ", ".join(_canonical(item) for item in value) + "]"
        case tuple():
            return "(" + "".join(_canonical(item) + ", " for item in value) + ")"
        case _:
            return repr(value)


def _target_parts(target: str, folder: Path) -> list[tuple[str, str]]:
    path = folder / target
    return [("path", _hash(path))] if what_is(path) in ("file", "folder") else [("target", target)]


def _argument_files(parsed: ParsedSpec, folder: Path) -> list[tuple[str, Path]]:
    """Find the files that arguments name, from where the run began and from where the calculator's code went."""
    values = [(str(i), value) for i, value in enumerate(parsed.args)] + sorted(parsed.keywords, key=_first)
    found = []
    for key, value in values:
        for i, item in enumerate(value if isinstance(value, list | tuple) else [value]):
            places = dict.fromkeys([folder / item, Path.cwd() / item]) if isinstance(item, str) else ()
            found += [(f"{key}.{i}", place) for place in places if what_is(place) == "file"]
    return found


def _hash(path: Path) -> str:
    if path.is_dir():
        inside = sorted(item for item in path.rglob("*") if item.is_file())
        listing = "\n".join(f"{item.relative_to(path).as_posix()} {_hash(item)}" for item in inside)
        return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SpecError(f"cannot read {path}, of which the model is made: {error.strerror or error}") from None


def _module_hashes(modules: list[str]) -> list[str]:
    files = (getattr(sys.modules.get(name), "__file__", None) for name in modules)
    return [_hash(Path(file)) for file in files if file and what_is(Path(file)) == "file"]


def _packages(modules: list[str]) -> list[str]:
    """Distributions that the modules belong to, with versions, sorted."""
    tops = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    names = {owner for top in tops for owner in _owners(top)}
    return sorted(text for name in names if (text := _versioned(name)))


def _owners(top: str) -> list[str]:
    """Distributions beside a top-level package that list its files; else one of its own name, if any."""
    module = sys.modules.get(top)
    places = list(getattr(module, "__path__", None) or [getattr(module, "__file__", None) or ""])
    owners = distributions(path=[str(Path(place).parent) for place in places if place])
    lines = (f"\n{top}/", f"\n{top}.py,")
    found = [owner.name for owner in owners if any(line in f"\n{owner.read_text('RECORD')}" for line in lines)]
    return [name for name in found if name] or [top]


def _versioned(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def _loader_package(ecosystem: str) -> list[str]:
    point = installed_ecosystems().get(ecosystem)
    return [f"{point.dist.name} {point.dist.version}"] if point is not None and point.dist is not None else []


def _loader_module(ecosystem: str) -> list[str]:
    point = installed_ecosystems().get(ecosystem)
    return [point.module] if point is not None else []
