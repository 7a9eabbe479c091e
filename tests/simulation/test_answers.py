"""What a calculator may return, and what it may not."""

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.errors import ModelError
from pytest_mlff.simulation.answers import real_numbers
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

BAD = {
    "complex": (np.zeros((2, 3), complex), "shape (2, 3) and type complex128"),
    "strings": (np.full((2, 3), "1.0"), "shape (2, 3) and type <U3"),
    "objects": (np.full((2, 3), 1.0, dtype=object), "type ndarray"),
    "bool": (np.zeros((2, 3), bool), "type bool"),
    "nothing": (None, "shape () and type NoneType"),
    "ragged": ([[1.0], [1.0, 2.0]], "type list, of which NumPy makes no array (ValueError: "),
    "masked": (np.ma.masked_less(np.arange(6.0).reshape(2, 3), 2.0), "masked values"),
    "transposed": (np.zeros((3, 2)), "shape (3, 2)"),
    "one more": (np.zeros((3, 3)), "shape (3, 3)"),
    "a dimension more": (np.zeros((1, 2, 3)), "shape (1, 2, 3)"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_are_no_forces_is_refused(kind):
    answer, said = BAD[kind]
    with pytest.raises(ModelError) as caught:
        real_numbers(answer, "forces", (2, 3))
    assert said in str(caught.value)
    assert str(caught.value).startswith("the model's forces have ")
    assert str(caught.value).endswith("; expected (2, 3) real numbers in eV/Å")


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("way", ["get_forces", "batch_forces"])
def test_they_are_refused_at_every_call(kind, way):
    """Those of the probe were fine."""
    answers = iter([np.zeros((2, 3)), np.zeros((2, 3)), BAD[kind][0]])

    def call(atoms, *args, **kwargs):
        answer = next(answers)
        return answer[None] if way == "batch_forces" and isinstance(answer, np.ndarray) else answer

    forces = ModelForces(
        SimpleNamespace(name="m", calculator=SimpleNamespace(**{way: call})), ARGON, [18] * 2, 20.0 * np.eye(3)
    )
    positions = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 4.5]])
    forces(positions)
    forces(positions)
    with pytest.raises(
        ModelError, match=r"^m: the model's forces have .*\(force call 3, 2 atoms, shortest distance 3\.50"
    ) as caught:
        forces(positions)
    assert not caught.value.is_refusal
    np.testing.assert_array_equal(caught.value.images[0].positions, positions)


@pytest.mark.parametrize(
    "answer", [-1, -1.0, [-1.0], [[-1.0]], np.float32(-1), np.array(-1.0), np.array([-1], np.int8)]
)
def test_an_energy_of_one_number_is_that_number(answer):
    calculator = SimpleNamespace(get_potential_energy=lambda atoms: answer)
    energy = ModelForces(SimpleNamespace(name="m", calculator=calculator), ARGON, [18], 20.0 * np.eye(3)).energy(
        np.zeros((1, 3))
    )
    assert type(energy) is float
    assert energy == -1.0


def test_tensors_are_taken_wherever_they_come_from():
    torch = pytest.importorskip("torch")
    for tensor in (
        torch.ones(2, 3),
        torch.ones(2, 3, requires_grad=True),
        torch.ones(2, 3, dtype=torch.bfloat16),
        torch.ones(2, 3, dtype=torch.int32),
    ):
        np.testing.assert_array_equal(real_numbers(tensor, "forces", (2, 3)), np.ones((2, 3)))
    assert real_numbers(torch.ones(1, 1), "energy") == 1.0
    with pytest.raises(ModelError, match="complex64"):
        real_numbers(torch.ones(2, 3, dtype=torch.complex64), "forces", (2, 3))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.zeros(2), "energy has shape (2,) and type float64; expected one real number in eV"),
        (1.0 + 1e-9j, "type complex128"),
        ("-1.0", "type <U4"),
        (True, "type bool"),
        (None, "type NoneType"),
    ],
)
def test_what_is_no_energy_is_refused(answer, said):
    with pytest.raises(ModelError) as caught:
        real_numbers(answer, "energy")
    assert said in str(caught.value)


@pytest.mark.parametrize("shape", [(9,), (3,), (6, 1)])
def test_a_stress_of_another_shape_is_told(shape):
    """ASE asserts it without a word."""
    calculator = SimpleNamespace(get_stress=lambda atoms: np.zeros(shape))
    model = ModelForces(SimpleNamespace(name="m", calculator=calculator), ARGON, [18], 20.0 * np.eye(3))
    with pytest.raises(ModelError, match=r"stress has shape .* expected \(6,\) real numbers in eV/Å³"):
        model.stress(np.zeros((1, 3)))


def test_a_stress_may_come_as_a_matrix():
    matrix = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    for answer in (matrix, matrix.tolist(), np.arange(1.0, 7.0)):
        calculator = SimpleNamespace(get_stress=lambda atoms, answer=answer: answer)
        model = ModelForces(SimpleNamespace(name="m", calculator=calculator), ARGON, [18], 20.0 * np.eye(3))
        np.testing.assert_array_equal(model.stress(np.zeros((1, 3))), matrix)


def test_a_buffer_that_the_calculator_uses_again_is_copied():
    buffer = np.zeros((2, 3))

    def get_forces(atoms, **kwargs):
        buffer[:] = atoms.positions
        return buffer

    forces = ModelForces(
        SimpleNamespace(name="m", calculator=SimpleNamespace(get_forces=get_forces)), ARGON, [18] * 2, 20.0 * np.eye(3)
    )
    stack = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_array_equal(forces(stack), stack)
