"""Names of systems, as users write them in an option, a configuration file or a command."""

from __future__ import annotations

from typing import Any

from pytest_mlff.settings.names import suggest

BUNDLED = ("argon",)
"""Systems that come with the package, the default first."""


def known_system(value: Any) -> str:
    """Name of a system, or ``ValueError`` with what is wrong; a file is refused, for nothing reads it yet."""
    known = ", ".join(BUNDLED)
    if not isinstance(value, str):
        raise ValueError(f"not the name of a system; expected {known}")
    name = value.strip()
    if name.endswith(".toml"):
        raise ValueError(f"a system of your own from a file is not there yet; expected {known}")
    if name not in BUNDLED:
        raise ValueError(f"no such system{suggest(name, BUNDLED)}; expected {known}")
    return name
