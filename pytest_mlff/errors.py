"""The exceptions of the package.

The tree::

    MlffError
    ├── SpecError            a model spec, an option or a configuration that cannot be used
    ├── ObservableError      data an observable cannot be computed from (also a ValueError)
    │   ├── NonFiniteError   a NaN or an infinity among them: a FAIL of the row that met it
    │   └── TooFewError      sound, and not enough of them: more would decide
    ├── UnstableError        a trajectory that left physics: NaN, runaway temperature, overlap
    ├── ModelError           the candidate's calculator raised while it was being run
    │   └── RefusedError     it says itself that it cannot be asked this
    ├── BudgetExhausted      the wall-clock budget is spent; what is undecided stays undecided
    ├── CacheError           the cache directory cannot be used
    └── ReferenceDataError   reference data are missing, altered, or do not cover the request
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_mlff.foreign import is_escape


class MlffError(Exception):
    """Base of everything this package raises on purpose."""


class SpecError(MlffError):
    """A model spec, option or configuration that cannot be used: says what was tried and what would work."""


class ObservableError(MlffError, ValueError):
    """Data that an observable cannot be computed from."""


class NonFiniteError(ObservableError):
    """A NaN or an infinity among them: the row that met it FAILs.

    Attributes
    ----------
    structure : pytest_mlff.systems.structure.Structure or None
        For which a calculator gave it.
    """

    structure: Any = None


class TooFewError(ObservableError):
    """Data that are sound and not enough to measure anything: more would decide."""


class UnstableError(MlffError):
    """A trajectory that left physics; names step, time and atoms.

    Attributes
    ----------
    last_sane : Any
        Positions (atom, xyz) in Å of the last frame that passed the checks, or None.
    """

    last_sane: Any = None


class ModelError(MlffError):
    """The candidate's calculator raised while it was being run, or returned what is no answer.

    Attributes
    ----------
    images : sequence of ase.Atoms
        What it was asked for.
    """

    images: Sequence[Any] = ()

    @property
    def is_refusal(self) -> bool:
        """Whether the calculator raised an ordinary exception: of another structure it may well be asked.

        Returns
        -------
        bool
            False for an answer that cannot be used, and for what ends a test or a program.
        """
        return self.__cause__ is not None and not is_escape(self.__cause__)

    def located(self, where: str) -> ModelError:
        """Make the same error, with more about where it happened.

        Parameters
        ----------
        where : str
            Follows the text.

        Returns
        -------
        ModelError
            To be raised from the same cause.
        """
        error = ModelError(f"{self} {where}")
        error.images = self.images
        return error


class RefusedError(ModelError):
    """The model says itself that it cannot be asked this."""


class BudgetExhausted(MlffError):
    """The wall-clock budget is spent; what is undecided stays undecided."""


class CacheError(MlffError):
    """The cache directory cannot be read or written."""


class ReferenceDataError(MlffError):
    """Reference data are missing, altered, or do not cover what was asked."""
