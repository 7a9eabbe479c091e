"""Which species a trajectory holds, and what is measured of each or of each pair of them.

Species come in the order of their atomic numbers, whatever the order of the atoms, so that a label means the same on
both sides of a comparison. What is measured of several carries the dimension ``species`` or ``pair``; one taken out of
it looks exactly as it does in a material that has but one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.errors import ObservableError

if TYPE_CHECKING:
    import xarray as xr

# by atomic number; X, as in ASE, for particles that are no element
SYMBOLS = tuple(
    """X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr
    Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au
    Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts
    Og""".split()
)
_LABELLED = ("species", "pair")


def species_of(trajectory: xr.Dataset) -> list[str]:
    """Chemical symbols of the species in a trajectory, by atomic number."""
    return list(groups_of(trajectory))


def groups_of(trajectory: xr.Dataset) -> dict[str, NDArray[np.intp]]:
    """Places of the atoms of each species, by atomic number."""
    numbers = trajectory["numbers"].values
    return {SYMBOLS[number]: np.flatnonzero(numbers == number) for number in np.unique(numbers)}


def pairs_of(trajectory: xr.Dataset) -> list[tuple[str, str]]:
    """Unordered pairs of species, each with itself too: Na Na, Na Cl, Cl Cl."""
    return list(combinations_with_replacement(species_of(trajectory), 2))


def atoms_of(trajectory: xr.Dataset, species: str | None) -> NDArray[np.intp] | slice:
    """Places of the atoms of a species, or all of them for None."""
    if species is None:
        return slice(None)
    known = groups_of(trajectory)
    if species not in known:
        raise ObservableError(f"no atom of species {species!r}; there are {', '.join(known)}")
    return known[species]


def stacked(
    found: Sequence[xr.Dataset], pairs: Sequence[tuple[str, str]] = (), *, species: Sequence[str] = ()
) -> xr.Dataset:
    """Join what was measured of several species, or of several pairs of them, along a new first dimension.

    Parameters
    ----------
    found : sequence of xr.Dataset
        One for each, on the same coordinates.
    pairs : sequence of (str, str)
        What they are of: the dimension ``pair`` with labels such as ``Na-Cl``, and both species beside it.
    species : sequence of str
        Or these: the dimension ``species``.

    Returns
    -------
    xr.Dataset
        ``sel(pair="Na-Cl")`` or ``sel(species="Na")`` gives one of them back.
    """
    import xarray as xr

    dim, unit = ("pair" if pairs else "species"), {"units": "1"}
    labels = ["-".join(pair) for pair in pairs] or list(species)
    first = found[0]
    joined = xr.Dataset(
        {
            name: ((dim, *first[name].dims), np.stack([one[name].values for one in found]), first[name].attrs)
            for name in first.data_vars
        },
        coords={**first.coords, dim: (dim, labels, unit)},
        attrs=first.attrs,
    )
    if pairs:
        ends = {end: (dim, [pair[k] for pair in pairs], unit) for k, end in enumerate(("first", "second"))}
        joined = joined.assign_coords(ends)
    return joined


def each_species(measure: Callable[[str | None], xr.Dataset], trajectory: xr.Dataset) -> xr.Dataset:
    """Measure every species: with the dimension ``species`` where there are several, plainly where there is one.

    Parameters
    ----------
    measure : callable
        Symbol of a species, or None for all atoms → observable.
    trajectory : xr.Dataset
        What has the species.

    Returns
    -------
    xr.Dataset
        The observable.
    """
    names = species_of(trajectory)
    if len(names) == 1:
        return measure(None)
    return stacked([measure(name) for name in names], species=names)


def parts(dataset: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """Take an observable apart into those of single species or pairs.

    Parameters
    ----------
    dataset : xr.Dataset
        With the dimension ``species`` or ``pair``, or with neither.

    Returns
    -------
    list of (str, xr.Dataset)
        What each part is of, as in ``Na`` or ``Na-Cl``, and the part; "" for the only one.
    """
    for dim in _LABELLED:
        if dim in dataset.dims:
            return [(str(label), dataset.sel({dim: label}, drop=True)) for label in dataset[dim].values]
    return [("", dataset)]
