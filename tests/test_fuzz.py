"""Any text as SPEC, as TOML or as an option: a valid result, or one line that says what is wrong, and soon.

A hundred cases each; many more with ``pytest tests/test_fuzz.py --hypothesis-profile=deep``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import TABLE, chosen_protocol
from pytest_mlff.gate.limits import check_tables, overrides
from pytest_mlff.gnn.composition import load_composition
from pytest_mlff.models.load import load_model
from pytest_mlff.models.origin import canonical_arguments
from pytest_mlff.models.spec import parse_spec
from pytest_mlff.settings import OPTIONS, check_folder, read_config, validate_config
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.verdict.overrides import tolerances

LONGEST_S = 20.0  # none takes a tenth of a second on an idle machine
LONGEST_LINE = 1500

KNOWN = check_tables()


@contextmanager
def one_line_or_nothing() -> Iterator[None]:
    """Whatever is refused is refused in one printable line of sensible length, and nothing takes long."""
    start = time.perf_counter()
    try:
        yield
    except (SpecError, argparse.ArgumentTypeError) as error:
        said = str(error)
        assert len(said.splitlines()) == 1
        assert said.isprintable()
        assert len(said) < LONGEST_LINE
    assert time.perf_counter() - start < LONGEST_S


pieces = st.sampled_from(
    [
        *"ase.calculators.lj LennardJones mace gnn builtin rc=8.5 .py /dev/zero .. True".split(),
        *"lambda:0 f'{1}' 1e999 1j **".split(),
        *":()[{,=./'\"-~ \0\ud800\N{RIGHT-TO-LEFT OVERRIDE}",
        *("0x" + "f" * 6000, "9" * 5000, "*" * 300, "__import__('os')", "not ", "\x1b[2J", "\r\n"),
    ]
)
specs = st.text() | st.lists(pieces | st.text(max_size=3), max_size=12).map("".join)
calls = st.lists(pieces, max_size=6).map(lambda parts: f"m:f({''.join(parts)})")


@given(specs | calls)
@example("m:f(0x" + "f" * 6000 + ")")
@example("m:f(x=" + "-" * 3000 + "1)")
@example("m:f(x=a" + ".b" * 3000 + ")")
@example("m:f(" + "[" * 150 + "0x" + "f" * 6000 + "]" * 150 + ")")
@example("m:" + "a." * 5000 + "b")
def test_any_text_is_a_spec_or_one_line(text: str) -> None:
    with one_line_or_nothing():
        canonical_arguments(parse_spec(text, ecosystems=("mace",)))


@given(specs.filter(lambda text: "import" not in text))
@example("/dev/zero")
@example("/dev/null:x")
@example("gnn:/dev/zero")
@example("gnn:" + "x" * 5000)
@example("~nobody-of-this-name/x.py")
@example("x" * 300 + "/y.py")
@example("\0.py")
@example("a" * 5000 + ":b")
@example("ase.calculators." + "a" * 5000 + ":b")
def test_any_text_is_a_model_or_one_line(text: str) -> None:
    with one_line_or_nothing():
        load_model(text)


values = st.recursive(
    st.sampled_from(["1", "-1", "0", "1.5", "inf", "nan", "true", "'ci'", '"a\\nb"', "1979-05-27", "07:32:00", "1e308"])
    | st.sampled_from(["9" * 5000, "0x" + "f" * 5000, "9" * 400, "1e-400", "'\x1b'", '"\\u202e"', "''"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]") | inner.map("{{ a = {} }}".format)
    ),
    max_leaves=5,
)
keys = st.sampled_from(
    [
        *"replicas looks state_points steps configurations max_ms_per_call rdf cutoff runs seed hidden layers".split(),
        *'system epochs run mlff species a.b.c "a\\nb" "" "\\u0000"'.split(),
        "x" * 300,
    ]
)
tables = st.sampled_from(
    "[check.liquid] [check.solid] [check.forces] [check] [liquid] [tolerances] [tool.mlff] [[run]] [training] "
    '[network] ["\\n"] [check.liquids] [a [[check.liquid]] [check.liquid.limits]'.split()
)
lines = tables | st.builds("{} = {}".format, keys, values) | st.text(max_size=5)
tomls = st.lists(lines, max_size=8).map("\n".join)


def whole_run(path: Path) -> None:
    """What a run does with its configuration before any model."""
    config, _ = read_config(path, known=KNOWN)
    tolerances(TABLE, overrides(config))
    for name in PROTOCOLS:
        chosen_protocol(name, config)


def recipe(path: Path) -> object:
    pytest.importorskip("torch")
    from pytest_mlff.gnn.recipe import load_recipe

    return load_recipe(str(path), configurations=10)


READERS: dict[str, Callable[[Path], object]] = {
    "pyproject.toml": whole_run,
    "gate.toml": whole_run,
    "recipe.toml": recipe,
    "composition.toml": load_composition,
}
NASTY = {
    "deep lists": "a = " + "[" * 10_000 + "]" * 10_000,
    "deep tables": "a = " + "{a=" * 10_000 + "1" + "}" * 10_000,
    "deep names": "[" + ".".join("a" * 10_000) + "]",
    "digits": "[check.liquid]\nreplicas = " + "9" * 5000,
    "hexadecimal": "[check.liquid]\nreplicas = 0x" + "f" * 5000,
    "a tolerance of many digits": "[check.liquid.limits]\nrdf = " + "9" * 400,
    "looks of many digits": "[check.liquid]\nlooks = [1160, " + "9" * 30 + "]",
    "a long key": "[check.liquid]\n" + "x" * 100_000 + " = 1",
    "a null byte": "a = '\0'",
    "a carriage return": "a = 1\rb = 2",
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_toml_that_was_made_to_break_a_parser(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    with one_line_or_nothing():
        READERS[name](path)


@pytest.mark.parametrize("name", READERS)
def test_any_toml_is_a_configuration_or_one_line(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name

    @given(st.binary(max_size=50) | tomls.map(lambda text: text.encode("utf-8", "surrogatepass")))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        with one_line_or_nothing():
            READERS[name](path)

    read()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "nothing", "a long name", "no name", "large"])
def test_what_is_no_regular_file(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind in ("device", "loop"):
        path.symlink_to("/dev/zero" if kind == "device" else path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as stream:
            stream.truncate(2**40)  # takes no room on the disk
    places = {"a long name": tmp_path / ("x" * 300) / name, "no name": Path(f"{tmp_path}/\0{name}")}
    start, refused = time.perf_counter(), False
    try:
        READERS[name](places.get(kind, path))
    except SpecError as error:
        refused = len(str(error).splitlines()) == 1
    assert refused
    assert time.perf_counter() - start < LONGEST_S


plain: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.builds(lambda: 10**5000)
    | st.builds(lambda: -(10**400)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["liquid", "solid", "speed"]) | st.text(), plain, max_size=3).map(
        lambda checks: {"check": checks}
    )
    | st.dictionaries(st.sampled_from(["check", "liquid", "tolerances", "speed"]) | st.text(), plain, max_size=3)
)
def test_any_tables_are_a_configuration_or_one_line(content: dict[str, Any]) -> None:
    with one_line_or_nothing():
        config = validate_config(content, where="here", known=KNOWN)
        tolerances(TABLE, overrides(config))
        for name in PROTOCOLS:
            chosen_protocol(name, config)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_any_text_is_an_option_or_one_line(option: Any) -> None:
    digits = st.text("0123456789hms.:cuda٣² ", max_size=20)

    @given(st.text() | digits | st.just("9" * 10_000 + "h") | st.just("x" * 10_000) | st.just("\x1b[2J\n"))
    def read(text: str) -> None:
        with one_line_or_nothing():
            option.read(text, option.flag)

    read()


@given(st.text(max_size=400).filter(lambda text: "/" not in text))
@example("x" * 300)
@example("\0")
@example("\ud800")
def test_any_name_of_a_folder_is_used_or_refused_in_one_line(tmp_path_factory: Any, name: str) -> None:
    with one_line_or_nothing():
        check_folder(tmp_path_factory.getbasetemp() / "fuzzed" / name, "--mlff-cache-dir")
