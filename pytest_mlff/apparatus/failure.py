"""From an exception to the status of a row: the one map of the package."""

from __future__ import annotations

from pytest_mlff.errors import BudgetExhausted, MlffError, NonFiniteError, RefusedError, TooFewError, UnstableError
from pytest_mlff.foreign import described, one_line
from pytest_mlff.schema import Status

_STATUSES: tuple[tuple[type[BaseException], Status], ...] = (
    (BudgetExhausted, "INCONCLUSIVE"),  # no time was left to find out
    (TooFewError, "INCONCLUSIVE"),
    (UnstableError, "FAIL"),  # the model left physics
    (NonFiniteError, "FAIL"),
    (RefusedError, "NOT_APPLICABLE"),
)
_LONGEST = 2000
"""Characters of a reason."""


def status_of(error: BaseException) -> Status:
    """Status of a row that an exception left without a number.

    Parameters
    ----------
    error : BaseException
        What was raised; Ctrl-C is nobody's to catch.

    Returns
    -------
    str
        ERROR for all that says nothing about the model's physics: what a calculator raises, ``pytest.skip`` and
        ``sys.exit`` included, a disk that is full, a defect of the gate.
    """
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), "ERROR")


def reason_of(error: BaseException) -> str:
    """Text of an exception, for the reason of a record.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str
        One printable line: the text of an error of this package, type and text of another.
    """
    return one_line(str(error), _LONGEST) if isinstance(error, MlffError) else described(error)
