"""The paper's tables beside this reference: how far apart they are, said plainly.

Values of S. Mohanty, S. Yoo, K. Kang and W. Cai, Comput. Phys. Commun. 288 (2023) 108723, Tables 1 and 2 and the
melting point of its protocol, for their molecular dynamics and their graph network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.observables import estimate
from pytest_mlff.schema import Estimate
from pytest_mlff.units import MICRON2_PER_S


@dataclass(frozen=True, slots=True)
class Published:
    """A number of the paper and where its counterpart lies here.

    Attributes
    ----------
    quantity : str
        In words, with its unit.
    state, observable, variable : str
        Of the reference data.
    molecular_dynamics, network : float
        The paper's values.
    factor : float
        From the unit of the reference data to the one that is printed.
    """

    quantity: str
    state: str
    observable: str
    variable: str
    molecular_dynamics: float
    network: float
    factor: float = 1.0


PUBLISHED = (
    *(
        Published("D / µm²/s", f"{kelvin}K-4000", "long_diffusion", "D", md, network, MICRON2_PER_S)
        for kelvin, md, network in ((95, 3254.70, 3096.14), (100, 3673.08, 3802.89), (110, 5010.12, 4979.92))
    ),
    *(
        Published("XSVS time / ps", f"{kelvin}K-4000", "direct_xsvs_time", "correlation_time", md, network)
        for kelvin, md, network in ((95, 2.16, 2.25), (100, 2.05, 2.05), (110, 1.83, 1.83))
    ),
    Published("melting point / K", "paper", "melting_point", "T", 55.2, 55.8),
)
"""The network is model B where the paper has two."""


def comparison(reference: Reference) -> Iterator[str]:
    """Compare the reference data with the paper's tables.

    Parameters
    ----------
    reference : Reference
        Of this installation.

    Yields
    ------
    str
        Lines of a Markdown table: our value with its standard error, the paper's, and by how much the paper's lie
        above ours.

    Raises
    ------
    ReferenceDataError
        If the data lack a state.
    """
    yield "| quantity | state | here | paper, MD | from ours | paper, network | from ours |"
    yield "|---|---|---|---|---|---|---|"
    for item in PUBLISHED:
        found = estimate(reference.observable(item.state, item.observable), item.variable)
        ours = Estimate(found.value * item.factor, found.stderr * item.factor, found.dof)
        digits = 0 if ours.value > 1000 else 1 if ours.value > 10 else 3
        paper = [f"{value:g} | {value / ours.value - 1:+.1%}" for value in (item.molecular_dynamics, item.network)]
        yield (
            f"| {item.quantity} | {item.state} | {ours.value:.{digits}f} ± {ours.stderr:.{digits}f} "
            f"| {paper[0]} | {paper[1]} |"
        )
