"""From a spec to a loaded and probed model.

What can be checked without importing the user's code is checked first, so that a mistyped spec is answered
at once; then the calculator is made, then probed (``models/probe.py``). Whatever goes wrong is one
``SpecError`` of one line. A model is described by plain data, its spec string and a device, and can be
loaded from these in any process.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.models.call import call, check_leftovers, explained
from pytest_mlff.models.locate import check_name, find_module, no_name
from pytest_mlff.models.origin import origin
from pytest_mlff.models.registry import load_loader, recognise
from pytest_mlff.models.sources import file_module_name
from pytest_mlff.models.spec import FORMS, ParsedSpec, about, fit_for_ids, parse_spec
from pytest_mlff.settings.files import what_is
from pytest_mlff.simulation.surroundings import Surroundings, Watch, current, restored


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A force field that was loaded and computed the forces of a few argon atoms.

    Attributes
    ----------
    name : str
        Short name, fit for a pytest id.
    spec : str
        The spec it was loaded from.
    calculator : object
        The ASE calculator.
    provides : frozenset of str
        Subset of ``{"energy", "forces", "stress"}``.
    fingerprint : str
        64 hexadecimal digits.
    repeatable : bool
        Whether the same input gave the same forces twice.
    device : str
        Device it computes on, as far as it shows.
    dtype : str
        Type of the numbers it computes with, as far as it shows.
    version : str
        Packages it comes from and their versions; empty for a file.
    notes : tuple of str
        What is odd but no reason to refuse it.
    listed : frozenset of str
        Energy and stress, as far as the calculator lists them.
    unusable : mapping of str to str
        Of energy and stress what it offers and what cannot be used, and why.
    surroundings : Surroundings
        Global state under which it was loaded and probed, and has to run.
    """

    name: str
    spec: str
    calculator: Any
    provides: frozenset[str]
    fingerprint: str
    repeatable: bool
    device: str
    dtype: str
    version: str
    notes: tuple[str, ...] = ()
    listed: frozenset[str] = frozenset()
    unusable: Mapping[str, str] = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)


def load_model(spec: str, *, device: str = "auto", name: str | None = None) -> LoadedModel:
    """Load a force field and probe it.

    Parameters
    ----------
    spec : str
        The spec; ``docs/models.md`` describes its forms.
    device : str
        ``auto``, ``cpu`` or ``cuda[:n]``. Handed to a loader, and to a callable that has a parameter
        ``device`` which the spec leaves open; ``auto`` leaves the choice to the callable.
    name : str, optional
        Name to show; by default the callable's or the file's stem.

    Returns
    -------
    LoadedModel
        Ready to run.

    Raises
    ------
    SpecError
        One line that says what was tried and what would work.
    """
    parsed, folder = parse_spec(spec), Path.cwd()
    with about(spec), restored() as watch, warnings.catch_warnings(record=True) as caught, explained("loading", None):
        warnings.simplefilter("ignore")  # what frameworks warn of when imported is not the gate's concern
        parsed, calculator = _load(_placed(parsed, folder), device)
        from pytest_mlff.models.offers import check_offers
        from pytest_mlff.models.probe import fingerprint, probe

        warnings.simplefilter("always")
        found = probe(calculator)
        remarks = check_offers(calculator, found)
        surroundings = current()
        parts, version = origin(parsed, calculator, folder)
        parts += surroundings.parts(watch.clean)
    shown = fit_for_ids(name or parsed.name)
    notes = [*found.notes, *remarks, *_told(caught), *_touched(shown, surroundings, watch)]
    if device not in ("auto", found.device) and not found.device.startswith(f"{device}:"):
        notes.append(f"asked for {device}, but the model computes on {found.device}")
    return LoadedModel(
        name=shown,
        spec=spec,
        calculator=calculator,
        provides=found.provides,
        fingerprint=fingerprint(parts, found),
        repeatable=found.repeatable,
        device=found.device,
        dtype=found.dtype,
        version=version,
        notes=tuple(notes),
        listed=found.listed,
        unusable=found.unusable,
        surroundings=surroundings,
    )


