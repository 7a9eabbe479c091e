"""The type of a tolerance, and those of the checks that do not declare their rows themselves.

A tolerance says what a row is judged by, how far it may be off, and why. The whole table is
:data:`pytest_mlff.gate.catalogue.TABLE`. Read by the plugin at collection, so it imports nothing but the standard
library. A row may carry a verdict in a protocol only if a perfect model's spread there is at most :data:`NARROW` of
the limit (``docs/statistics.md``); in the protocols of ``info_in`` it does not, and the row is INFO there. What a limit
comes to, the spread of a perfect model in units of it and the smallest error of ε or σ that the row finds, is measured
and tabulated in ``docs/calibration.md``; a reason here is physics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from pytest_mlff.verdict.laws import LAWS

Kind = Literal["relative", "absolute", "upper", "lower", "sign", "info"]
Hint: TypeAlias = str | tuple[str, str]
"""What a failure usually means; a pair is (too high, too low)."""

NARROW = 1 / 6
"""Largest spread of a perfect model in a row that carries a verdict, as a fraction of the row's limit."""

SHELLS = ("0.461", "0.922", "1.304", "1.595", "1.844")
"""Labels of the five |q| shells of the dynamics rows, in 1/Å."""

JUDGED_DYNAMICS_CI = frozenset(
    {
        "diffusion",
        "gamma_coherent-1.844",
        "mean_relaxation_rate-1.844",
        "xsvs_time",
        *(f"gamma_self-{q}" for q in SHELLS),
    }
)
"""Rows of the liquid's dynamics that carry a verdict in ``ci``; the other ones are INFO there.

Add or strike a key when the measured null spread says so: nothing else has to change.
"""

JUDGED_FROM_4000 = frozenset(
    {
        *(f"gamma_coherent-{q}" for q in ("0.461", "0.922")),
        *(f"gamma_tracked-{q}" for q in ("0.461", "0.922", "1.304")),
    }
)
"""Rows that no run of ``full`` with 256 atoms narrows to a sixth of their limit: few wave vectors, few atoms."""

CI, FULL = frozenset({"ci"}), frozenset({"full"})
LONG = CI | FULL
EVERYWHERE = LONG | {"smoke"}

