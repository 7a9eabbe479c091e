"""Specs that cannot be used: each is answered by one line that says what was tried and what would work."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.errors import SpecError
from pytest_mlff.models.load import load_model

Write = Callable[..., Path]


def refusal(spec: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_model(spec)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("numpi:Foo()", "there is no module 'numpi' (did you mean 'numpy'?), nor an installed ecosystem of that name"),
        ("ase.calculatorz.lj:LennardJones()", "there is no module 'ase.calculatorz' (did you mean 'calculators' or "),
        ("ase.calculators.lx:LennardJones()", "there is no module 'ase.calculators.lx' (did you mean 'lj'?)"),
        ("ase.calculators.lj.more:X()", "'ase.calculators.lj' is a module, not a package"),
        ("ase.calculators.lj:LennardJonez()", "has no 'LennardJonez' (did you mean 'LennardJones'?)"),
        ("ase.calculators.lj:lennardjones()", "has no 'lennardjones' (did you mean 'LennardJones'?)"),
        ("ase.calculators.lj:LennardJones.of()", "LennardJones has no 'of'"),
        ("ase.calculators.lj:LennardJones(cutoff=8.5)", "does not take the argument 'cutoff', it would be"),
        ("ase.calculators.lj:LennardJones(sigme=3.4)", "'sigme' (did you mean 'sigma'?), it would be ignored; "),
        ("ase.calculators.lj:LennardJones(sigme=3.4)", "takes: epsilon, sigma, rc, ro, smooth"),
        ("ase.calculators.lj:LennardJones(3.4)", "does not take these arguments: too many positional"),
        ("ase.calculators.tip3p:TIP3P(cutoff=3)", "not take the argument 'cutoff'; TIP3P takes: rc, width"),
        ("ase.calculators.emt:EMT()", "(NotImplementedError: No EMT-potential for Ar at /"),
        ("math:pi", "pi is 3.14159"),
        ("math:pi()", "cannot be called"),
        ("sys:version", "an object of type str, not an ASE calculator"),
        ("sys:nothing", "module 'sys' has no 'nothing' (it has: "),
        ("json:dumps", "cannot be called without arguments: missing a required argument: 'obj'"),
        ("json:dumps(1)", "dumps(...) returned an object of type str, not an ASE calculator"),
        ("json:decoder", "is the module 'json.decoder', not an ASE calculator"),
        ("ase:Atoms('Ar')", "returned an object of type ase.atoms.Atoms, not an ASE calculator"),
        ("json:loads('[')", "loads(...) raised JSONDecodeError: Expecting value"),
        ("nowhere/model.pt", "there is no file or folder nowhere/model.pt in /"),
        ("/nowhere/model.pt", "there is no file or folder /nowhere/model.pt; a spec is a path"),
        ("nowhere/calc.py:x", "there is no file nowhere/calc.py in /"),
        ("ase.calculators.lj.LennardJones(rc=8.5)", "mean 'ase.calculators.lj:LennardJones(rc=8.5)'?"),
        ("ase.calculators.lj", "did you mean 'ase.calculators.lj:NAME'?"),
        ("x" * 5000, "there is no file or folder xxx"),
        ("x" * 5000 + ".py", "there is no file xxx"),
    ],
)
def test_refusals(spec: str, said: str) -> None:
    message = refusal(spec)
    assert said in message
    assert message.startswith(("model '", 'model "'))


def test_a_file_of_unknown_kind(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"\x80\x04what is this")
    message = refusal(str(path))
    assert "this file's kind is not known: no installed ecosystem recognises it (installed: " in message
    assert "ecosystem:path" in message
    (tmp_path / "x.py").mkdir()
    assert "there is a folder, not a file," in refusal(f"{tmp_path}/x.py")


def test_a_module_that_is_a_file_here(user_module: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = user_module("sub.mycalc2")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in (str(path.parent.parent), "")])
    monkeypatch.chdir(path.parent.parent)
    assert "there is a file sub/mycalc2.py; write sub/mycalc2.py:name" in refusal("sub.mycalc2:Spring()")


def test_what_a_users_import_raises_is_told_with_its_place(user_module: Write) -> None:
    path = user_module("mod6", "\ndef check():\n    raise OSError('no\\nweights')\n\ncheck()\n")
    place = f"({path}:{len(path.read_text().splitlines()) - 2} in check)"
    assert refusal("mod6:Spring()").endswith(f"importing 'mod6' raised OSError: no weights {place}")
    assert refusal(str(path)).endswith(f"running {path} raised OSError: no weights {place}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import mlff_not_there", "raised ModuleNotFoundError: No module named 'mlff_not_there'"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("raise ValueError", "raised ValueError ("),
    ],
)
def test_imports_that_fail(source: str, said: str, user_module: Write) -> None:
    path = user_module("mod7", f"\n{source}\n")
    last = len(path.read_text().splitlines())
    assert f"{said}" in refusal("mod7:Spring()")
    assert refusal(str(path)).endswith(f"({path}:{last})")
    left = [name for name in sys.modules if name.startswith("_mlff_model")]
    assert str(path) not in [sys.modules[name].__file__ for name in left]


def test_the_place_is_in_the_users_code_not_in_the_library_below(user_module: Write) -> None:
    path = user_module("mod8", "import json\ndef make():\n    return json.loads('[')\n")
    last = len(path.read_text().splitlines())
    assert refusal("mod8:make()").endswith(f"({path}:{last} in make)")


def test_a_type_error_about_arguments_lists_those_it_takes(user_module: Write) -> None:
    user_module("mod9", "def make(stiffness=1.0, **more): return Spring(stiffness, **more)\n")
    message = refusal("mod9:make(stifness=2.0)")
    assert "raised TypeError: " in message
    assert "unexpected keyword argument 'stifness'" in message
    assert message.endswith("; make takes: stiffness")


def test_keywords_swallowed_by_a_base_class(user_module: Write) -> None:
    source = """
