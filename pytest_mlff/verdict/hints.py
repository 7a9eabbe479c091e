"""What a failure of a row usually means, for the failure text: hedged, short, and about the model.

Nothing here decides anything. Checks that declare their rows bring their own. Keys are row keys without their size or
shell (``gamma_self`` for ``gamma_self-0.461``) or whole row keys; a pair is (too high, too low).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytest_mlff.verdict.tolerances import Hint

_FAST = (
    "Typical causes of a liquid that relaxes too fast: attractions too weak, or a repulsive core too "
    "small, which at fixed density leaves more room. Compare rdf and parity-liquid; was this state point "
    "in the training data?"
)
_SLOW = (
    "Typical causes of a liquid that relaxes too slowly: attractions too strong, or a repulsive core too "
    "large, which at fixed density crowds the atoms. Compare rdf and parity-liquid; was this state point "
    "trained on?"
)
_PEAK = "Near the peak of S(q) relaxation slows as the peak grows: look at structure_factor first. "
_STRUCTURE = (
    "Compare the curves: a shifted first peak usually means a wrong atomic size, a wrong height a wrong well depth."
)
_SYMMETRY = (
    "Forces that are derivatives of an energy have a symmetric Hessian. A direct-force network only "
    "learns that, and curvature is rarely well covered by its data. Noise of float32 forces lowers S "
    "too, and so does a force that jumps at the model's own cutoff: smooth it."
)
_BOTH = "Melting needs both phases right: compare parity, rdf and solid_rdf of each."
_ANSWER = "After one look it may be the slab's first answer to another potential, not steady motion: pdos tells."
_STABLE = f"The solid is too stable, so the melting point too high, as with attractions too strong. {_BOTH}"
_WEAK = f"The solid is not stable enough, so the melting point too low, as with attractions too weak. {_BOTH}"

_NO_NUMBER = (
    "There is no number to say on which side the candidate lies. If the run broke off, look at stability, dimer and "
    "hot first, and at the kept frame; else at rdf and parity."
)

_HINTS: dict[str, Hint] = {
    "parity-liquid": "Typical causes: too few liquid configurations near this density, a cutoff or "
    "neighbour list that differs from the reference's, or units (the reason names one where the slope fits). If "
    "only 4000 atoms fail: whatever depends on the system size.",
    "parity-solid": "Typical causes: no crystal in the training data (a network trained on the liquid "
    "extrapolates here), or a cutoff that misses a shell. If only 4000 atoms fail: whatever depends on "
    "the system size.",
    "translation": "Forces may depend on vectors between atoms only. Typical causes: absolute positions among the "
    "inputs, pairs across the faces of the cell that are missed, a grid that is fixed in the cell.",
    "permutation": "Typical causes: a limit on the number of neighbours that keeps the first ones instead of the "
    "nearest, results scattered back in the wrong order, an index among the inputs.",
    "wrapping": "Atoms that left the cell are not brought back into it: wrap positions, or look for the nearest "
    "image of every pair, before the neighbour search.",
    "supercell": "Something depends on the size of the cell or the number of atoms: a normalisation, a pooling "
    "over all atoms, images that are missed.",
    "small_cell": "An atom meets several images of its neighbours there, and its own: count them all, or let the "
    "calculator raise an error for a cell below twice its cutoff.",
    "determinism": "Typical causes: dropout or noise left on, a neighbour list that is kept too long or belongs to "
    "another structure, results kept from the last call, state that a copy does not take along.",
    "rotation": "If only turned cells are wrong, the calculator reads the edges of the cell and not its vectors. "
    "If the crystal is, it was learned in one orientation: turn the training data at random.",
    "momentum": "A network that gives forces directly has a net force; penalise it in training, or subtract it in "
    "the calculator. Forces derived from pairs or from an energy have none: then a pair is counted on one side.",
    "torque": "The forces turn a cluster by itself, as no derivative of an energy does: a part of them is a curl. "
    "Compare symmetry-liquid and energy_forces.",
    "energy_forces": "Typical causes: units or a factor in one of both, a term that is in the energy only, another "
    "network for each, float32 sums of large energies (the mismatch then falls with larger steps).",
    "stress": "Typical causes: the sign (ASE: positive under tension), the volume, a factor of two for pairs, the "
    "order xx, yy, zz, yz, xz, xy, shear components.",
    "nve_drift": "Forces that are no derivative of the energy, that jump, or that belong to an outdated neighbour "
    "list. Compare energy_forces, cutoff_continuity and determinism.",
    "cutoff_continuity": "Let messages or pair terms fall to zero smoothly at the model's own cutoff, the energy "
    "with them; the reason names the distance.",
    "dimer": "At short distances: too few close pairs in the training data; add some, or a repulsion by hand. At "
    "long ones: ripples of the radial functions, or a network that never saw a lone pair.",
    "hot": "The core gives way where 100 K does not reach. Compare dimer; include hot or compressed configurations "
    "in the training data.",
    "stability": "Close pairs are the usual cause: equilibrium data hold few of them, so that a learned "
    "repulsion may turn into attraction. Check units and the sign of the forces too.",
    "rdf": _STRUCTURE,
    "structure_factor": f"{_STRUCTURE} An error at small q only points at the compressibility.",
    "diffusion": (_FAST, _SLOW),
    "gamma_self": (_FAST, _SLOW),
    "gamma_tracked": (_FAST, _SLOW),
    "gamma_coherent": (_FAST, _SLOW),
    "gamma_coherent-1.844": (_PEAK + _FAST, _PEAK + _SLOW),
    "mean_relaxation_rate": (_PEAK + _FAST, _PEAK + _SLOW),
    "xsvs_time": (_PEAK + _SLOW, _PEAK + _FAST),
    "solid_rdf": "Shells too broad mean a crystal that is too soft, too narrow one that is too stiff; "
    "displaced shells one that is not stable there. Compare pdos; include solid configurations in the "
    "training data.",
    "symmetry": _SYMMETRY,
    "pdos": "The curvature near the lattice sites is off. Include solid configurations in the training "
    "data, at several temperatures and slightly strained.",
    "melting_below": f"{_WEAK} {_ANSWER}",
    "melting_above": f"{_STABLE} {_ANSWER}",
    "melting_point-full": (_STABLE, _WEAK),
    "melting_point": (_STABLE, _WEAK),
    "memory_growth": "The calculator keeps something of every call: a list that only grows, a graph that is not freed.",
    "ms_per_call": "Slower than your limit: check device and number of threads, and that the machine was idle.",
}


NONE: Mapping[str, Hint] = MappingProxyType({})


def hint(key: str, *, too_high: bool | None = True, declared: Mapping[str, Hint] = NONE) -> str:
    """Say what a failure of a row usually means.

    Parameters
    ----------
    key : str
        Row key.
    too_high : bool or None
        Whether the candidate came out above the reference; matters for rows judged on both sides. None where there
        is no number to say it.
    declared : mapping of str to str or (str, str), optional
        What checks say of their own rows, by key.

    Returns
    -------
    str
        A few sentences; empty where nothing general can be said.
    """
    known, stem = {**_HINTS, **declared}, key
    while stem not in known:
        stem, dash, _ = stem.rpartition("-")
        if not dash:
            return ""
    text = known[stem]
    if isinstance(text, str):
        return text
    return _NO_NUMBER if too_high is None else text[0 if too_high else 1]