def make_calculator(spec: str, *, device: str = "auto") -> tuple[ParsedSpec, Any]:
    """Make the calculator of a spec, unprobed: for a model that wraps another one.

    Returns
    -------
    ParsedSpec
        The spec, with its ecosystem and its device filled in.
    object
        The calculator.

    Raises
    ------
    SpecError
        As :func:`load_model`.
    """
    return _load(_placed(parse_spec(spec), Path.cwd()), device)


def _placed(parsed: ParsedSpec, folder: Path) -> ParsedSpec:
    """Let a path start at a folder, before any code can change the working directory."""
    if parsed.kind not in ("file", "path") or what_is(folder / parsed.target) == "nothing":
        return parsed
    return replace(parsed, target=str(folder / parsed.target))


def _touched(name: str, surroundings: Surroundings, watch: Watch) -> list[str]:
    """Say which global state a model changed; others are loaded and run without it."""
    changed = surroundings.changed_from(watch.clean)
    return [f"loading {name} set {words} to {one_line(str(value), 160)}" for words, value in changed.items()]


def load_calculator(spec: str, *, device: str = "auto") -> Any:
    """Make the calculator of a spec, without a probe: that of a reference, which is trusted.

    Raises
    ------
    SpecError
        One line that says what was tried and what would work.
    """
    with about(spec), explained("loading", None):
        return _load(_placed(parse_spec(spec), Path.cwd()), device)[1]


