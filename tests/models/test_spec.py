"""Reading specs: the four forms, their order, literal arguments, and what cannot be read."""

import keyword
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.errors import SpecError
from pytest_mlff.models.spec import ParsedSpec, fit_for_ids, parse_spec
from pytest_mlff.settings.names import one_line


def parse(text: str, *ecosystems: str) -> ParsedSpec:
    return parse_spec(text, ecosystems=ecosystems)


@pytest.mark.parametrize(
    ("text", "kind", "target", "attribute", "called"),
    [
        ("model-b.pt", "path", "model-b.pt", "", False),
        ("/a folder/run 1/model.pt", "path", "/a folder/run 1/model.pt", "", False),
        ("/runs/12:30/model.pt", "path", "/runs/12:30/model.pt", "", False),
        ("a.b:c", "module", "a.b", "c", False),
        ("a.b:c()", "module", "a.b", "c", True),
        ("a.b:Class.make(x=1)", "module", "a.b", "Class.make", True),
        (" a.b : c ( ) ", "module", "a.b", "c", True),
        ("calc.py", "file", "calc.py", "calculator", False),
        ("dir/calc.py:soft", "file", "dir/calc.py", "soft", False),
        ("dir(1)/calc.py:soft(2)", "file", "dir(1)/calc.py", "soft", True),
        ("/runs/12:30/calc.py:soft", "file", "/runs/12:30/calc.py", "soft", False),
        ("/runs/12:30/calc.py", "path", "/runs/12:30/calc.py", "", False),
        ("C:\\runs\\best.pt", "path", "C:\\runs\\best.pt", "", False),
        ("D:/runs/calc.py", "file", "D:/runs/calc.py", "calculator", False),
        ("C:\\runs\\calc.py:soft(2)", "file", "C:\\runs\\calc.py", "soft", True),
        ("c:soft", "module", "c", "soft", False),
    ],
)
def test_forms(text: str, kind: str, target: str, attribute: str, called: bool) -> None:
    spec = parse(text)
    assert (spec.kind, spec.target, spec.attribute, spec.called) == (kind, target, attribute, called)
    assert spec.text == text


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("~/model.pt", "/home/me/model.pt"),
        ("gnn:~/x.pt", "/home/me/x.pt"),
        ("~/calc.py:name", "/home/me/calc.py"),
        ("~/12:30/calc.py:soft(2)", "/home/me/12:30/calc.py"),
        ("gnn:a~b.pt", "a~b.pt"),
        ("runs/~/x.pt", "runs/~/x.pt"),
    ],
)
def test_the_home_folder_is_found_without_a_shell(text: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert parse(text, "gnn").target == target


@pytest.mark.parametrize("text", ["~no-such-user/model.pt", "~\0/x.pt"])
def test_the_home_of_nobody_is_one_line(text: str) -> None:
    with pytest.raises(SpecError, match="there is no such home folder") as caught:
        parse(text)
    assert len(str(caught.value).splitlines()) == 1


def test_an_installed_ecosystem_wins_over_a_module_of_its_name() -> None:
    assert parse("a.b:c").kind == "module"
    spec = parse("a.b:c", "a.b")
    assert (spec.kind, spec.ecosystem, spec.target) == ("ecosystem", "a.b", "c")


def test_what_follows_an_ecosystem_is_kept_as_it_is() -> None:
    assert parse("mace:runs/12:30/a (1).model", "mace").target == "runs/12:30/a (1).model"


def test_a_py_file_wins_over_an_ecosystem_of_its_name() -> None:
    assert parse("calc.py:x", "calc.py").kind == "file"


def test_the_names_of_installed_ecosystems_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mlff.models.registry.installed_ecosystems", lambda: {"own": None})
    assert parse_spec("own:x").kind == "ecosystem"


def test_literal_arguments() -> None:
    text = """m:f(1, -2.5e-3, 'a,b)(', key={'x': [1, (2, None)], "y": {True}}, path=r"\\d", z=-1+2j)"""
    spec = parse(text)
    assert spec.args == (1, -2.5e-3, "a,b)(")
    assert spec.keywords == (
        ("key", {"x": [1, (2, None)], "y": {True}}),
        ("path", r"\d"),
        ("z", -1 + 2j),
    )


def test_an_unknown_escape_in_a_string_is_no_warning() -> None:
    assert parse(r"m:f('\d')").args == (r"\d",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("m:", "no name follows"),
        ("calc.py:", "no name follows"),
        ("m:f(", "never closed"),
        ("m:f(a=)", "cannot be read"),
        ("m:f(a=1))", "cannot be read"),
        ("m:f(1, a=2, 3)", "cannot be read"),
        ("m:f()()", "not a name or a call of a name"),
        ("m:f[0](1)", "not a name or a call of a name"),
        ("m:1", "not a name"),
        ("m:f(a=1, a=2)", "'a' is given twice"),
        ("m:f(**{'a': 1})", "'**'"),
        ("m:f(*[1])", "argument 1 (*[1]) is not a literal"),
        ("m:f(a=pi)", "did you mean 'pi' in quotes"),
        (
            "m:f(a=__import__('os').system('true'))",
            "argument 'a' (__import__('os').system('true')) is not a lit",
        ),
        ("m:f(a=2**9)", "argument 'a' (2 ** 9) is not a literal"),
        ("m:f(a={[]: 1})", "is not a literal"),
        ("m:f(\0)", "cannot be read"),
        ("m:" + "(" * 5000, "cannot be read"),
        ("m:f(" + "-" * 20000 + "1)", "m:f(---"),
        ("mace:dir/model.pt", "'mace' is not an installed ecosystem (installed: chg, orb)"),
        ("chg:", "give chg:path-or-name"),
    ],
)
def test_bad_specs_are_one_line(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, "orb", "chg")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("runs/model b[2].pt", "model-b-2"),
        ("ase.calculators.lj:LennardJones(sigma=3.4)", "LennardJones"),
        ("a.b:Class.make", "Class.make"),
        ("dir/my_calc.py", "my_calc"),
        ("dir/my_calc.py:calculator", "my_calc"),
        ("dir/my_calc.py:soft", "soft"),
        ("mace:a/b.model", "b"),
        ("mace:medium", "medium"),
        ("...", "model"),
        ("runs/" + "x" * 300 + ".pt", "x" * 80),
        ("calc.py:" + "x" * 79 + "_" * 3, "x" * 79 + "_"),
        ("mace:" + "x" * 79 + "-y", "x" * 79),
    ],
)
def test_names_are_short_and_fit_for_ids(text: str, name: str) -> None:
    assert parse(text, "mace").name == name


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.text(string.ascii_letters + "_", min_size=1, max_size=6).filter(lambda s: not keyword.iskeyword(s))


