"""The ASE calculator: the network's forces, folded, batched, and without a memory."""

import copy
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ase import Atoms  # noqa: E402
from ase.calculators.calculator import PropertyNotImplementedError  # noqa: E402

from pytest_mlff.errors import ObservableError, SpecError  # noqa: E402
from pytest_mlff.gnn.calculator import GnnCalculator  # noqa: E402
from pytest_mlff.gnn.checkpoint import Checkpoint  # noqa: E402
from pytest_mlff.gnn.edges import Edges  # noqa: E402
from pytest_mlff.gnn.graph import EdgeFinder  # noqa: E402
from pytest_mlff.gnn.inference import FoldedNetwork  # noqa: E402
from pytest_mlff.gnn.network import NetworkConfig, initialised  # noqa: E402

EDGE = 14.0


def checkpoint(**form) -> Checkpoint:
    config = NetworkConfig(**{"hidden": 16, "layers": 3, "cutoff": 5.0, **form})
    noise = torch.Generator().manual_seed(2)
    fresh = initialised(config, seed=1).state_dict()
    weights = {key: value + 0.1 * torch.randn(value.shape, generator=noise) for key, value in fresh.items()}
    return Checkpoint(network=config, weights=weights, force_scale=0.04)


@pytest.fixture
def argon(gas):
    def make(seed=0, n_atoms=40):
        return Atoms(["Ar"] * n_atoms, positions=gas(n_atoms, EDGE, seed=seed), cell=[EDGE] * 3, pbc=True)

    return make


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("smooth_cutoff", [True, False])
@pytest.mark.parametrize("species", [(18,), (10, 18)])
def test_forces_are_those_of_the_formulas(argon, literal, dtype, tolerance, layer_norm, smooth_cutoff, species):
    point = checkpoint(layer_norm=layer_norm, smooth_cutoff=smooth_cutoff, species=species)
    calculator = GnnCalculator(point, device="cpu", dtype=dtype)
    atoms = argon()
    if len(species) > 1:
        atoms.numbers[::3] = 10
    edges = EdgeFinder(cutoff=5.0)(atoms.positions, atoms.cell.array, (True,) * 3)
    kinds = torch.tensor([species.index(z) for z in atoms.numbers])
    with torch.no_grad():
        there = Edges(edges.vector.to(getattr(torch, dtype)), edges.sender, edges.receiver)
        expected = 0.04 * literal(calculator.network, kinds, there).double().numpy()
    atoms.calc = calculator
    assert np.abs(atoms.get_forces() - expected).max() <= tolerance * np.abs(expected).max()
    assert np.abs(expected).max() > 1e-4


@pytest.mark.parametrize("block", [1, 7, 100_000])
def test_the_size_of_a_block_changes_no_force(argon, block):
    point, atoms = checkpoint(), argon()
    calculator = GnnCalculator(point, device="cpu", dtype="float64")
    edges = EdgeFinder(cutoff=5.0)(atoms.positions, atoms.cell.array, (True,) * 3)
    kinds = torch.zeros(len(atoms), dtype=torch.int64)
    whole = FoldedNetwork(calculator.network)(kinds, edges)
    parts = FoldedNetwork(calculator.network, block=block)(kinds, edges)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-13)


