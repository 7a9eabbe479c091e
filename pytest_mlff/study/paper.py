"""What the paper printed, and its tables beside this reference: how far apart they are, said plainly.

Values of S. Mohanty, S. Yoo, K. Kang and W. Cai, Comput. Phys. Commun. 288 (2023) 108723, for their molecular dynamics
and their graph networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.observables import estimate
from pytest_mlff.schema import Estimate
from pytest_mlff.units import MICRON2_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the paper says of a quantity, digit for digit with its error; empty where it says nothing."""

    molecular_dynamics: str = ""
    model_a: str = ""
    model_b: str = ""


_ALIKE = Published(model_a="figure: alike", model_b="figure: alike")
PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "parity-liquid-256": Published(model_a="≈ 1e-4", model_b="≈ 1e-4"),
        "rdf": _ALIKE,
        "diffusion": Published(model_a="within 10 %", model_b="within 10 %"),
        "diffusion-95K-4000": Published(molecular_dynamics="3254.70", model_b="3096.14"),
        "diffusion-100K-4000": Published(molecular_dynamics="3673.08", model_b="3802.89"),
        "diffusion-110K-4000": Published(molecular_dynamics="5010.12", model_b="4979.92"),
        "gamma_coherent-1.844": _ALIKE,
        "xsvs_time-95K-4000": Published(molecular_dynamics="2.16", model_b="2.25"),
        "xsvs_time-100K-4000": Published(molecular_dynamics="2.05", model_b="2.05"),
        "xsvs_time-110K-4000": Published(molecular_dynamics="1.83", model_b="1.83"),
        "solid_rdf": _ALIKE,
        "melting_point-paper": Published(molecular_dynamics="55.2 ± 1.34", model_a="56.4", model_b="55.8"),
        "paper_step-solid-float32": Published(model_a="0.785", model_b="0.949"),
        "paper_step-liquid-float32": Published(model_a="0.984", model_b="0.984"),
        "pdos": Published(model_a="wrong", model_b="right"),
        "ms_per_call-256": Published(model_b="10 × LJ"),
    }
)
"""By the row of the gate or of the ablation that measures the same: D in µm²/s, times in ps, temperatures in K."""


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Where the counterpart of a published number lies in the reference data.

    ``quantity`` has the unit of the paper, ``row`` is one of :data:`PUBLISHED`, ``factor`` leads from the unit of the
    data to that of the paper.
    """

    quantity: str
    row: str
    state: str
    observable: str
    variable: str
    factor: float = 1.0

    def measured(self, reference: Reference) -> Estimate:
        """Value from the reference data, in the unit of the paper."""
        found = estimate(reference.observable(self.state, self.observable), self.variable)
        return Estimate(found.value * self.factor, found.stderr * self.factor, found.dof)


_STATES = ("95K-4000", "100K-4000", "110K-4000")
COUNTERPARTS = (
    *(Counterpart("D / µm²/s", f"diffusion-{s}", s, "long_diffusion", "D", MICRON2_PER_S) for s in _STATES),
    *(Counterpart("XSVS time / ps", f"xsvs_time-{s}", s, "direct_xsvs_time", "correlation_time") for s in _STATES),
    Counterpart("melting point / K", "melting_point-paper", "paper", "melting_point", "T"),
)
"""Tables 1 and 2 of the paper, and the melting point of its protocol."""


def comparison(reference: Reference) -> Iterator[str]:
    """Lines of a Markdown table: the reference data beside the paper's tables, whose network is model B.

    Each has our value with its standard error, the paper's, and by how much the paper's lie above ours.
    """
    yield "| quantity | state | here | paper, MD | from ours | paper, network | from ours |"
    yield "|---|---|---|---|---|---|---|"
    for item in COUNTERPARTS:
        ours = item.measured(reference)
        digits = 0 if ours.value > 1000 else 1 if ours.value > 10 else 3
        printed = PUBLISHED[item.row]
        numbers = [float(text.partition(" ± ")[0]) for text in (printed.molecular_dynamics, printed.model_b)]
        paper = [f"{number:g} | {number / ours.value - 1:+.1%}" for number in numbers]
        yield (
            f"| {item.quantity} | {item.state} | {ours.value:.{digits}f} ± {ours.stderr:.{digits}f} "
            f"| {paper[0]} | {paper[1]} |"
        )
