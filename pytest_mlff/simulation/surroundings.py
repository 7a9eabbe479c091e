"""The global state of the process under which a model runs: precision, threads, determinism, working directory.

Frameworks keep such settings for the whole process: one model that sets torch's default dtype sets it for every other.
So a model is loaded under the state that was there before any model, it is called under the state that its own loading
left, and what differs from the framework's own defaults belongs to its fingerprint. Nothing is imported for that: a
framework that is not loaded has no state. Not meant for two models that run in two threads of one process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Knob:
    """One setting: how it is called, read and written, as plain builtins."""

    words: str
    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    usual: Any = None  # what the framework begins with; None where machine or environment decide
    numbers: bool = True  # whether results depend on it

    def value(self) -> Any:
        """Read it; None where it cannot be read, because the framework is absent, older, or in a state it refuses."""
        module = sys.modules.get(self.module)
        if module is None:
            return None
        try:
            return self.read(module)
        except Exception:
            return None

    def set(self, value: Any) -> None:
        with suppress(Exception):  # the folder is gone, or an older framework lacks it: the model still is to run
            self.write(sys.modules[self.module], value)


def _tf32(name: str, old: str, usual: str) -> _Knob:
    """Precision of float32 inside a library: a word from torch 2.9 on, before that a truth value at another place."""

    def read(torch: Any) -> str:
        place = _at(torch.backends, name)
        if hasattr(place, "fp32_precision"):
            word = str(place.fp32_precision)
            return "ieee" if word == "none" else word  # what is not set follows torch's own, which is that
        return "tf32" if _at(torch.backends, old).allow_tf32 else "ieee"

    def write(torch: Any, value: str) -> None:
        place = _at(torch.backends, name)
        if hasattr(place, "fp32_precision"):
            place.fp32_precision = value
        else:
            _at(torch.backends, old).allow_tf32 = value == "tf32"

    return _Knob(words=f"torch's float32 precision of {name}", module="torch", read=read, write=write, usual=usual)


def _at(place: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        place = getattr(place, part, None)
    return place


def _cudnn(name: str) -> _Knob:
    return _Knob(
        words=f"torch's cudnn.{name}",
        module="torch",
        read=lambda torch: bool(getattr(torch.backends.cudnn, name)),
        write=lambda torch, value: setattr(torch.backends.cudnn, name, value),
        usual=False,
    )


def _of_torch(words: str, reader: str, writer: str, usual: Any = None) -> _Knob:
    return _Knob(
        words=f"torch's {words}",
        module="torch",
        read=lambda torch: getattr(torch, reader)(),
        write=lambda torch, value: getattr(torch, writer)(value),
        usual=usual,
    )


# The order counts: torch's older word for the precision of float32 moves the newer ones that stand behind it.
_KNOBS = (
    _Knob(
        words="torch's default dtype",
        module="torch",
        read=lambda torch: str(torch.get_default_dtype()).removeprefix("torch."),
        write=lambda torch, value: torch.set_default_dtype(getattr(torch, value)),
        usual="float32",
    ),
    _Knob(
        words="torch's default device",
        module="torch",
        read=lambda torch: str(torch.empty(0).device),  # twenty times faster than to ask for it
        write=lambda torch, value: torch.set_default_device(None if value == "cpu" else value),
        usual="cpu",
    ),
    _of_torch("number of threads", "get_num_threads", "set_num_threads"),
    _of_torch("float32 matmul precision", "get_float32_matmul_precision", "set_float32_matmul_precision", "highest"),
    _tf32("cuda.matmul", "cuda.matmul", "ieee"),
    _tf32("cudnn.conv", "cudnn", "tf32"),
    _tf32("cudnn.rnn", "cudnn", "tf32"),
    _tf32("mkldnn.matmul", "mkldnn.matmul", "ieee"),
    _tf32("mkldnn.conv", "mkldnn.conv", "ieee"),
    _cudnn("deterministic"),
    _cudnn("benchmark"),
    _of_torch("deterministic mode", "get_deterministic_debug_mode", "set_deterministic_debug_mode", 0),
    _of_torch("recording of gradients", "is_grad_enabled", "set_grad_enabled", True),
    _Knob(
        words="JAX's 64-bit mode",
        module="jax",
        read=lambda jax: bool(jax.config.jax_enable_x64),
        write=lambda jax, value: jax.config.update("jax_enable_x64", value),
        usual=False,
    ),
    _Knob(
        words="NumPy's error handling",
        module="numpy",
        read=lambda numpy: numpy.geterr(),
        write=lambda numpy, value: numpy.seterr(**value),
        numbers=False,
    ),
    _Knob(
        words="the working directory",
        module="os",
        read=lambda _: os.getcwd(),
        write=lambda _, value: os.chdir(value),
        numbers=False,
    ),
)
_ACTIVE: ContextVar[Surroundings | None] = ContextVar("active", default=None)
_FRAMEWORKS = frozenset({"torch", "jax"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Global state of the process, or a part of it.

    Attributes
    ----------
    values : mapping of str to object
        Setting, in words, to its value as a builtin; settings that are not among them are left as they are.
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    def apply(self) -> None:
        """Make this the state of the process; only what differs is written."""
        for knob in _KNOBS if self.values else ():
            wanted = self.values.get(knob.words)
            if wanted is not None and knob.value() not in (None, wanted):
                knob.set(wanted)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Make this the state of the process for a while.

        Reading it all takes a fraction of a millisecond. Within another `around` of the same object, as for each call
        inside a check, nothing is read: that costs a microsecond.

        Yields
        ------
        None
        """
        if _ACTIVE.get() is self or not self.values:
            yield
            return
        before, token = current(), _ACTIVE.set(self)
        self.apply()
        try:
            yield
        finally:
            _ACTIVE.reset(token)
            before.apply()

    def changed_from(self, clean: Surroundings) -> dict[str, Any]:
        """Say what differs from another state.

        Parameters
        ----------
        clean : Surroundings
            The other state.

        Returns
        -------
        dict of str to object
            Setting to its value here; a setting that `clean` does not know differs where it is not the framework's own.
        """
        return {
            knob.words: self.values[knob.words]
            for knob in _KNOBS
            if knob.words in self.values
            and self.values[knob.words] != clean.values.get(knob.words, knob.usual or self.values[knob.words])
        }

    def parts(self, clean: Surroundings) -> list[tuple[str, str]]:
        """Describe the state for a fingerprint.

        Parameters
        ----------
        clean : Surroundings
            The state before any model was loaded.

        Returns
        -------
        list of (str, str)
            Settings on which results depend and that are not the framework's own; of those that the machine decides,
            such as the number of threads, what differs from `clean`. Empty for a model that leaves all as it is.
        """
        changed = self.changed_from(clean)
        return [
            (knob.words, str(self.values[knob.words]))
            for knob in _KNOBS
            if knob.numbers
            and knob.words in self.values
            and (knob.words in changed if knob.usual is None else self.values[knob.words] != knob.usual)
        ]


