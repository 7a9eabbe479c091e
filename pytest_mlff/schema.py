"""The types that travel between rooms: model, estimate, record, and the shape of a trajectory.

May import only ``settings``, ``units`` and ``errors``. xarray and numpy are imported lazily, so that the
plugin can know these types in a session that runs no check.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pytest_mlff.errors import ObservableError

if TYPE_CHECKING:
    import xarray as xr

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "INFO", "ERROR"]

TRAJECTORY_DIMS = ("replica", "frame", "atom", "xyz")
_LAYOUT = {"position": TRAJECTORY_DIMS, "cell": ("vector", "xyz"), "numbers": ("atom",), "masses": ("atom",)}
SCHEMA_VERSION = 2


class Model(Protocol):
    """A force field under test: a calculator, what it provides, and who it is."""

    @property
    def name(self) -> str:
        """Short name, used in test ids and tables."""

    @property
    def spec(self) -> str:
        """The spec string it was loaded from."""

    @property
    def fingerprint(self) -> str:
        """Hash of source, arguments, package version and of the forces on fixed probe configurations."""

    @property
    def calculator(self) -> Any:
        """The ASE calculator."""

    @property
    def provides(self) -> frozenset[str]:
        """Subset of ``{"energy", "forces", "stress"}``."""

    @property
    def repeatable(self) -> bool:
        """Whether the same input gave the same forces twice; only then is anything cached across runs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its standard error.

    Attributes
    ----------
    value : float
        The estimate.
    stderr : float
        Its standard error; NaN where none can be given, 0 for an exact number.
    dof : float
        Degrees of freedom of ``stderr`` (replicas − 1); ``inf`` for a known or very well measured error.
    """

    value: float
    stderr: float
    dof: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The outcome of one row of one check, as plain builtins.

    ``deviation``, ``interval`` and ``tolerance`` are in the unit the row is judged in: a fraction for relative
    rows, the unit of the quantity otherwise. ``check`` is the file that measures the row, empty for a user's own.
    ``replicas`` are the candidate's values of single replicas, in ``unit``, where there are such. ``blocked_by`` is the
    check whose failure made this row not worth running; such a model is refused, whatever rows were chosen.
    ``traceback`` is that of an ERROR, for who asks pytest for it; it leaves the process in the text of the test alone.
    """

    row: str
    model: str
    status: Status
    observable: str
    unit: str = ""
    candidate: float | None = None
    candidate_stderr: float | None = None
    reference: float | None = None
    reference_stderr: float | None = None
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    tolerance: float | None = None
    kind: str = "info"
    looks: int = 0
    force_calls: int = 0
    wall_s: float = 0.0
    reason: str = ""
    check: str = ""
    state: str = ""
    replicas: tuple[float, ...] = ()
    blocked_by: str = ""
    traceback: str = field(default="", repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain builtins only: xdist and JSON accept nothing else.

        Returns
        -------
        dict
            One entry per field but ``traceback``; NumPy scalars become ``float`` or ``int``, NaN and infinities
            become ``None``.
        """
        return {key: _plain(value) for key, value in asdict(self).items() if key != "traceback"}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) or (hasattr(value, "dtype") and value.dtype.kind in "iu"):
        return int(value)
    number = float(value)
    return number if abs(number) < float("inf") else None


def validate_trajectory(trajectory: xr.Dataset) -> None:
    """Refuse a data set that is not a trajectory.

    Parameters
    ----------
    trajectory : xr.Dataset
        Must hold ``position`` (replica, frame, atom, xyz) in Å, unwrapped, ``cell`` (vector, xyz) in Å (its rows are
        the cell vectors; fixed), the atomic ``numbers`` and the ``masses`` in amu (atom) and the coordinate ``time``
        (frame) in ps, evenly spaced.

    Raises
    ------
    ObservableError
        Naming the missing or misshapen item.
    """
    for name in (*_LAYOUT, "time"):
        if name not in trajectory.variables:
            raise ObservableError(f"trajectory has no {name!r}; it must hold {', '.join(_LAYOUT)} and time")
        if "units" not in trajectory[name].attrs:
            raise ObservableError(f"trajectory variable {name!r} has no attrs['units']")
    for name, dims in _LAYOUT.items():
        if trajectory[name].dims != dims:
            raise ObservableError(f"{name} has dims {trajectory[name].dims}, expected {dims}")


def trajectory_dataset(
    position: Any, cell: Any, frame_interval: float, *, numbers: Any = 0, masses: Any = 1.0, **attrs: Any
) -> xr.Dataset:
    """Assemble a trajectory.

    Parameters
    ----------
    position : array_like, shape (replica, frame, atom, 3)
        Unwrapped positions in Å.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    frame_interval : float
        Time between frames in ps.
    numbers : array_like of int, shape (atom,) or ()
        Atomic numbers, or one for all atoms; 0 for particles that are no element.
    masses : array_like, shape (atom,) or ()
        In amu, or one for all atoms; only their ratios matter, for the centre of mass.
    **attrs
        Kept as attributes of the data set.

    Returns
    -------
    xr.Dataset
        As :func:`validate_trajectory` demands.
    """
    import numpy as np
    import xarray as xr

    position = np.asarray(position)
    each = position.shape[2:3]
    time = np.arange(position.shape[1]) * float(frame_interval)
    return xr.Dataset(
        {
            "position": (TRAJECTORY_DIMS, position, {"units": "Å"}),
            "cell": (_LAYOUT["cell"], np.asarray(cell, dtype=float), {"units": "Å"}),
            "numbers": (("atom",), np.broadcast_to(np.asarray(numbers, dtype=np.int64), each).copy(), {"units": "1"}),
            "masses": (("atom",), np.broadcast_to(np.asarray(masses, dtype=float), each).copy(), {"units": "amu"}),
        },
        coords={"time": (("frame",), time, {"units": "ps"})},
        attrs=dict(attrs),
    )
