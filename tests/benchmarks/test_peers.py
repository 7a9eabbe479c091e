"""g(r) beside freud and density modes beside dynasor, one thread each."""

import numpy as np
import pytest

from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.rdf import ideal_pairs, radial_distribution
from pytest_mlff.analysis.shells import evenly, wave_vector_shells
from pytest_mlff.schema import trajectory_dataset

N_BINS = 200


@pytest.mark.parametrize(
    ("n_cells", "r_max", "n_frames"), [(4, 11.8, 50), pytest.param(10, 13.6, 4, marks=pytest.mark.slow)]
)
def test_radial_distribution_beside_freud(race, peer, say, gas, n_cells, r_max, n_frames):
    freud = peer("freud")
    freud.parallel.set_num_threads(1)
    position, box = gas(n_cells, n_frames=n_frames)
    trajectory, cell = trajectory_dataset(position[None], np.diag(box), 0.1078), freud.box.Box(*box)
    theirs = freud.density.RDF(bins=N_BINS, r_max=r_max, normalization_mode="finite_size")

    def compute():
        theirs.compute((cell, cell.wrap(position[0])), reset=True)
        for frame in position[1:]:
            theirs.compute((cell, cell.wrap(frame)), reset=False)
        return theirs.rdf

    found = race(lambda: radial_distribution(trajectory, r_max=r_max, n_bins=N_BINS), compute, rounds=7)
    n_atoms = position.shape[1]
    pairs = n_frames * ideal_pairs(np.linspace(0.0, r_max, N_BINS + 1), n_atoms, float(np.prod(box)))
    # single precision on both sides: a pair at the edge of a bin may fall on either side of it
    assert np.abs((found.ours["g"].values - found.peer) * pairs).sum() < 1e-3 * pairs.sum()
    say(found.line(f"g(r) of {n_atoms} atoms, a frame", peer="freud", per=n_frames, target="ratio <= 1"))


def shells(box):
    return np.concatenate([shell.n for shell in wave_vector_shells(np.diag(box))])


def bands(box):
    return np.concatenate([band.n for band in wave_vector_shells(np.diag(box), pooling="interpolated")])


VECTORS = {
    "all vectors of the five shells": shells,
    "those of the coherent rates": bands,
    # a vector picked alone shares its sums with none: this is our worst case
    "picked from the five shells": lambda box: evenly(shells(box), 1117),
}


@pytest.mark.parametrize("which", VECTORS)
def test_density_modes_beside_dynasor(race, peer, say, gas, smallest, which):
    reciprocal, numba = peer("dynasor.core.reciprocal"), peer("numba")
    numba.set_num_threads(1)
    position, box = gas(4 if smallest else 10, n_frames=4)
    n_atoms, n = position.shape[1], VECTORS[which](box)
    q, exact = 2.0 * np.pi * n / box, position.astype(float)
    found = race(
        lambda: density_modes(position, np.diag(box), n),
        lambda: [reciprocal.calc_rho_q(frame, q) for frame in exact],
        rounds=9,
    )
    # dynasor sums exp(+iq·r)
    assert np.abs(found.ours.conj() - np.array(found.peer)).max() < 1e-5 * np.sqrt(n_atoms)
    name = f"I(q,t) of {n_atoms} atoms, {len(n)} vectors ({which}), a frame"
    say(found.line(name, peer="dynasor", per=len(position), target="ratio <= 1"))