def current() -> Surroundings:
    """Read the state of the process.

    Returns
    -------
    Surroundings
        Of the frameworks that are loaded.
    """
    found = {knob.words: knob.value() for knob in _KNOBS}
    return Surroundings({words: value for words, value in found.items() if value is not None})


def surroundings_of(model: Any) -> Surroundings:
    """Give the state under which a model runs.

    Parameters
    ----------
    model : Model
        Any model.

    Returns
    -------
    Surroundings
        That after its loading; an empty one for a model that was not loaded from a spec.
    """
    found: Surroundings = getattr(model, "surroundings", Surroundings())
    return found


class Watch:
    """The state at the start, and that of each framework as its import left it.

    A finder on ``sys.meta_path`` sees a framework at the end of its import, before a user's code can set anything.
    """

    def __init__(self) -> None:
        self._values = dict(current().values)

    @property
    def clean(self) -> Surroundings:
        """What holds where no model set anything."""
        return Surroundings(dict(self._values))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a framework as the finders behind this one do, and look at it once it is imported."""
        if name not in _FRAMEWORKS:
            return None
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :] if self in sys.meta_path else []
        found = (finder.find_spec(name, path, target) for finder in behind if hasattr(finder, "find_spec"))
        spec: Any = next((spec for spec in found if spec is not None), None)
        execute = getattr(getattr(spec, "loader", None), "exec_module", None)
        if execute is None:
            return spec

        def exec_module(module: Any) -> None:
            execute(module)
            self._values |= {words: value for words, value in current().values.items() if words not in self._values}

        with suppress(AttributeError):  # a loader without a dictionary
            spec.loader.exec_module = exec_module
        return spec


@contextmanager
def restored() -> Iterator[Watch]:
    """Leave the state of the process as it was, whatever happens inside.

    Yields
    ------
    Watch
        What is restored.
    """
    watch, token = Watch(), _ACTIVE.set(None)
    sys.meta_path.insert(0, watch)
    try:
        yield watch
    finally:
        _ACTIVE.reset(token)
        if watch in sys.meta_path:
            sys.meta_path.remove(watch)
        watch.clean.apply()