class Net(Calculator):
    implemented_properties = ["forces"]
    def __init__(self, model="small", device="cpu", **kwargs):
        super().__init__(**kwargs)
    def calculate(self, atoms=None, properties=(), system_changes=()):
        self.results = {"forces": -0.1 * atoms.positions}
class Free(Net):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.depth = self.parameters.get("depth", 1)
class Popped(Net):
    default_parameters = {"depth": 1}
    def __init__(self, **kwargs):
        self.width = kwargs.pop("width")
        super().__init__(**kwargs)
"""
    user_module("mod10", source)
    assert "'devise' (did you mean 'device'?), it would be ignored; Net takes: model, device" in refusal(
        "mod10:Net(devise='x')"
    )
    assert load_model("mod10:Net(label='x')").calculator.label == "x"  # ASE's own argument
    assert load_model("mod10:Free(depth=4)").calculator.depth == 4  # read from the parameters: used
    assert load_model("mod10:Popped(width=4, depth=2)").calculator.width == 4
    assert "'height'" in refusal("mod10:Popped(width=4, height=2)")


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (
            "return -0.0102 * (positions - 11)",
            "batch_forces disagrees with get_forces by 0.0022 eV/Å where the",
        ),
        ("return -0.01 * (positions[::-1] - 11)", "batch_forces disagrees with get_forces by "),
        (
            "return -0.01 * (positions[0] - 11)",
            "batch_forces: the model's forces have shape (32, 3) and type float64; expected (2, 32, 3) real",
        ),
        ("return np.full_like(positions, np.nan)", "batch_forces disagrees with get_forces by nan"),
        ("raise OSError('no room')", "batch_forces(positions, numbers, cell) raised OSError: no room ("),
    ],
)
def test_a_batched_call_that_is_not_the_calculator(offer: str, said: str, user_module: Write) -> None:
    source = f"class Rich(Spring):\n    def batch_forces(self, positions, numbers, cell):\n        {offer}\n"
    user_module("mod14", source)
    assert said in refusal("mod14:Rich()")


def test_a_native_force_that_is_not_the_calculator(user_module: Write) -> None:
    source = """
from pytest_mlff.potentials import LennardJones, lennard_jones
class Other(LennardJones):
    def openmm_force(self, n_atoms):
        return lennard_jones(epsilon=1.01 * self.epsilon, cutoff=self.cutoff).openmm_force(n_atoms)
class Short(LennardJones):
    def openmm_force(self, n_atoms):
        return super().openmm_force(n_atoms - 1)
"""
    user_module("mod15", source)
    arguments = "(epsilon=0.0103, sigma=3.4, cutoff=8.5)"
    assert "openmm_force disagrees with get_forces by " in refusal(f"mod15:Other{arguments}")
    assert "openmm_force(n_atoms) raised OpenMMException: " in refusal(f"mod15:Short{arguments}")
    wide = "(epsilon=0.0103, sigma=3.4, cutoff=12.0)"  # too long for the probe's cell
    assert "openmm_force disagrees with get_forces by " in refusal(f"mod15:Other{wide}")


def test_noise_does_not_excuse_an_offer_of_other_forces(user_module: Write) -> None:
    source = """
