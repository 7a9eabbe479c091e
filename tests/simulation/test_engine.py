"""The engine: the same physics natively and through Python, exact continuation, and clear ends of bad runs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.errors import ModelError, UnstableError
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import estimate, measure
from pytest_mlff.simulation.engine import RUNAWAY_FACTOR, Engine
from pytest_mlff.simulation.md import Run, simulate
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import State, Thermostat, as_cell

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


def started(model, state, positions, *, seeds=(3,)):
    engine = Engine(model, ARGON, state, seeds=seeds)
    engine.start(np.atleast_3d(positions).reshape(len(seeds), -1, 3))
    return engine


def velocities(engine):
    return np.asarray(engine._context.getState(getVelocities=True).getVelocities(asNumpy=True)._value)


def test_native_force_and_calculator_give_the_same_trajectory(plain, small, liquid):
    native, python = started(ReferenceModel(ARGON), small, liquid[0]), started(plain(), small, liquid[0])
    assert native.native
    assert not python.native
    a, b = native.sample(10).position, python.sample(10).position
    moved = np.abs(b[0, -1] - liquid[0]).max()
    apart = np.abs(a - b).max(axis=(0, 2, 3))
    assert moved > 1.0
    assert apart[1] < 1e-5  # float32 against float64, before chaos magnifies it
    assert apart[-1] < 1e-3


def test_python_force_continues_bit_by_bit_from_its_checkpoint(plain, small, liquid):
    whole = started(plain(), small, liquid[0])
    first, checkpoint, rest = whole.sample(3), whole.checkpoint(), whole.sample(4)
    again = Engine(plain(), ARGON, small)
    again.restore(checkpoint, 30)
    assert again.steps_done == 30
    found = again.sample(4)
    np.testing.assert_array_equal(found.position, rest.position)
    np.testing.assert_array_equal(found.temperature, rest.temperature)
    assert np.abs(first.position[0, -1] - rest.position[0, -1]).max() > 0.1


def test_native_force_continues_from_its_checkpoint_up_to_rounding(small, liquid):
    whole = started(ReferenceModel(ARGON), small, liquid[0])
    whole.sample(3)
    checkpoint, rest = whole.checkpoint(), whole.sample(8)
    found = []
    for _ in range(2):
        again = Engine(ReferenceModel(ARGON), ARGON, small)
        again.restore(checkpoint, 30)
        found.append(again.sample(8).position)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - rest.position)[:, 0].max() < 1e-5


def test_thermostat_chain_is_part_of_the_checkpoint(plain, small, liquid):
    whole = started(plain(), small, liquid[0])
    whole.sample(5)
    checkpoint, rest = whole.checkpoint(), whole.sample(5)
    forgetful = Engine(plain(), ARGON, small)
    forgetful.restore(checkpoint, 50)
    positions = forgetful._positions() / 10
    fresh = Engine(plain(), ARGON, small)
    fresh._context.setPositions(positions)
    fresh._context.setVelocities(velocities(forgetful))
    assert np.abs(fresh.sample(5).position - rest.position).max() > 1e-3


def test_temperature_is_the_thermostats_over_3n_minus_3_degrees_of_freedom():
    """32 atoms: counting 3N would give 96.9 K."""
    box = (11.78,) * 3
    state = State(name="tiny", phase="liquid", temperature=100.0, numbers=(18,) * 32, cell=as_cell(box))
    calculator = lennard_jones(cutoff=5.0)
    model = type("Model", (), {"name": "short", "calculator": calculator})()
    runs = []
    for seed in range(8):
        engine = started(model, state, fcc_positions((2, 2, 2), box[0] / 2), seeds=[seed])
        assert engine.native
        engine.equilibrate(500)
        runs.append(engine.sample(300).temperature[0])
    runs = np.array(runs)
    stderr = runs.mean(axis=1).std(ddof=1) / np.sqrt(8)
    assert stderr < 0.75
    assert abs(runs.mean() - 100.0) < 3.5 * stderr
    assert abs(runs.mean() - 100.0) < abs(runs.mean() - 100.0 * (1 - 1 / 32))
    assert runs.var() / 100.0**2 == pytest.approx(2 / (3 * 32 - 3), rel=0.15)  # canonical fluctuations


def test_velocities_have_the_temperature_and_no_momentum(small, liquid):
    engine = started(ReferenceModel(ARGON), small, liquid[0])
    velocity = velocities(engine)
    np.testing.assert_allclose(velocity.sum(axis=0), 0.0, atol=1e-9)
    kelvin = (velocity**2).sum() * ARGON.masses_of([18])[0] / (8.314462618e-3 * (3 * 108 - 3))
    assert kelvin == pytest.approx(100.0, rel=1e-6)
    engine.sample(20)
    np.testing.assert_allclose(velocities(engine).sum(axis=0), 0.0, atol=1e-3)


def test_the_seed_decides(small, liquid):
    one, same, other = (started(ReferenceModel(ARGON), small, liquid[0], seeds=[s]) for s in (1, 1, 2))
    a, b, c = (engine.sample(5).position for engine in (one, same, other))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


def test_frames_are_unwrapped(small, liquid):
    shift = np.array([3.0, -2.0, 1.0]) @ small.cell
    near = started(ReferenceModel(ARGON), small, liquid[0]).sample(2).position
    far = started(ReferenceModel(ARGON), small, liquid[0] + shift).sample(2).position
    np.testing.assert_allclose(far - shift, near, atol=1e-3)


def spoil_atom_seven(forces, call):
    if call > 25:
        forces = forces.copy()
        forces[7, 1] = np.nan
    return forces


def test_forces_that_are_not_finite_end_the_run_with_step_time_and_atom(plain, small, liquid):
    engine = started(plain(spoil_atom_seven), small, liquid[0])
    expected = r"fake at small: forces are not finite \(atoms 7\), between step 25 and 26 \(0.27 ps\)"
    with pytest.raises(UnstableError, match=expected) as caught:
        engine.sample(10)
    good = started(plain(), small, liquid[0]).sample(2).position[0, 1]
    np.testing.assert_allclose(caught.value.last_sane, good, atol=1e-5)


def test_non_finite_forces_of_one_replica_are_laid_at_its_door(batched, small, liquid):
    def spoil(forces, call):
        if call > 12:
            forces[2, 5] = np.inf
        return forces

    engine = started(batched(spoil), small, liquid[:3], seeds=[1, 2, 3])
    with pytest.raises(UnstableError, match=r"\(replica 2, atoms 5\), between step 12 and 13") as caught:
        engine.sample(4)
    good = started(batched(), small, liquid[:3], seeds=[1, 2, 3]).sample(1).position[2, 0]
    np.testing.assert_allclose(caught.value.last_sane, good, atol=1e-5)


def test_an_exception_of_the_calculator_keeps_its_type(plain, small, liquid):
    def fail(forces, call):
        if call == 15:
            raise ZeroDivisionError("on purpose")
        return forces

    engine = started(plain(fail), small, liquid[0])
    expected = r"ZeroDivisionError: on purpose at .* \(force call 15, 108 atoms, .*\) at small, between step 14 and 15"
    with pytest.raises(ModelError, match=expected) as caught:
        engine.sample(4)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_interrupt_inside_the_calculator_stays_an_interrupt(plain, small, liquid):
    def interrupt(forces, call):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        started(plain(interrupt), small, liquid[0]).sample(1)


@pytest.mark.parametrize("text", ["\udc80", "é ✓", "x" * 1_000_000, "\x00", ""])
def test_a_text_that_c_cannot_read_is_no_crash(plain, small, liquid, text):
    """OpenMM reads it as C does: a lone surrogate was a segmentation fault."""

    def fail(forces, call):
        raise ValueError(text)

    with pytest.raises(ModelError, match="raised ValueError"):
        started(plain(fail), small, liquid[0]).sample(1)


@pytest.mark.parametrize(
    "error",
    [
        pytest.skip.Exception("x"),
        pytest.xfail.Exception("x"),
        pytest.exit.Exception("x"),
        SystemExit("x"),
        GeneratorExit(),
    ],
)
def test_what_ends_a_test_or_a_program_is_an_error_of_the_model(nothing_leaves, plain, batched, small, liquid, error):
    def leave(forces, call):
        raise error

    for model in (plain(leave), batched(leave)):
        with pytest.raises(ModelError, match=f"raised {type(error).__name__}") as caught, nothing_leaves():
            started(model, small, liquid[0]).sample(1)
        assert not caught.value.is_refusal
        np.testing.assert_allclose(caught.value.images[0].positions, liquid[0], atol=1e-6)


@pytest.mark.parametrize("text", ["", "SIGTERM: the run was cancelled"])
@pytest.mark.parametrize("inside", [True, False])
def test_an_interrupt_on_the_way_into_the_wrapper_is_one(plain, small, liquid, monkeypatch, inside, text):
    """A signal may arrive in any line of Python: also before the wrapper can look after it."""
    engine = started(plain(), small, liquid[0])

    def interrupt(*args):
        raise KeyboardInterrupt(text)

    if inside:
        monkeypatch.setattr(engine._wrapper, "_refuse_non_finite", interrupt)
    else:
        monkeypatch.setattr(type(engine._wrapper), "__call__", interrupt)
    with pytest.raises(KeyboardInterrupt, match=f"^{text}$"):
        engine.sample(1)


def test_a_native_force_that_cannot_be_made_is_an_error_of_the_model(nothing_leaves, small):
    def openmm_force(n_atoms):
        pytest.skip("no licence")

    model = SimpleNamespace(name="m", calculator=SimpleNamespace(openmm_force=openmm_force))
    expected = r"m: openmm_force raised Skipped: no licence at .* in openmm_force"
    with pytest.raises(ModelError, match=expected), nothing_leaves():
        Engine(model, ARGON, small)


def test_forces_of_another_shape_are_refused(plain, small, liquid):
    engine = started(plain(lambda forces, call: forces[:-1]), small, liquid[0])
    with pytest.raises(ModelError, match=r"shape \(107, 3\) .* expected \(108, 3\).*between step 0 and 1 "):
        engine.equilibrate(10)


def test_runaway_temperature_names_the_hottest_atoms(plain, small, liquid):
    def heat(forces, call):
        push = np.zeros_like(forces)
        push[11, 2], push[12, 2] = 3.0, -3.0
        return forces + push

    expected = r"ran away to \d+ K \(thermostat 100 K\) \(atoms 1[12], .*\), at step \d+0 \(\d"
    with pytest.raises(UnstableError, match=expected) as caught:
        started(plain(heat), small, liquid[0]).sample(20)
    assert caught.value.last_sane.shape == (108, 3)


def test_one_hot_replica_is_not_hidden_by_cold_ones(batched, small, liquid):
    def heat(forces, call):
        push = np.zeros_like(forces)
        push[1, ::2, 0], push[1, 1::2, 0] = 0.35, -0.35
        return forces + push

    engine = started(batched(heat), small, np.stack([liquid[0]] * 8), seeds=range(8))
    with pytest.raises(UnstableError, match=r"ran away to (\d+) K.*replica 1,") as caught:
        engine.sample(30)
    kelvin = int(str(caught.value).split("ran away to ")[1].split(" K")[0])
    assert kelvin < 8 * (RUNAWAY_FACTOR - 1) * 100  # the mean over the eight was still below the limit


def test_overlapping_atoms_end_the_run(plain, small, liquid):
    engine = started(plain(lambda forces, call: 0.0 * forces), small, liquid[0])
    expected = r"atoms overlap in \d+ pair\(s\): [012]\.\d\d Å apart, below 2.38 Å \(atoms \d+, \d+\), at step \d+0 "
    with pytest.raises(UnstableError, match=expected):
        engine.sample(60)


def test_overlap_is_seen_across_the_boundary(plain, small):
    positions = fcc_positions((3, 3, 3), small.cell[0][0] / 3)
    positions[1] = positions[0] + np.array([small.cell[0][0] - 1.0, 0.0, 0.0])  # near its image only
    with pytest.raises(
        UnstableError, match=r"overlap in 1 pair\(s\): 1\.\d\d Å.*\(atoms 0, 1\), at step 1 \(0.01 ps\)"
    ):
        started(plain(lambda forces, call: 0.0 * forces), small, positions).equilibrate(1)


def test_a_native_run_that_blows_up_is_unstable_too(small, liquid):
    positions = liquid[0].copy()
    positions[1] = positions[0] + 1e-4
    with pytest.raises(UnstableError, match=r"reference at small: .*between step 0 and 10"):
        started(ReferenceModel(ARGON), small, positions).sample(1)


def test_net_force_is_removed_and_recorded(plain, small, liquid):
    pushed = started(plain(lambda forces, call: forces + np.array([0.01, 0.0, 0.0])), small, liquid[0]).sample(3)
    free = started(plain(), small, liquid[0]).sample(3)
    np.testing.assert_allclose(pushed.position, free.position, atol=1e-5)
    np.testing.assert_allclose(pushed.net_force, 0.01 * 108, rtol=1e-6)
    assert free.net_force.max() < 1e-10


def test_a_batched_model_is_called_once_per_step_for_all_replicas(batched, plain, small, liquid):
    model = batched()
    together = started(model, small, liquid[:3], seeds=[4, 5, 6]).sample(3)
    assert set(model.calculator.sizes) == {3}
    assert len(model.calculator.sizes) in (30, 31)
    for replica, seed in enumerate((4, 5, 6)):
        alone = started(plain(), small, liquid[replica], seeds=[seed]).sample(3)
        np.testing.assert_allclose(together.position[replica], alone.position[0], atol=1e-5)
        np.testing.assert_allclose(together.temperature[replica], alone.temperature[0], rtol=1e-6)


def test_batched_replicas_have_thermostats_of_their_own(batched, small, liquid):
    """A replica's path does not depend on which others it shares a context with."""
    pair = started(batched(), small, liquid[:2], seeds=[1, 2]).sample(8)
    other = started(batched(), small, liquid[[0, 3]], seeds=[1, 9]).sample(8)
    np.testing.assert_allclose(pair.position[0], other.position[0], atol=1e-5)
    assert np.abs(pair.position[1] - other.position[1]).max() > 0.1


