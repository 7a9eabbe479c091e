"""The merge gate for machine-learned force fields, as a pytest plugin."""

__version__ = "0.1.0"

__all__ = ["__version__"]