def _told(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Pick what the calculator warned its users of during the probe, once each."""
    to_users = [warning for warning in caught if issubclass(warning.category, UserWarning | RuntimeWarning)]
    texts = [f"{warning.category.__name__}: {one_line(str(warning.message), 160)}" for warning in to_users]
    return list(dict.fromkeys(texts))[:3]


def unique_names(models: Sequence[LoadedModel]) -> tuple[LoadedModel, ...]:
    """Tell models of one name apart.

    Parameters
    ----------
    models : sequence of LoadedModel
        In the order of the command line.

    Returns
    -------
    tuple of LoadedModel
        The same models; of those that share a name the second gets ``-2``, the third ``-3``, ...
    """
    taken = {model.name for model in models}
    seen: set[str] = set()
    result: list[LoadedModel] = []
    for model in models:
        name, number = model.name, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{model.name}-{number}"
        seen.add(name)
        result.append(replace(model, name=name))
    return tuple(result)


def _load(parsed: ParsedSpec, device: str) -> tuple[ParsedSpec, Any]:
    """Return the spec, with its ecosystem recognised and its device filled in, and the calculator."""
    if parsed.kind == "path":
        parsed = replace(parsed, kind="ecosystem", ecosystem=_recognised(parsed.target))
    if parsed.kind == "ecosystem":
        loader = load_loader(parsed.ecosystem)
        with explained(f"the loader of the ecosystem {parsed.ecosystem!r}", None):
            calculator = loader(parsed.target, device=device)
        return parsed, _require_calculator(calculator, f"the loader of {parsed.ecosystem!r} returned")
    module = _import_file(parsed) if parsed.kind == "file" else _import_module(parsed)
    where = parsed.target if parsed.kind == "file" else f"module {parsed.target!r}"
    source = getattr(module, "__file__", None)
    thing = _resolve(module, parsed.attribute, where, source)
    if not parsed.called and (_is_calculator(thing) or not callable(thing)):
        return parsed, _require_calculator(thing, f"{parsed.attribute} is")
    if not callable(thing):
        raise SpecError(f"{parsed.attribute} cannot be called, it is {_kind(thing)}; leave out the parentheses")
    made, parsed = call(thing, parsed, device, source)
    calculator = _require_calculator(made, f"{parsed.attribute}(...) returned")
    check_leftovers(calculator, thing, parsed)
    return parsed, calculator


def _recognised(path: str) -> str:
    kind = what_is(Path(path))
    if kind in ("file", "folder"):
        return recognise(path)
    if kind == "device":
        raise SpecError(f"{_shown(path)} is neither a regular file nor a folder")
    raise SpecError(f"there is no file or folder {_shown(path)}{_colon_hint(path)}; a spec is {FORMS}")


def _shown(path: str) -> str:
    return one_line(path, 160) if Path(path).is_absolute() else f"{one_line(path, 80)} in {Path.cwd()}"


def _colon_hint(path: str) -> str:
    """Hint at ``package.module:name`` for who wrote ``package.module.name``."""
    head, bracket, tail = path.partition("(")
    module, dot, name = head.rpartition(".")
    if not dot or not all(part.isidentifier() for part in head.split(".")):
        return ""
    for guess, text in ((head, f"{head}:NAME"), (module, f"{module}:{name}{bracket}{tail}")):
        try:
            with explained("looking", None):
                find_module(guess)
        except SpecError:
            continue
        return f"; did you mean {text!r}?"
    return ""


def _import_module(parsed: ParsedSpec) -> ModuleType:
    with explained(f"looking for the module {parsed.target!r}", None):
        spec = find_module(parsed.target)
        check_name(parsed.target, spec, parsed.attribute.split(".")[0])
    with explained(f"importing {parsed.target!r}", spec.origin if spec else None):
        for name in accumulate(parsed.target.split("."), "{}.{}".format):
            _import_with_effects(name)
        return sys.modules[parsed.target]


_EFFECTS: dict[str, Surroundings] = {}
"""Global state that the import of a module changed, as ``sys.modules`` has its other result."""


def _import_with_effects(name: str) -> None:
    """Import a module; one that an earlier model imported sets the global state that its import set then."""
    with restored() as watch:
        fresh = name not in sys.modules
        importlib.import_module(name)
        if fresh:
            _EFFECTS[name] = Surroundings(current().changed_from(watch.clean))
    _EFFECTS.get(name, Surroundings()).apply()


def _import_file(parsed: ParsedSpec) -> ModuleType:
    """Run a ``.py`` file as a module, with its folder at the end of ``sys.path`` for its neighbours."""
    path = Path(parsed.target)
    kind = what_is(path)
    if kind != "file":
        problem = {"folder": "there is a folder, not a file,", "device": "there is a device or a pipe, not a file,"}
        raise SpecError(f"{problem.get(kind, 'there is no file')} {_shown(parsed.target)}")
    path = path.resolve()
    module = ModuleType(file_module_name(path))
    module.__file__ = str(path)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[module.__name__] = module
    try:
        with explained(f"running {parsed.target}", str(path)):
            # compiled here: the bytecode cache would miss a second edit within one second
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except SpecError:
        del sys.modules[module.__name__]
        raise
    return module


def _resolve(module: ModuleType, dotted: str, where: str, source: str | None) -> Any:
    thing: Any = module
    for part in dotted.split("."):
        with explained(f"looking up {part!r} in {where}", source):
            found = hasattr(thing, part)
        if not found:
            raise SpecError(no_name(where, part, _public_names(thing)))
        thing, where = getattr(thing, part), part
    return thing


def _public_names(thing: Any) -> list[str]:
    names = [name for name in dir(thing) if not name.startswith("_")]
    if isinstance(thing, ModuleType):
        own = [name for name in names if getattr(getattr(thing, name, None), "__module__", "") == thing.__name__]
        return own or [name for name in names if not isinstance(getattr(thing, name, None), ModuleType)]
    return names


def _is_calculator(thing: Any) -> bool:
    atoms = sys.modules.get("ase.atoms")
    if isinstance(thing, type) or (atoms is not None and isinstance(thing, atoms.Atoms)):
        return False
    return callable(getattr(thing, "get_forces", None))


def _require_calculator(thing: Any, what: str) -> Any:
    if _is_calculator(thing):
        return thing
    raise SpecError(
        f"{what} {_kind(thing)}, not an ASE calculator (an object with get_forces); "
        "give a calculator, or a class or function that makes one"
    )


def _kind(thing: Any) -> str:
    if thing is None or isinstance(thing, bool | int | float):
        return repr(thing)
    if isinstance(thing, ModuleType):
        return f"the module {thing.__name__!r}"
    return f"an object of type {type(thing).__module__}.{type(thing).__qualname__}".replace("builtins.", "")