_PAPER = "Mohanty et al., Comput. Phys. Commun. 288 (2023) 108723"
_MEASURED = "measured with this package on the reference"
_CHOICE = "choice of this project"
_CALIBRATED = "spread and power in docs/calibration.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """One row of the table.

    Attributes
    ----------
    key : str
        Name of the row: the parameter in the test id, the key in the user's table of tolerances.
    observable : str
        The quantity in words.
    kind : str
        With candidate c, reference r and limit t: ``relative`` (abs(c − r)/r ≤ t), ``absolute``
        (abs(c − r) ≤ t), ``upper`` (c ≤ t), ``lower`` (c ≥ t), ``sign`` (c has the sign of t) or ``info``.
    limit : float or None
        A fraction for ``relative``, in ``unit`` otherwise; None for a row that is never judged.
    unit : str
        Unit of the candidate's value; empty for a pure number.
    reason, source : str
        Why this limit, and where it comes from.
    check : str or None
        The bundled check that produces the row; None for a row of a user's own.
    needs : frozenset of str
        What the model must provide, of ``{"energy", "forces", "stress"}``.
    protocols : frozenset of str
        Where the row is reported at all.
    info_in : frozenset of str
        Those of ``protocols`` in which it is shown without a verdict.
    judged_from : int
        Atoms of the smallest system in which the row carries a verdict; in smaller ones it is INFO.
    squared : bool
        The estimate handed to ``decide`` is the square of the quantity (a distance estimated without bias as
        d², which may be negative); ``limit`` is that of the distance itself.
    """

    key: str
    observable: str
    kind: Kind
    limit: float | None = None
    unit: str = ""
    reason: str
    source: str
    check: str | None = None
    needs: frozenset[str] = frozenset({"forces"})
    protocols: frozenset[str] = LONG
    info_in: frozenset[str] = frozenset()
    judged_from: int = 0
    squared: bool = False

    @property
    def verdict_in(self) -> frozenset[str]:
        """The protocols in which the row carries a verdict."""
        return frozenset() if self.kind == "info" else self.protocols - self.info_in

    @property
    def adjustable(self) -> bool:
        """Whether a configuration may set the limit."""
        if self.kind == "info":
            return self.key.startswith("ms_per_call-") or self.key == "memory_growth"
        return self.kind != "sign" and self.limit != 0.0


def _forces_rows() -> Iterable[Tolerance]:
    for phase in ("liquid", "solid"):
        for atoms in (256, 4000):
            yield Tolerance(
                key=f"parity-{phase}-{atoms}",
                check="forces",
                observable=f"1 − R² of the forces, {phase}, {atoms} atoms",
                kind="upper",
                limit=1e-3,
                reason="a force error of 3 % of the forces' own spread; ten times 1 − R² of the paper's "
                "networks; a local model has no reason to be worse in a larger cell",
                source=f"{_PAPER}, 1 − R² ≈ 1e-4; the factor of ten is a {_CHOICE}; {_CALIBRATED}",
                protocols=EVERYWHERE if atoms == 256 else LONG,
            )


def _invariance_rows() -> Iterable[Tolerance]:
    for law in LAWS:
        yield Tolerance(
            key=law.key,
            check="invariance",
            observable=law.observable,
            kind="upper",
            limit=law.limit,
            unit=law.unit,
            reason=law.reason,
            source=law.source,
            needs=frozenset({"forces"} | law.needs),
            protocols=EVERYWHERE if law.in_smoke else LONG,
        )


def _distance(key: str, check: str, curve: str, reason: str) -> Tolerance:
    return Tolerance(
        key=key,
        check=check,
        observable=f"distance of {curve} from the reference",
        kind="upper",
        limit=0.05,
        reason=reason,
        source=f"{_CHOICE}, after the agreement of the curves in {_PAPER}; {_CALIBRATED}",
        squared=True,
    )


def _dynamics(key: str, observable: str, unit: str, reason: str, source: str) -> Tolerance:
    return Tolerance(
        key=key,
        check="liquid" if key == "diffusion" else "xpcs",
        observable=observable,
        kind="relative",
        limit=0.10,
        unit=unit,
        reason=reason,
        source=source,
        info_in=frozenset() if key in JUDGED_DYNAMICS_CI else CI,
        judged_from=4000 if key in JUDGED_FROM_4000 else 0,
    )


def _liquid_rows() -> Iterable[Tolerance]:
    yield Tolerance(
        key="stability",
        check="stability",
        observable="part of the stability run not survived",
        kind="upper",
        limit=0.0,
        reason="a model that loses atoms or heats up in a short run cannot be judged by a longer one",
        source=_CHOICE,
        protocols=EVERYWHERE,
    )
    yield _distance("rdf", "liquid", "g(r)", "5 % of the structure g(r) − 1: the curves coincide on a plot")
    yield _distance("structure_factor", "liquid", "S(q)", "as g(r), with more weight on long wavelengths")
    yield _dynamics(
        "diffusion",
        "self-diffusivity D",
        "Å²/ps",
        "the paper accepts 10 % at 256 atoms; its network is off by 1 to 5 %",
        f"{_PAPER}, 256 atoms; {_CALIBRATED}",
    )
    yield Tolerance(
        key="net_force",
        check="liquid",
        observable="net force per atom before it is removed, r.m.s.",
        kind="info",
        unit="eV/Å",
        reason="derivatives of an energy sum to zero, the output of a direct-force network does not; the "
        "engine removes the sum, so it is shown here",
        source=_CHOICE,
    )


_RATES = (
    ("gamma_self", "self relaxation rate Γ_s", "D, which it becomes at small q (Γ_s → Dq²)"),
    (
        "gamma_coherent",
        "coherent relaxation rate Γ",
        "D; noisy in short runs, as a shell has few wave vectors",
    ),
    (
        "gamma_tracked",
        "relaxation rate of a tracked subset",
        "D; noisy in short runs, as few atoms are tracked",
    ),
)


def _xpcs_rows() -> Iterable[Tolerance]:
    source = f"{_PAPER}, D at 256 atoms; {_CALIBRATED}"
    for name, observable, like in _RATES:
        for q in SHELLS:
            yield _dynamics(f"{name}-{q}", f"{observable}, {q}/Å", "1/ps", f"same 10 % as {like}", source)
    reason = "same 10 % as D; an integral instead of a fit, so another quantity than Γ"
    yield _dynamics("mean_relaxation_rate-1.844", "mean relaxation rate, 1.844/Å", "1/ps", reason, source)
    reason = (
        "same 10 % as D; the paper's network is within 4 %; taken at the peak of S(q), where the structure slows "
        "relaxation, so it answers less to the depth of the well than D does"
    )
    yield _dynamics(
        "xsvs_time", "XSVS correlation time, 1.844/Å", "ps", reason, f"{_PAPER}, speckle visibility; {_CALIBRATED}"
    )


def _solid_rows() -> Iterable[Tolerance]:
    yield _distance("solid_rdf", "solid", "g(r) of the crystal", "as in the liquid; it sees the shells' widths")
    yield Tolerance(
        key="symmetry-solid",
        check="solid_hessian",
        observable="symmetry S of the Hessian, crystal",
        kind="lower",
        limit=0.90,
        reason="an energy model has 1; the paper's networks have 0.785 and 0.949, the first with a wrong spectrum",
        source=f"{_PAPER}; a limit between its two networks",
        protocols=EVERYWHERE,
    )
    yield Tolerance(
        key="symmetry-liquid",
        check="solid_hessian",
        observable="symmetry S of the Hessian, liquid",
        kind="lower",
        limit=0.95,
        reason="an energy model has 1, the exact reference at least 0.999 on the shipped probe; the "
        "paper's networks have 0.984, those of its form here 0.975 to 0.994 at a sound step",
        source=f"{_PAPER}; {_MEASURED}",
        protocols=EVERYWHERE,
    )


def _phonon_rows() -> Iterable[Tolerance]:
    yield Tolerance(
        key="pdos",
        check="phonons",
        observable="distance of the phonon spectrum from the reference",
        kind="upper",
        limit=0.03,
        reason="3 % of the mean frequency is 6 % in force constants; networks trained on the liquid have 0.16 to 1.7 %",
        source=f"{_CHOICE}; {_MEASURED}; {_CALIBRATED}",
        protocols=EVERYWHERE,
    )
    yield Tolerance(
        key="negative_modes",
        check="phonons",
        observable="modes of negative curvature in the crystal",
        kind="info",
        reason="their effect on the spectrum is judged by pdos; the number tells a soft crystal from an unstable one",
        source=_CHOICE,
        protocols=EVERYWHERE,
    )


def _melting_rows() -> Iterable[Tolerance]:
    for key, sign, words, kelvin in (("melting_below", 1.0, "below", 59), ("melting_above", -1.0, "above", 89)):
        yield Tolerance(
            key=key,
            check="melting",
            observable=f"drift of the solid fraction at {kelvin} K, 15 K {words} melting",
            kind="sign",
            limit=sign,
            unit="1/ps",
            reason=f"the solid must {'grow' if sign > 0 else 'melt'} {words} its melting point; interfaces creep near "
            "it, so what is found is off by more than the bracket's 15 K",
            source=f"slabs rest at 74.2 ± 0.8 K at zero pressure, {_MEASURED}; {_CALIBRATED}",
            protocols=CI,
        )
    yield Tolerance(
        key="melting_point-full",
        check="melting",
        observable="melting point, the paper's geometry",
        kind="absolute",
        limit=2.7,
        unit="K",
        reason="twice the paper's error bar of 1.34 K; its networks are off by 0.6 and 1.2 K",
        source=_PAPER,
        protocols=FULL,
    )
    yield Tolerance(
        key="melting_point",
        check="melting",
        observable="melting point, coexistence geometry",
        kind="relative",
        limit=0.05,
        unit="K",
        reason="3.5 K at 70 K, where one slab's ladder spreads by 2.7 K",
        source=f"{_CHOICE}; spread {_MEASURED}",
        protocols=FULL,
    )


def _speed_rows() -> Iterable[Tolerance]:
    kinds = {"ms_per_call": "time per force call", "ms_per_step": "time per MD step"}
    names = [(f"{name}-{n}", f"{words}, {n} atoms") for name, words in kinds.items() for n in (256, 2048, 4000)]
    for key, observable in names:
        yield Tolerance(
            key=key,
            check="speed",
            observable=observable,
            kind="info",
            unit="ms",
            reason="speed is shown; a force call is judged where the user sets a limit",
            source="user's configuration",
            protocols=EVERYWHERE,
        )
    yield Tolerance(
        key="memory_growth",
        check="memory",
        observable="memory kept of 1000 force calls",
        kind="info",
        unit="MB",
        reason="what is kept of 25 000 calls of `ci` must fit; judged where the user sets a limit",
        source="user's configuration",
        protocols=EVERYWHERE,
    )


def _table() -> Mapping[str, Tolerance]:
    parts = (_forces_rows, _invariance_rows, _liquid_rows, _xpcs_rows, _solid_rows, _phonon_rows, _melting_rows)
    return MappingProxyType({row.key: row for part in (*parts, _speed_rows) for row in part()})


TOLERANCES: Mapping[str, Tolerance] = _table()
"""Rows of those checks by their keys."""
