"""The docstrings of the published API are whole: parameters, types, returns and sections, as numpydoc validates them.

Published is what the pages name: by its dotted name, in an import of an example, or in a spec.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numpydoc.validate import validate

from pytest_mlff.mutants import MUTANTS, wrapped

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text("utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}

IGNORED = {
    "ES01",  # an extended summary: where one line says it all, there is none
    "EX01",  # examples stand on the pages, and are run there
    "SA01",  # "See Also"
    "SS05",  # takes plurals for verbs in the third person
}


WRAPPED = [
    name for name, thing in vars(wrapped).items() if inspect.isfunction(thing) and thing.__module__ == wrapped.__name__
]


def named(page: str) -> Iterator[str]:
    """Dotted names of this package on a page, with a colon where it is a spec."""
    text = PAGES[page]
    yield from re.findall(r"pytest_mlff(?:[.:]\w+)+", text)
    for module, names in re.findall(r"from (pytest_mlff[\w.]*) import (\w+(?:, \w+)*)", text):
        yield from (f"{module}.{name}" for name in names.split(", "))
    if page == "fixtures.md":
        yield from (f"pytest_mlff.analysis.{name}" for name in re.findall(r"`(\w+\.\w+)`", text))
        yield from (f"pytest_mlff.plugin.{name}" for name in re.findall(r"^\| `(mlff_\w+)`", text, flags=re.MULTILINE))


def found(name: str) -> Any:
    """What a dotted name stands for, or None."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return None


def published() -> list[str]:
    names = {name.replace(":", ".") for page in PAGES for name in named(page)}
    names |= {f"pytest_mlff.mutants.{name}" for name in MUTANTS}
    names |= {f"pytest_mlff.mutants.wrapped.{name}" for name in WRAPPED}
    return sorted(name for name in names if callable(found(name)))


def problems(name: str) -> list[str]:
    thing = found(name)
    # dataclasses document their fields as attributes, and what a fixture takes comes from pytest
    filled = dataclasses.is_dataclass(thing) or name.startswith("pytest_mlff.plugin.")
    ignored = IGNORED | {"PR01"} if filled else IGNORED
    return [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in ignored]


@pytest.mark.parametrize("name", published())
def test_a_published_docstring_is_whole(name):
    assert problems(name) == []


def test_what_the_pages_speak_of_is_found():
    names = set(published())
    wanted = "analysis.rdf.radial_distribution analysis.msd.self_diffusivity potentials.lennard_jones schema.Record"
    assert {f"pytest_mlff.{name}" for name in (*wanted.split(), "plugin.mlff_run")} <= names


def test_the_page_of_mutants_has_those_of_any_calculator():
    assert re.findall(r"^- \*\*`(\w+)\(spec, ", PAGES["mutants.md"], flags=re.MULTILINE) == WRAPPED


def test_a_docstring_that_is_not_whole_is_seen(monkeypatch):
    def noise(spec, size):
        """Smooth error

        Parameters
        ----------
        spec
            Of the calculator.
        """

    noise.__module__ = wrapped.__name__
    monkeypatch.setattr(wrapped, "noise", noise)
    codes = {problem[:4] for problem in problems("pytest_mlff.mutants.wrapped.noise")}
    assert {"SS03", "PR01", "PR04"} <= codes
