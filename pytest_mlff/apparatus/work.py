"""What a check will ask of the model: force calls before they are made.

Each check has a function ``work`` beside the one that makes the calls, from the same lengths. What two rows share has
one name, and is paid once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Force calls of one kind.

    Attributes
    ----------
    share : str
        Name of what is computed, such as a row or a run. What several checks need is the same work for each of them.
    calls : int
        Configurations.
    atoms : int
        In each.
    replicas : int
        Copies that run at the same time, where the calls are steps of MD; 0 where they are calls alone.
    certain : bool
        False for a later look, which is taken only for what an earlier one left open.
    longest_s : float
        Time that it takes at most, for there are fewer calls of a slow model.
    """

    share: str
    calls: int
    atoms: int
    replicas: int = 0
    certain: bool = True
    longest_s: float = math.inf


def run_work(
    context: CheckContext,
    share: str,
    *,
    atoms: int,
    replicas: int,
    looks: tuple[int, ...],
    equilibration: int,
    segment: int,
) -> Iterator[Work]:
    """Count the steps of replicas that are looked at several times.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    share : str
        Name of the run.
    atoms, replicas : int
        Of each replica, and how many.
    looks : tuple of int
        Frames of each replica at each look.
    equilibration : int
        Steps before the first frame.
    segment : int
        Frames that are computed at a time, wanted or not.

    Yields
    ------
    Work
        One for each look.
    """
    stride, before = context.system.frame_stride, 0
    for number, wanted in enumerate(looks, 1):
        frames = -(-wanted // segment) * segment
        steps = (frames - before) * stride + (equilibration if number == 1 else 0)
        where = share if len(looks) == 1 else f"{share}, look {number}"
        yield Work(share=where, calls=replicas * steps, atoms=atoms, replicas=replicas, certain=number == 1)
        before = frames