def test_atoms_without_neighbours_end_no_block(argon):
    """A lone atom, and one among others, whose sums are empty."""
    calculator = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
    lone = Atoms("Ar", positions=[[1.0, 2.0, 3.0]], cell=[EDGE] * 3, pbc=False)
    pair = Atoms("Ar4", positions=[[0, 0, 0], [40, 0, 0], [0, 40, 0], [0, 0, 3.8]], cell=[80] * 3, pbc=True)
    alone = calculator.get_forces(lone)[0]
    found = calculator.get_forces(pair)
    np.testing.assert_allclose(found[1:3], [alone, alone], rtol=0, atol=1e-14)
    assert np.abs(found[0] - alone).max() > 1e-4
    for block in (1, 2):
        calculator = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
        calculator._evaluate.block = block
        np.testing.assert_allclose(calculator.get_forces(pair), found, rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # torch's own, on compiling
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_compiling_changes_no_force(argon):
    atoms = argon()
    plain, compiled = (GnnCalculator(checkpoint(), device="cpu", compiled=compiled) for compiled in (False, True))
    expected = plain.get_forces(atoms)
    assert np.abs(compiled.get_forces(atoms) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_batch_is_its_members_one_by_one(argon):
    calculator = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
    copies = [argon(seed) for seed in range(3)]
    stack = np.stack([atoms.positions for atoms in copies])
    together = calculator.batch_forces(stack, copies[0].numbers, EDGE * np.eye(3))
    for atoms, forces in zip(copies, together, strict=True):
        atoms.calc = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
        np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-13)


def test_a_batch_is_one_pass(argon, monkeypatch):
    passes = []
    evaluate = FoldedNetwork.__call__
    monkeypatch.setattr(
        FoldedNetwork, "__call__", lambda self, kinds, edges: passes.append(len(kinds)) or evaluate(self, kinds, edges)
    )
    atoms = argon()
    GnnCalculator(checkpoint(), device="cpu").batch_forces([atoms.positions] * 3, atoms.numbers, EDGE * np.eye(3))
    assert passes == [3 * len(atoms)]


def test_forces_have_no_memory(argon):
    """Neighbour lists age with the trajectory; the forces must not: not a bit, or a resumed run would differ."""
    rng, fresh = np.random.default_rng(0), argon()
    used = GnnCalculator(checkpoint(), device="cpu")
    for _ in range(20):
        fresh.positions += 0.05 * rng.standard_normal(fresh.positions.shape)
        used.batch_forces(fresh.positions[None], fresh.numbers, EDGE * np.eye(3))
    aged = used.batch_forces(fresh.positions[None], fresh.numbers, EDGE * np.eye(3))
    new = GnnCalculator(checkpoint(), device="cpu").batch_forces(fresh.positions[None], fresh.numbers, EDGE * np.eye(3))
    np.testing.assert_array_equal(aged, new)


def test_copies_share_no_state(argon):
    calculator = GnnCalculator(checkpoint(), device="cpu")
    here, there = argon(0), argon(1)
    here.calc = calculator
    expected = here.get_forces()
    for twin in (copy.deepcopy(calculator), copy.copy(calculator)):
        there.calc = twin
        there.get_forces()
        here.calc = calculator
        here.positions[0] += 0.0
        calculator.reset()
        np.testing.assert_array_equal(here.get_forces(), expected)


def test_changed_cells_and_sizes_are_seen(argon):
    calculator = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
    for n_atoms, edge in ((40, EDGE), (30, EDGE), (40, EDGE + 1.0), (40, EDGE)):
        atoms = argon(n_atoms=n_atoms)
        atoms.set_cell([edge] * 3)
        atoms.calc = calculator
        found = atoms.get_forces()
        atoms.calc = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
        np.testing.assert_allclose(found, atoms.get_forces(), rtol=0, atol=1e-13)


def test_there_is_no_energy_and_no_stress(argon):
    atoms = argon()
    atoms.calc = GnnCalculator(checkpoint(), device="cpu")
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_potential_energy()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    assert "no energy" in GnnCalculator.__doc__


def test_what_it_cannot_do_is_refused_in_one_line(argon):
    calculator = GnnCalculator(checkpoint(), device="cpu")
    atoms = argon()
    atoms.calc = calculator
    atoms.numbers[3] = 36
    with pytest.raises(SpecError, match=r"knows the atomic numbers \(18,\), not \[36\]"):
        atoms.get_forces()
    atoms = argon()
    atoms.calc = calculator
    atoms.positions[3] = np.nan
    with pytest.raises(ObservableError, match="positions of 1 of 40 atoms"):
        atoms.get_forces()
    with pytest.raises(SpecError, match="float32 or float64"):
        GnnCalculator(checkpoint(), dtype="bfloat16")
    with pytest.raises(SpecError, match="auto, cpu or cuda"):
        GnnCalculator(checkpoint(), device="tpu")


def test_with_dtype_is_the_same_network_in_another_precision(argon):
    single = GnnCalculator(checkpoint(), device="cpu", dtype="float32")
    double = single.with_dtype("float64")
    expected = GnnCalculator(checkpoint(), device="cpu", dtype="float64")
    atoms = argon()
    found = [calculator.get_forces(atoms) for calculator in (single, double, expected)]
    assert (double.dtype, single.dtype) == ("float64", "float32")
    np.testing.assert_array_equal(found[1], found[2])
    assert 0.0 < np.abs(found[0] - found[1]).max() < 1e-4 * np.abs(found[1]).max()
