"""From counts of detections to the smallest defect that is found with 90 % probability.

The probability of a detection at strength x is taken to be Φ(a + b x), by maximum likelihood; the interval comes from
samples drawn from the fit. Where every strength below some point is missed and every one above it is caught, counts
do not fix a and b: then the answer is the bracket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

WANTED = 0.9
"""Probability of detection that a defect must have to count as found."""
SAMPLES = 1000
"""Samples of the parametric bootstrap."""
_STEPS = 60
_FARTHEST = 6.0
"""Bound of Φ's argument: beyond it a count says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The smallest defect found with 90 % probability.

    Attributes
    ----------
    how : {"fit", "bracket", "never", "always"}
        A fit with its 95 % interval; the last strength that is missed at times and the next one, which is always
        caught; not even at the largest strength; already at the smallest.
    strength : float or None
        Estimate of a fit.
    low, high : float or None
        Interval or bracket; ``never`` has a lower and ``always`` an upper bound only.
    line : tuple of float or None
        a and b of a fit.
    """

    how: Literal["fit", "bracket", "never", "always"]
    strength: float | None = None
    low: float | None = None
    high: float | None = None
    line: tuple[float, float] | None = None


def threshold(counts: Mapping[float, tuple[int, int]]) -> Threshold:
    """Find the smallest defect that is found with 90 % probability.

    Parameters
    ----------
    counts : mapping of float to (int, int)
        Detections and trials by strength > 0 of the defect.

    Returns
    -------
    Threshold
        In the unit of the strengths.
    """
    strengths = np.array(sorted(counts))
    caught, trials = np.array([counts[x] for x in strengths.tolist()]).T
    if caught[-1] < WANTED * trials[-1]:
        return Threshold(how="never", low=float(strengths[-1]))
    if (caught == trials).all():
        return Threshold(how="always", high=float(strengths[0]))
    if not _overlap(caught, trials):
        last = int(np.flatnonzero(caught < trials)[-1])
        return Threshold(how="bracket", low=float(strengths[last]), high=float(strengths[last + 1]))
    line = fit(strengths, caught, trials)
    low, high = np.quantile(_resampled(line, strengths, trials), (0.025, 0.975), method="nearest")
    bounds = {"strength": float(_crossing(line)), "low": float(low), "high": float(high)}
    return Threshold(how="fit", **bounds, line=(float(line[0]), float(line[1])))


def _overlap(caught: NDArray[np.int64], trials: NDArray[np.int64]) -> bool:
    """Say whether a strength is missed at times above one that is caught at times: the likelihood has a maximum."""
    missed, found = np.flatnonzero(caught < trials), np.flatnonzero(caught)
    return bool(len(missed) and len(found) and missed[-1] > found[0])


def fit(strengths: FloatArray, caught: NDArray[np.int64], trials: NDArray[np.int64]) -> FloatArray:
    """Fit Φ(a + b x) to counts by maximum likelihood (Fisher scoring).

    Parameters
    ----------
    strengths : ndarray, shape (strength,)
        x.
    caught : ndarray, shape (..., strength)
        Detections; each line is fitted by itself.
    trials : ndarray, shape (strength,)
        How often each strength was tried.

    Returns
    -------
    ndarray, shape (..., 2)
        a and b. For counts without a maximum they are steep, not infinite.
    """
    from scipy.special import ndtr

    centre, scale = strengths.mean(), strengths.std()
    design = np.stack([np.ones_like(strengths), (strengths - centre) / scale], axis=-1)
    line = np.zeros((*caught.shape[:-1], 2))
    for _ in range(_STEPS):
        argument = np.clip(line @ design.T, -_FARTHEST, _FARTHEST)
        density = np.exp(-0.5 * argument**2) / np.sqrt(2.0 * np.pi)
        expected = ndtr(argument)
        score = (caught - trials * expected) * density / (expected * (1.0 - expected))
        weight = trials * density**2 / (expected * (1.0 - expected))
        information = np.einsum("...s,si,sj->...ij", weight, design, design)
        step = np.linalg.solve(information, (score @ design)[..., None])[..., 0]
        farthest = np.abs(step @ design.T).max(axis=-1, keepdims=True)
        line = line + step / np.maximum(1.0, farthest)  # a full step may overshoot where the likelihood is flat
    a, b = line[..., 0], line[..., 1]
    return np.stack([a - b * centre / scale, b / scale], axis=-1)


def _crossing(line: FloatArray) -> FloatArray:
    """Strength at which a line reaches the wanted probability; infinite where it does not rise."""
    from scipy.special import ndtri

    a, b = line[..., 0], line[..., 1]
    rises = b > 0.0
    crossing: FloatArray = np.where(rises, (ndtri(WANTED) - a) / np.where(rises, b, 1.0), np.inf)
    return crossing


def _resampled(line: FloatArray, strengths: FloatArray, trials: NDArray[np.int64]) -> FloatArray:
    """Crossings of samples from a fit; where a sample has no maximum, the middle of its bracket."""
    from scipy.special import ndtr

    rng = np.random.default_rng(0)
    caught = rng.binomial(trials, ndtr(line[0] + line[1] * strengths), (SAMPLES, len(strengths)))
    overlap = np.array([_overlap(sample, trials) for sample in caught])
    crossings = np.full(SAMPLES, np.inf)
    crossings[overlap] = _crossing(fit(strengths, caught[overlap], trials))
    edges = np.concatenate([strengths[:1], 0.5 * (strengths[1:] + strengths[:-1]), [np.inf]])
    for index in np.flatnonzero(~overlap):
        crossings[index] = edges[1 + max(np.flatnonzero(caught[index] < trials), default=-1)]
    return crossings
