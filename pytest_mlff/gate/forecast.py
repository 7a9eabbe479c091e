"""What a run will take, before it starts: force calls from the checks themselves, and the pace of this model here.

The pace is measured in a few calls at up to three sizes, and in a few steps of MD; other sizes lie on the line between
them. What the gate itself does beside the calls (reading, analysis: a minute for ``ci``) is not in it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pytest_mlff.apparatus.calls import call_target
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.declaration import Row
from pytest_mlff.apparatus.work import Work
from pytest_mlff.gate.catalogue import CHECKS, able, chosen_protocol, module_of, rows
from pytest_mlff.simulation.engine import Engine

STATE = "100K-256"
"""Where the pace of MD is measured."""
SIZES = (32, 256, 2048)
"""Atoms at which the pace of a call is measured."""
TOO_LONG_S = 2.0
"""A call of the largest size that would last longer is not measured: it follows from the smaller ones."""
LONG_S = 120.0
"""A run that will take longer is announced unasked."""
_ENOUGH_S, _REPEATS = 0.5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is computed.

    Attributes
    ----------
    check, what : str
        The check that comes to it first, and its name.
    calls : int
        Configurations.
    seconds : float
        Their time.
    certain : bool
        False for a later look, which is taken only where an earlier one leaves a row open.
    in_budget : bool
        Whether the budget lasts to its end.
    """

    check: str
    what: str
    calls: int
    seconds: float
    certain: bool
    in_budget: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run of a model will take.

    Attributes
    ----------
    model, protocol : str
        Their names.
    ms_per_call : mapping of str to float
        By the number of atoms, as measured; ``"256 MD"`` is a step of MD, for one configuration.
    lines : tuple of Line
        In the order of the run.
    smoke_s : float
        Time of protocol ``smoke``.
    """

    model: str
    protocol: str
    ms_per_call: dict[str, float]
    lines: tuple[Line, ...]
    smoke_s: float

    def calls(self, *, all_looks: bool) -> int:
        """Force calls in all.

        Parameters
        ----------
        all_looks : bool
            With the looks that may not be needed.

        Returns
        -------
        int
            Configurations.
        """
        return sum(line.calls for line in self.lines if line.certain or all_looks)

    def seconds(self, *, all_looks: bool) -> float:
        """Time in all.

        Parameters
        ----------
        all_looks : bool
            With the looks that may not be needed.

        Returns
        -------
        float
            In s.
        """
        return sum(line.seconds for line in self.lines if line.certain or all_looks)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the budget does not last for."""
        return tuple(line.what for line in self.lines if line.certain and not line.in_budget)

    def to_dict(self) -> dict[str, Any]:
        """Plain builtins.

        Returns
        -------
        dict
            For the records file.
        """
        return {
            "model": self.model,
            "protocol": self.protocol,
            "ms_per_call": dict(self.ms_per_call),
            "calls": [self.calls(all_looks=False), self.calls(all_looks=True)],
            "seconds": [self.seconds(all_looks=False), self.seconds(all_looks=True)],
            "smoke_s": self.smoke_s,
            "left_out": list(self.left_out),
            "lines": [asdict(line) for line in self.lines],
        }


def planned_work(
    context: CheckContext, wanted: Sequence[Row], checks: Iterable[str] = CHECKS
) -> list[tuple[str, Work]]:
    """List what rows need, each thing once, in the order of the run.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    wanted : sequence of Row
        Those that will run.
    checks : iterable of str, optional
        Which checks to ask.

    Returns
    -------
    list of (str, Work)
        With the check that comes to it first.
    """
    found: dict[Work, str] = {}
    for check in checks:
        chosen = [row for row in able(wanted, context.model.provides) if row.check == check]
        if chosen:
            for work in module_of(check).work(context, chosen):
                found.setdefault(work, check)
    return [(check, work) for work, check in found.items()]