@given(st.lists(literals, max_size=3), st.dictionaries(names, literals, max_size=3))
def test_literals_come_back_as_they_were(args: list[Any], keywords: dict[str, Any]) -> None:
    written = [repr(value) for value in args] + [f"{key}={value!r}" for key, value in keywords.items()]
    spec = parse(f"package.module:call({', '.join(written)})")
    assert list(spec.args) == args
    assert dict(spec.keywords) == keywords
    assert repr((list(spec.args), dict(spec.keywords))) == repr((args, keywords))  # 1 is not True, 0.0 not -0.0


@given(st.text() | st.builds("m:f({})".format, st.text()) | st.builds("a.py:{}".format, st.text()))
def test_garbage_is_a_spec_or_a_spec_error(text: str) -> None:
    said = ""
    try:
        spec = parse(text, "mace")
    except SpecError as error:
        said = str(error)
    if said:
        assert len(said.splitlines()) == 1
    else:
        assert spec.text == text
        assert not set(spec.name) - set(string.ascii_letters + string.digits + "._-")


@given(st.text())
def test_names_are_stable_and_clean(text: str) -> None:
    name = fit_for_ids(text)
    assert name
    assert fit_for_ids(name) == name
    assert not set(name) - set(string.ascii_letters + string.digits + "._-")


def test_long_texts_are_cut() -> None:
    assert one_line("a\n  b") == "a b"
    assert one_line("x" * 50, 10) == "xxxxxxx..."
