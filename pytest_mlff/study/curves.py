"""The curves behind the rows of ``ci``: what a figure shows where a record has one number.

Each function takes the context of a model and measures what a check measures, on the same runs, with the same
analysis. The reference is such a model too; what is stored of it is not measured again. A run goes to the last
look of the protocol, or, where the budget is spent, to the last look that is in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.analysis.msd import LAG_WINDOW, mean_squared_displacement
from pytest_mlff.analysis.parity import force_parity
from pytest_mlff.analysis.phonons import (
    FCC_PATH,
    density_of_states,
    dispersion,
    fcc_points,
    pdos_distance,
    phonon_spectrum,
)
from pytest_mlff.analysis.relaxation import FIT_WINDOW
from pytest_mlff.analysis.statistics import replica_mean
from pytest_mlff.analysis.xpcs import field_correlation
from pytest_mlff.analysis.xsvs import optical_contrast
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.crystal import crystal_masses, crystal_response
from pytest_mlff.apparatus.parity import parity_forces
from pytest_mlff.apparatus.runs import CRYSTAL
from pytest_mlff.checks.melting import bracket_run
from pytest_mlff.errors import BudgetExhausted
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import measure
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.slabs import BRACKET
from pytest_mlff.systems.protocols import STARTS

if TYPE_CHECKING:
    import xarray as xr

MAX_LAG = 4.0
"""Longest lag in ps that is shown: beyond the windows of all fits."""
BINS = 36
"""Bins of the density of states, 60 GHz wide: fewer than distinct frequencies of the finite crystal."""


def reference_context(context: CheckContext) -> CheckContext:
    """Context of the reference beside that of a model: a run from every start, one look, no budget.

    Cache, seed and equilibration are the model's.
    """
    protocol, melting = context.protocol, context.protocol.melting
    if melting is not None:
        melting = replace(melting, replicas=melting.slabs)
    protocol = replace(protocol, replicas=STARTS, looks=protocol.looks[:1], melting=melting)
    return replace(context, model=ReferenceModel(context.system), protocol=protocol, meter=Meter())


def parity(context: CheckContext, name: str) -> xr.Dataset:
    """Compare the forces of the candidate with those of the reference on a set, ``"<phase>-<atoms>"``.

    ``candidate`` and ``reference`` (configuration, atom, xyz) in eV/Å beside what
    :func:`pytest_mlff.analysis.parity.force_parity` finds.
    """
    candidate, exact = parity_forces(context, name, dict(context.protocol.parity)[name])
    found = force_parity(candidate, exact)
    dims, unit = ("configuration", "atom", "xyz"), {"units": "eV/Å"}
    return found.assign(candidate=(dims, candidate, unit), reference=(dims, exact, unit))


def liquid_structure(context: CheckContext) -> xr.Dataset:
    """``g`` and ``g_stderr`` (r) of the liquid."""
    return _observable(context, _liquid_state(context), "rdf", lambda: _liquid_run(context))


def solid_structure(context: CheckContext) -> xr.Dataset:
    """``g`` and ``g_stderr`` (r) of the crystal at 20 K."""
    lengths = {"replicas": context.protocol.solid_replicas, "frames": context.protocol.solid_frames}
    return _observable(context, CRYSTAL, "rdf", lambda: context.trajectory(CRYSTAL, **lengths))


def displacement(context: CheckContext) -> xr.Dataset:
    """Mean-squared displacement in the liquid, and what is fitted to it.

    ``msd``, ``msd_stderr`` (lag) in Å², and ``D``, ``D_stderr`` in Å²/ps; the lags of the fit in ``attrs["window"]``.
    """
    trajectory = _liquid_run(context)
    curve = mean_squared_displacement(trajectory, max_lag=MAX_LAG)[["msd", "msd_stderr"]]
    fitted = _observable(context, _liquid_state(context), "diffusion", lambda: trajectory)
    return curve.assign({name: fitted[name] for name in ("D", "D_stderr")}).assign_attrs(window=LAG_WINDOW)


def relaxation(context: CheckContext) -> xr.Dataset:
    """Relaxation of the liquid: correlation of each atom with itself, and the rates of the field.

    ``field_correlation``, ``field_correlation_stderr`` (q, lag), the self part; ``self`` and ``coherent`` (q) in 1/ps
    with ``_stderr`` and ``_q``, the mean abs(q) in 1/Å; ``D`` in Å²/ps, the limit of Γ_s/q²; the lags of the fit in
    ``attrs["window"]``.
    """
    state, trajectory = _liquid_state(context), _liquid_run(context)
    curve = field_correlation(trajectory, kind="self", max_lag=MAX_LAG)
    found = curve[["field_correlation", "field_correlation_stderr"]]
    for kind in ("self", "coherent"):
        rates = _observable(context, state, f"gamma_{kind}", lambda: trajectory)
        named = {kind: rates["gamma"], f"{kind}_stderr": rates["gamma_stderr"], f"{kind}_q": rates["mean_q"]}
        found = found.assign(named)
    fitted = _observable(context, state, "diffusion", lambda: trajectory)
    return found.assign(D=fitted["D"]).assign_attrs(window=FIT_WINDOW)


def contrast(context: CheckContext) -> xr.Dataset:
    """Optical contrast of the liquid against the exposure.

    ``contrast``, ``contrast_stderr`` (exposure), relative to that of one frame, and the ``correlation_time`` in ps, at
    which one half of it is left, with ``correlation_time_stderr``.
    """
    trajectory = _liquid_run(context)
    curve = optical_contrast(trajectory, source="field", pooling="interpolated")[["contrast", "contrast_stderr"]]
    time = _observable(context, _liquid_state(context), "xsvs_time", lambda: trajectory)
    return curve.assign({name: time[name] for name in ("correlation_time", "correlation_time_stderr")})


def phonons(context: CheckContext) -> xr.Dataset:
    """Phonons of the crystal: density of states and dispersion.

    ``dos`` (frequency) in 1/THz, on bins that are the same for all models whose modes lie no more than a tenth above
    the reference's; ``distance`` and ``distance_stderr`` of the spectrum from the reference's; ``branch_frequency`` (q,
    branch) in THz, and ``corner`` (label) as :func:`pytest_mlff.analysis.phonons.dispersion` has them.
    """
    response = crystal_response(context)
    masses, points = crystal_masses(context, response), fcc_points(context.system.crystal.cell[0][0])
    spectrum = phonon_spectrum(response, masses=masses)
    known = context.reference.observable(f"crystal-{response.sizes['atom']}", "phonons")
    top = max(1.1 * float(known["frequency"].max()), 1.001 * float(spectrum["frequency"].max()))
    walked = dispersion(response, masses=masses, points=points, path=FCC_PATH)
    distance = pdos_distance(spectrum, known)
    return density_of_states(spectrum, max_frequency=top, n_bins=BINS).assign(
        distance=distance.value,
        distance_stderr=distance.stderr,
        branch_frequency=walked["frequency"].variable,
        corner=walked["corner"],
        q=walked["q"],
    )


def melting(context: CheckContext, key: str) -> xr.Dataset:
    """Solid fraction of the slabs at one temperature of the bracket, named by its row.

    ``change``, ``change_stderr`` (time): solid fraction less that of the first frame, mean over slabs; the temperature
    in K in ``attrs["temperature"]``.
    """
    import xarray as xr

    assert context.protocol.melting is not None
    run = _at_last_look(context.protocol.melting.looks, lambda frames: bracket_run(context, key, frames))
    fraction = run["solid_fraction"].values
    mean, stderr = replica_mean(fraction - fraction[:, :1])
    one = {"units": "1"}
    return xr.Dataset(
        {"change": ("time", mean, one), "change_stderr": ("time", stderr, one)},
        coords={"time": ("time", run["time"].values, {"units": "ps"})},
        attrs={"temperature": BRACKET[key].temperature},
    )


def _liquid_state(context: CheckContext) -> str:
    return context.protocol.liquid_states[0]


def _liquid_run(context: CheckContext) -> xr.Dataset:
    def run(frames: int) -> xr.Dataset:
        return context.trajectory(_liquid_state(context), replicas=context.protocol.replicas, frames=frames)

    return _at_last_look(context.protocol.looks, run)


def _at_last_look(looks: Sequence[int], run: Callable[[int], xr.Dataset]) -> xr.Dataset:
    for frames in sorted(looks[1:], reverse=True):
        try:
            return run(frames)
        except BudgetExhausted:
            continue
    return run(looks[0])


def _observable(context: CheckContext, state: str, name: str, run: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Measure on a run, or take what is stored of the reference."""
    if isinstance(context.model, ReferenceModel):
        return context.reference.observable(state, name)
    return measure(name, run())