def test_a_cutoff_that_openmm_refuses_goes_through_the_calculator(small, liquid):
    calculator = lennard_jones(cutoff=9.5)  # half the cell is 8.87 Å
    model = type("Model", (), {"name": "wide", "calculator": calculator})()
    engine = started(model, small, liquid[0])
    assert not engine.native
    assert np.isfinite(engine.sample(1).position).all()


@pytest.mark.slow
def test_structure_and_dynamics_do_not_depend_on_the_collision_rate(workshop):
    """5/ps is ours, 0.02/ps is the paper's: D, Γ_s and g(r) agree within error, 8 × 25 ps each."""
    state = ARGON.state("100K-256")
    starts = Reference().configurations("start/100K-256").positions
    run = Run(state=state, seed=1, equilibration_steps=186)
    found = {}
    for rate in (5.0, 0.02):
        shop = replace(
            workshop(ReferenceModel(ARGON)), system=replace(ARGON, thermostat=Thermostat(collision_rate=rate))
        )
        trajectory = simulate(shop, run, starts[:8], n_frames=232)
        assert trajectory["temperature"].values.mean() == pytest.approx(100.0, abs=2.0)
        found[rate] = trajectory
    ours, papers = found[5.0], found[0.02]
    d, d_paper = (estimate(measure("diffusion", t), "D") for t in (ours, papers))
    assert np.hypot(d.stderr, d_paper.stderr) < 0.04 * d.value
    assert abs(d.value - d_paper.value) < 3.5 * np.hypot(d.stderr, d_paper.stderr)
    for name, q, precision in (("gamma_self", slice(None), 0.04), ("gamma_coherent", slice(-1, None), 0.08)):
        rate, rate_paper = (measure(name, t).isel(q=q) for t in (ours, papers))
        error = np.hypot(rate["gamma_stderr"], rate_paper["gamma_stderr"])
        assert (error < precision * rate["gamma"]).all()
        assert (np.abs(rate["gamma"] - rate_paper["gamma"]) < 3.5 * error).all()
    g, g_paper = (measure("rdf", t) for t in (ours, papers))
    apart = (g["g"] - g_paper["g"]).values
    assert np.sqrt(np.sum(apart**2) / np.sum((g["g"].values - 1) ** 2)) < 0.03
