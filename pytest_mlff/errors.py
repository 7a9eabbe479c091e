"""The exceptions of the package.

The tree::

    MlffError
    ├── SpecError            a model spec, an option or a configuration that cannot be used
    ├── ObservableError      data an observable cannot be computed from (also a ValueError)
    ├── UnstableError        a trajectory that left physics: NaN, runaway temperature, overlap
    ├── ModelError           the candidate's calculator raised while it was being run
    ├── CacheError           the cache directory cannot be used
    └── ReferenceDataError   reference data are missing, altered, or do not cover the request
"""


class MlffError(Exception):
    """Base of everything this package raises on purpose."""


class SpecError(MlffError):
    """A model spec, option or configuration that cannot be used: says what was tried and what would work."""


class ObservableError(MlffError, ValueError):
    """Data that an observable cannot be computed from."""


class UnstableError(MlffError):
    """A trajectory that left physics; names step, time and atoms."""


class ModelError(MlffError):
    """The candidate's calculator raised while it was being run."""


class CacheError(MlffError):
    """The cache directory cannot be read or written."""


class ReferenceDataError(MlffError):
    """Reference data are missing, altered, or do not cover what was asked."""