class Pace:
    """Time of a model's calls and steps.

    Parameters
    ----------
    context : CheckContext
        Of the model.
    largest, replicas : int
        Largest number of atoms and of replicas that anything will ask for.
    """

    def __init__(self, context: CheckContext, *, largest: int, replicas: int) -> None:
        self._calls: list[tuple[int, float]] = []
        for atoms in SIZES:
            if atoms <= 256 or (largest > 256 and self.of_call(atoms) < TOO_LONG_S):
                self._calls.append((atoms, _timed(call_target(context, atoms))))
        state = context.system.state(STATE)
        self._batched = context.forces(state.numbers, state.cell).batched
        copies = sorted({1, replicas}) if self._batched else [1]
        self._steps = [(count, self._time_steps(context, count)) for count in copies]

    def _time_steps(self, context: CheckContext, copies: int) -> float:
        """Time of one step of so many replicas at once, in s."""
        starts, state = context.starts(f"start/{STATE}", copies), context.system.state(STATE)
        engine = Engine(context.model, context.system, state, seeds=range(copies), meter=context.meter)
        engine.start(starts.positions)
        block = context.system.frame_stride if engine.native else 1
        self._native = engine.native
        return _timed(lambda: engine.step(block)) / block

    def of_call(self, atoms: int) -> float:
        """Time of a call.

        Parameters
        ----------
        atoms : int
            In the configuration.

        Returns
        -------
        float
            In s; on the line through the nearest two sizes.
        """
        return max(_on_line(self._calls, atoms), 0.1 * self._calls[0][1])

    def of_work(self, work: Work) -> float:
        """Time of some work.

        Parameters
        ----------
        work : Work
            Calls or steps.

        Returns
        -------
        float
            In s.
        """
        if not work.replicas:
            return min(work.calls * self.of_call(work.atoms), work.longest_s)
        copies = work.replicas if self._batched else 1
        one = max(_on_line(self._steps, copies) / copies, 0.0)
        larger = work.atoms / 256 if self._native else self.of_call(work.atoms) / self.of_call(256)
        return work.calls * one * larger

    def measured(self) -> dict[str, float]:
        """Give what was measured.

        Returns
        -------
        dict
            In ms for one configuration.
        """
        calls = {str(atoms): 1e3 * seconds for atoms, seconds in self._calls}
        return calls | {"256 MD": 1e3 * self._steps[-1][1] / self._steps[-1][0]}


def _timed(target: Callable[[], Any]) -> float:
    """Time of a call in s after one that warms up, the median of a few."""
    target()
    found: list[float] = []
    while len(found) < _REPEATS and sum(found) < _ENOUGH_S:
        began = time.perf_counter()
        target()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _on_line(points: Sequence[tuple[int, float]], where: int) -> float:
    """Value on the line through the two points that are nearest to a place, or last before it."""
    if len(points) == 1:
        return points[0][1]
    place = min(max(sum(x < where for x, _ in points), 1), len(points) - 1)
    (x, y), (x2, y2) = points[place - 1 : place + 1]
    return y + (y2 - y) * (where - x) / (x2 - x)


def forecast(context: CheckContext, wanted: Sequence[Row], *, always: bool = True) -> Forecast | None:
    """Say what rows will take.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    wanted : sequence of Row
        Those that will run.
    always : bool, optional
        Say it also where it is not long.

    Returns
    -------
    Forecast or None
        Of a model that passes, with nothing in the cache; None for a short run, unless asked for.

    Raises
    ------
    MlffError
        If the model cannot be timed.
    """
    work = planned_work(context, wanted, [name for name, check in CHECKS.items() if not check.dry_run])
    largest = max((one.atoms for _, one in work), default=256)
    pace = Pace(context, largest=largest, replicas=max((one.replicas for _, one in work), default=1) or 1)
    if not always and sum(pace.of_work(one) for _, one in work) < LONG_S:
        return None  # symmetries take a tenth of the rest, and seconds to count
    work = planned_work(context, wanted)
    short = replace(context, protocol=chosen_protocol("smoke", context.config))
    smoke = planned_work(short, rows("smoke", context.config))
    lines, left = [], context.meter.budget.left
    for check, one in work:
        seconds = pace.of_work(one)
        left -= seconds if one.certain else 0.0
        lines.append((check, one, seconds, left >= 0.0))
    return Forecast(
        model=context.model.name,
        protocol=context.protocol.name,
        ms_per_call=pace.measured(),
        lines=_merged(lines),
        smoke_s=sum(pace.of_work(one) for _, one in smoke),
    )


def _merged(lines: Sequence[tuple[str, Work, float, bool]]) -> tuple[Line, ...]:
    """Make one line of what has one name."""
    found: dict[str, Line] = {}
    for check, work, seconds, lasts in lines:
        before = found.get(work.share)
        found[work.share] = Line(
            check=check,
            what=work.share,
            calls=work.calls + (before.calls if before else 0),
            seconds=seconds + (before.seconds if before else 0.0),
            certain=work.certain,
            in_budget=lasts,
        )
    return tuple(found.values())
