"""The probe: what it asks of a calculator, what it refuses, and the fingerprint of what came out."""

import re
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mlff import mutants
from pytest_mlff.errors import SpecError
from pytest_mlff.models.probe import PROBE_BOX, Probe, fingerprint, probe, probe_positions


def lennard_jones(**changes: float) -> LennardJones:
    return LennardJones(**{"sigma": 3.4, "epsilon": 0.0103, "rc": 8.5, **changes})


class Made(Calculator):
    """Returns what it is told to, for every configuration."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, **results: Any) -> None:
        super().__init__()
        self.told = results
        self.seen: list[np.ndarray] = []

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = ()) -> None:
        super().calculate(atoms, properties, system_changes)
        self.seen.append(atoms.positions.copy())
        told = {key: value(atoms) if callable(value) else value for key, value in self.told.items()}
        self.results = {"forces": -0.1 * atoms.positions, "energy": 0.0, "stress": np.zeros(6), **told}


def test_configurations_are_small_fixed_and_physical() -> None:
    shapes = [positions.shape for positions in probe_positions()]
    assert shapes == [(4, 3), (32, 3), (32, 3)]
    for positions in probe_positions():
        assert (positions >= 0).all()
        assert (positions < PROBE_BOX).all()
        np.testing.assert_allclose(positions * 1000, np.round(positions * 1000), atol=1e-9)
        delta = positions[:, None] - positions
        distance = np.linalg.norm(delta - PROBE_BOX * np.round(delta / PROBE_BOX), axis=-1)
        pairs = distance[np.triu_indices(len(positions), 1)]
        assert 3.2 < pairs.min() < 3.8
    for first, second in zip(probe_positions(), probe_positions(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_last_configuration_straddles_the_faces() -> None:
    liquid = probe_positions()[-1]
    assert (liquid.min(axis=0) < 1).all()
    assert (liquid.max(axis=0) > PROBE_BOX - 1).all()


def test_lennard_jones() -> None:
    found = probe(lennard_jones())
    assert found.provides == {"energy", "forces", "stress"}
    assert found.repeatable
    assert (found.dtype, found.device, found.notes) == ("float64", "cpu", ())
    # naive oracle: the four atoms, pair by pair
    atoms = probe_positions()[0]
    expected = np.zeros_like(atoms)
    for i in range(4):
        for j in range(4):
            if i != j:
                d = atoms[i] - atoms[j]
                r = np.linalg.norm(d)
                expected[i] += 24 * 0.0103 * (2 * (3.4 / r) ** 12 - (3.4 / r) ** 6) / r**2 * d
    np.testing.assert_allclose(found.forces[0], expected, rtol=1e-10)


def test_forces_only() -> None:
    calculator = Made()
    calculator.implemented_properties = ("forces",)
    assert probe(calculator).provides == {"forces"}


def test_energy_only_is_refused() -> None:
    calculator = Made()
    calculator.implemented_properties = ("energy", "free_energy")
    with pytest.raises(SpecError, match=r"^Made offers energy, free_energy, but no forces; the gate needs forces$"):
        probe(calculator)


def test_forces_refused_at_run_time() -> None:
    def refuse(atoms: Any) -> None:
        raise PropertyNotImplementedError("not today")

    with pytest.raises(SpecError, match=r"Made offers no forces \(not today\); the gate needs forces"):
        probe(Made(forces=refuse))


def test_a_calculator_without_argon() -> None:
    with pytest.raises(SpecError, match=r"EMT cannot .* 4 argon .*NotImplementedError: No EMT-potential for Ar"):
        probe(EMT())


@pytest.mark.parametrize(
    ("forces", "said"),
    [
        (np.zeros((7, 3)), r"for 4 argon atoms: .* shape \(7, 3\) and type float64; expected \(4, 3\)"),
        (np.zeros(12), r"shape \(12,\)"),
        (np.zeros((4, 3), complex), "type complex128"),
        (np.array([["a"] * 3] * 4), "type <U1"),
        (
            np.array([[0, 0, 0], [0, 0, 0], [0, np.nan, 0], [np.inf, 0, 0]]),
            "2 of 4 argon atoms .first: atom 2",
        ),
    ],
)
def test_bad_forces(forces: np.ndarray, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        probe(Made(forces=forces))


def test_forces_that_go_bad_in_a_later_configuration() -> None:
    with pytest.raises(SpecError, match="1 of 32 argon atoms"):
        probe(Made(forces=lambda atoms: np.where(np.arange(len(atoms))[:, None] == 20, np.nan, atoms.positions)))


def test_noise_is_not_repeatable_although_ase_keeps_results() -> None:
    rng = np.random.default_rng(1)
    noisy = probe(Made(forces=lambda atoms: rng.normal(size=atoms.positions.shape)))
    assert not noisy.repeatable
    assert probe(Made()).repeatable


@pytest.mark.parametrize("call", ["leaking_state(0.001)", "stale_list()"])
def test_what_is_left_over_from_the_call_before_is_not_repeatable(call: str) -> None:
    name, _, argument = call.rstrip(")").partition("(")
    calculator = getattr(mutants, name)(*([float(argument)] if argument else []))
    found = probe(calculator)
    assert not found.repeatable
    assert found.noise > 0.0


def test_the_probe_asks_for_six_configurations() -> None:
    calculator = Made()
    calculator.implemented_properties = ("forces",)
    probe(calculator)
    assert [len(positions) for positions in calculator.seen] == [4, 32, 32, 32, 4, 32]


def test_noise_in_the_last_bit_of_one_component_is_seen() -> None:
    count = iter(range(100))

    def forces(atoms: Any) -> np.ndarray:
        result = -0.1 * atoms.positions
        result[-1, -1] = np.nextafter(result[-1, -1], 9.0) if next(count) == 5 else result[-1, -1]
        return result

    assert not probe(Made(forces=forces)).repeatable


def test_advertised_but_unusable_properties_are_not_provided_and_named() -> None:
    def crash(atoms: Any) -> None:
        raise RuntimeError("no strain\nderivative")

    broken = Made(energy=np.nan, stress=np.full(6, np.inf))
    found = probe(broken)
    assert found.provides == {"forces"}
    assert found.listed == {"energy", "stress"}
    assert found.unusable == {
        "energy": "the model's energy is not finite",
        "stress": "the model's stress is not finite",
    }
    assert found.notes == tuple(f"{need} cannot be used: {why}" for need, why in found.unusable.items())
    assert probe(Made(energy=np.zeros(2), stress=np.zeros(3))).unusable == {
        "energy": "the model's energy has shape (2,) and type float64; expected one real number in eV",
        "stress": "the model's stress has shape (3,) and type float64; expected (6,) real numbers in eV/Å³",
    }
    stress = SimpleNamespace(
        implemented_properties=["forces", "stress"],
        get_forces=lambda atoms: -0.1 * atoms.positions,
        get_stress=crash,
    )
    (said,) = probe(stress).unusable.values()
    assert said.startswith("the model lists stress, but raises RuntimeError: no strain derivative at ")
    assert said.endswith(" in crash")


def test_without_a_list_of_properties_they_are_tried() -> None:
    old = SimpleNamespace(
        get_forces=lambda atoms: -0.1 * atoms.positions,
        get_potential_energy=lambda atoms, force_consistent=False: 1.0,
    )
    found = probe(old)
    assert found.provides == {"energy", "forces"}
    assert (found.notes, found.unusable) == ((), {})
    old.get_potential_energy = lambda atoms: [1.0, 2.0]
    found = probe(old)
    assert found.provides == {"forces"}
    assert found.listed == frozenset()
    assert "energy has shape (2,)" in found.unusable["energy"]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_an_energy_of_one_number_is_that_number(shape: tuple[int, ...]) -> None:
    assert "energy" in probe(Made(energy=np.full(shape, -1.0, dtype=np.float32))).provides


@pytest.mark.parametrize(
    ("error", "is_argon"),
    [
        (KeyError("Ar"), True),
        (KeyError(18), True),
        (IndexError("index 18 is out of bounds for axis 0 with size 10"), True),
        (ValueError("Atomic number 18 is not supported"), True),
        (ValueError("unknown chemical element"), True),
        (RuntimeError("element type not in the trained species"), True),
        (KeyError("weights"), False),
        (ValueError("setting an array element with a sequence"), False),
        (RuntimeError("element 0 of tensors does not require grad"), False),
        (OSError("no such file: model.pt"), False),
    ],
)
def test_only_what_speaks_of_the_element_is_laid_to_argon(error: Exception, is_argon: bool) -> None:
    def fail(atoms: Any) -> None:
        raise error

    with pytest.raises(SpecError) as caught:
        probe(Made(forces=fail))
    said = str(caught.value)
    assert ("must support Ar" in said) is is_argon
    assert re.search(rf"{type(error).__name__}: .* at {re.escape(__file__)}:\d+ in fail\)", said)


def test_zero_forces_are_noted() -> None:
    assert probe(LennardJones()).notes == ("all forces of the probe atoms are zero",)


def test_single_precision_shows() -> None:
    found = probe(Made(forces=lambda atoms: atoms.positions.astype(np.float32)))
    assert found.dtype == "float32"
    assert found.forces[0].dtype == np.float64


def test_type_and_device_of_a_torch_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        def parameters(self) -> list[Any]:
            return [
                SimpleNamespace(is_floating_point=lambda: False, dtype="torch.int64", device="cpu"),
                SimpleNamespace(is_floating_point=lambda: True, dtype="torch.float32", device="cuda:0"),
            ]

    torch = ModuleType("torch")
    torch.nn = SimpleNamespace(Module=Module)
    monkeypatch.setitem(sys.modules, "torch", torch)
    calculator = Made()
    calculator.models = [Module()]
    found = probe(calculator)
    assert (found.dtype, found.device) == ("float32", "cuda:0")


def test_fingerprint_changes_with_forces_and_parts() -> None:
    found = probe(lennard_jones())
    parts = [("file", "abc"), ("arguments", "x=1")]
    base = fingerprint(parts, found)
    assert len(base) == 64
    assert fingerprint(parts, probe(lennard_jones())) == base
    assert fingerprint([("file", "abd"), parts[1]], found) != base
    assert fingerprint([("file", "abc"), ("arguments", "x=2")], found) != base
    assert fingerprint(parts, probe(lennard_jones(epsilon=0.0103 * (1 + 1e-7)))) != base


probe_of_one_atom = Probe(
    provides=frozenset({"forces"}), repeatable=True, forces=(np.zeros((1, 3)),), dtype="float64", device="cpu"
)
pairs = st.lists(st.tuples(st.sampled_from(["a", "a=", "b", ""]), st.text("ab=:1\n", max_size=8)), max_size=3)


@example([("a", "b\nb=a")], [("a", "b"), ("b", "a")])
@example([("a=", "b")], [("a", "=b")])
@given(pairs, pairs)
def test_different_parts_never_run_together(one: list[tuple[str, str]], two: list[tuple[str, str]]) -> None:
    found = probe_of_one_atom
    assert (fingerprint(one, found) == fingerprint(two, found)) == (one == two)


def test_fingerprint_forgives_the_last_bits() -> None:
    found = probe(lennard_jones())
    nudged = replace(found, forces=tuple(np.nextafter(forces, np.inf) for forces in found.forces))
    assert fingerprint([], nudged) == fingerprint([], found)
    shifted = replace(found, forces=tuple(forces + 1e-6 * np.abs(forces).max() for forces in found.forces))
    assert fingerprint([], shifted) != fingerprint([], found)


def test_forces_that_do_not_repeat_are_left_out() -> None:
    found = replace(probe(lennard_jones()), repeatable=False)
    other = replace(probe(lennard_jones(epsilon=0.02)), repeatable=False)
    assert fingerprint([], found) == fingerprint([], other)
    assert fingerprint([], found) != fingerprint([], replace(found, repeatable=True))
