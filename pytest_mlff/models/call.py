"""Calling what a spec names: the arguments it takes, the device, and keywords taken but never used.

ASE's ``Calculator`` swallows every keyword: ``LennardJones(cutoff=8.5)`` runs, with its default cutoff,
because the keyword is ``rc``. A gate must not judge a model other than the one meant, so such a keyword is
refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import described, one_line, place, raise_interrupt
from pytest_mlff.models.spec import ParsedSpec
from pytest_mlff.settings.names import suggest

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_SHOWN = 12


@contextmanager
def explained(what: str, source: str | None) -> Iterator[None]:
    """Turn whatever a user's code raises into one line with its type, its text and its place.

    Parameters
    ----------
    what : str
        What was being done.
    source : str or None
        The user's file: the place is the last line of it on the way to the error.

    Yields
    ------
    None

    Raises
    ------
    SpecError
        Instead of whatever is raised, ``pytest.skip`` in a module included, but for Ctrl-C.
    """
    try:
        yield
    except SpecError:
        raise
    except BaseException as error:
        raise_interrupt(error)
        where = place(error, source)
        raise SpecError(f"{what} raised {described(error)}{f' ({where})' if where else ''}") from error


def call(thing: Callable[..., Any], parsed: ParsedSpec, device: str, source: str | None) -> tuple[Any, ParsedSpec]:
    """Call a class or function with a spec's arguments.

    Parameters
    ----------
    thing : callable
        What the spec names.
    parsed : ParsedSpec
        The spec.
    device : str
        Passed as ``device`` when it is not ``auto``, the callable has such a parameter and the spec leaves it
        open.
    source : str or None
        File that defines the callable, for the place of an error.

    Returns
    -------
    object
        What the call returned.
    ParsedSpec
        The spec with the arguments that were used.

    Raises
    ------
    SpecError
        When the arguments do not fit, or the call raises.
    """
    signature = _signature(thing)
    if signature is not None:
        named = {name for name, parameter in signature.parameters.items() if parameter.kind in _NAMED}
        if device != "auto" and "device" in named and "device" not in _bound(signature, parsed):
            parsed = replace(parsed, keywords=(*parsed.keywords, ("device", device)))
        _check_arguments(thing, signature, parsed)
    try:
        with explained(f"{parsed.attribute}(...)", source):
            return thing(*parsed.args, **dict(parsed.keywords)), parsed
    except SpecError as error:
        if isinstance(error.__cause__, TypeError) and "argument" in str(error.__cause__):
            raise SpecError(f"{error}; {_takes(thing, parsed.attribute)}") from error.__cause__
        raise


def check_leftovers(calculator: Any, thing: Any, parsed: ParsedSpec) -> None:
    """Refuse keywords that an ASE calculator stored among its parameters although it knows no such parameter.

    Parameters
    ----------
    calculator : object
        The calculator that was made.
    thing : callable
        What made it.
    parsed : ParsedSpec
        The spec with the arguments that were used.

    Raises
    ------
    SpecError
        For a keyword that is neither a named argument nor a default parameter of the calculator, provided
        that it has default parameters, or that the keyword is a misspelling of one it takes. Calculators
        that write input files for another program take any keyword and are let through.
    """
    stored = getattr(calculator, "parameters", None)
    if not isinstance(stored, Mapping) or _writes_input_files(calculator):
        return
    defaults = getattr(calculator, "default_parameters", None) or {}
    known = {
        *accepted_keywords(thing),
        *accepted_keywords(type(calculator)),
        *_all_named(type(calculator)),
        *defaults,
    }
    for key, _ in parsed.keywords:
        if key in stored and key not in known and (defaults or suggest(key, known, cutoff=0.75)):
            raise SpecError(
                f"{parsed.attribute} does not take the argument {key!r}{suggest(key, known)}, "
                f"it would be ignored; {_takes(type(calculator), type(calculator).__name__)}"
            )


def accepted_keywords(thing: Any) -> list[str]:
    """Names of the keyword arguments that a callable is known to take.

    Parameters
    ----------
    thing : callable
        A class or function.

    Returns
    -------
    list of str
        Its named parameters, then the default parameters of an ASE calculator class.
    """
    signature = _signature(thing)
    names = [] if signature is None else [n for n, p in signature.parameters.items() if p.kind in _NAMED]
    defaults = getattr(thing, "default_parameters", None) if isinstance(thing, type) else None
    return names + [name for name in (defaults or {}) if name not in names]


def _signature(thing: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):  # some builtins have none
        return None


def _bound(signature: inspect.Signature, parsed: ParsedSpec) -> Mapping[str, Any]:
    try:
        return signature.bind_partial(*parsed.args, **dict(parsed.keywords)).arguments
    except TypeError:
        return {}


def _check_arguments(thing: Any, signature: inspect.Signature, parsed: ParsedSpec) -> None:
    try:
        signature.bind(*parsed.args, **dict(parsed.keywords))
    except TypeError as error:
        problem = one_line(str(error))
    else:
        return
    takes = _takes(thing, parsed.attribute)
    if not parsed.called:
        raise SpecError(
            f"{parsed.attribute} cannot be called without arguments: {problem}; "
            f"write {parsed.attribute}(key=value, ...); {takes}"
        )
    accepted = accepted_keywords(thing)
    for key, _ in parsed.keywords:
        if key not in accepted and f"'{key}'" in problem:
            raise SpecError(f"{parsed.attribute} does not take the argument {key!r}{suggest(key, accepted)}; {takes}")
    raise SpecError(f"{parsed.attribute} does not take these arguments: {problem}; {takes}")


def _takes(thing: Any, name: str) -> str:
    accepted = accepted_keywords(thing)
    if not accepted:
        return f"{name} takes no named arguments"
    return f"{name} takes: {', '.join(accepted[:_SHOWN])}{', ...' if len(accepted) > _SHOWN else ''}"


def _all_named(cls: type) -> set[str]:
    """Named parameters of every ``__init__`` along the inheritance, as far as keywords are passed on."""
    names: set[str] = set()
    for base in cls.__mro__:
        signature = _signature(vars(base)["__init__"]) if "__init__" in vars(base) and base is not object else None
        if signature is not None:
            names.update(n for n, p in signature.parameters.items() if p.kind in _NAMED)
    return names


def _writes_input_files(calculator: Any) -> bool:
    names = {base.__name__ for base in type(calculator).__mro__}
    return bool(names & {"FileIOCalculator", "GenericFileIOCalculator", "SocketIOCalculator"})