class Noisy(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] += 1e-9 * np.random.default_rng().normal(size=(len(self.atoms), 3))
    def batch_forces(self, positions, numbers, cell):
        return -0.0102 * (positions - 11)
    def openmm_force(self, n_atoms):
        raise NotImplementedError
"""
    user_module("mod16", source)
    assert "batch_forces disagrees with get_forces by 0.0022 eV" in refusal("mod16:Noisy()")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("heavy.inner.deep:Nett()", "module 'heavy.inner.deep' has no 'Nett' (did you mean 'Net'?)"),
        ("heavy.inner.dip:Net()", "there is no module 'heavy.inner.dip' (did you mean 'deep'?)"),
        ("heavy.iner:Net()", "there is no module 'heavy.iner' (did you mean 'inner'?)"),
        ("heavy:inter", "module 'heavy' has no 'inter'"),
    ],
)
def test_a_mistyped_name_is_answered_without_importing(spec: str, said: str, tmp_path: Path) -> None:
    deep = tmp_path / "heavy" / "inner" / "deep.py"
    deep.parent.mkdir(parents=True)
    for init in (tmp_path / "heavy" / "__init__.py", deep.parent / "__init__.py"):
        init.write_text("raise RuntimeError('minutes of importing')")
    deep.write_text("import heavy\nclass Net: pass\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from pytest_mlff.errors import SpecError
from pytest_mlff.models.load import load_model
try:
    load_model({spec!r})
except SpecError as error:
    print(error)
print(sorted({{"numpy", "ase", "openmm", "xarray", "heavy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in done.stdout
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize(
    "body",
    [
        "from mod11_base import *",
        "def __getattr__(name): return getattr(__import__('mod11_base'), name)",
        "import mod11_base\nglobals().update(vars(mod11_base))",
        "import sys, mod11_base\nsys.modules[__name__].Made = mod11_base.Made",
        "import mod11_base\nvars()['Made'] = mod11_base.Made",
        "try:\n    from mod11_base import Made\nexcept ImportError:\n    pass",
        "import mod11_base\nif True:\n    Made = mod11_base.Made",
        "import mod11_base\nfor Made in [mod11_base.Made]:\n    pass",
        "import mod11_base\ndef make():\n    global Made\n    Made = mod11_base.Made\nmake()",
    ],
)
def test_names_that_appear_only_at_import_are_found(body: str, user_module: Write, tmp_path: Path) -> None:
    user_module("mod11_base", "class Made(Spring): pass\n")
    (tmp_path / "mod11.py").write_text(body)
    assert type(load_model("mod11:Made()").calculator).__name__ == "Made"


def test_a_submodule_is_an_attribute_once_it_is_imported(user_module: Write, tmp_path: Path) -> None:
    user_module("pack12.deep")
    (tmp_path / "pack12" / "__init__.py").write_text("import pack12.deep\n")
    assert type(load_model("pack12:deep.Spring()").calculator).__name__ == "Spring"


def test_a_package_without_init_files(user_module: Write, tmp_path: Path) -> None:
    user_module("pack13.middle.deep")
    (tmp_path / "pack13" / "__init__.py").write_text("")
    assert type(load_model("pack13.middle.deep:Spring()").calculator).__name__ == "Spring"


@given(st.text(max_size=30).filter(lambda text: ":" not in text and not text.strip().endswith(".py")))
def test_garbage_without_a_colon_is_refused(text: str) -> None:
    refusal(text)


@pytest.mark.parametrize("escape", ["importorskip('no_such_network')", "skip('x')", "exit('x')"])
@pytest.mark.parametrize("when", ["import", "call", "forces"])
def test_what_leaves_a_test_does_not_leave_the_loader(user_module: Write, escape: str, when: str) -> None:
    """They are no ``Exception``; pytest would end with an internal error."""
    lines = {name: f"pytest.{escape}" if name == when else "pass" for name in ("import", "call", "forces")}
    source = f"""
import pytest

{lines["import"]}


class Model:
    def get_forces(self, atoms):
        {lines["forces"]}
        return 0 * atoms.positions


def calculator():
    {lines["call"]}
    return Model()
"""
    try:
        assert refusal(str(user_module("calc", source)))
    except pytest.skip.Exception:  # it would skip this test
        pytest.fail("left the loader")
