"""An ini file that a blank would lose: ``--mlff-cache-dir DIR`` where pytest wants ``--mlff-cache-dir=DIR``.

pytest settles its root folder before it knows the options of installed plugins. What stands alone behind one of them
is then taken for a path with tests, if it exists, and the project's settings are looked for around it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import SpecError
from pytest_mlff.settings.files import read_text, what_is
from pytest_mlff.settings.options import OPTIONS

if TYPE_CHECKING:
    import pytest

_ALWAYS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_SECTIONS = {
    "pyproject.toml": re.compile(r"^\s*\[tool\.(pytest|mlff)\b", re.MULTILINE),
    "tox.ini": re.compile(r"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(r"^\[tool:pytest\]", re.MULTILINE),
}


def refuse_lost_settings(config: pytest.Config) -> None:
    """Refuse an option with a blank that made pytest read another project's settings, or none.

    Parameters
    ----------
    config : pytest.Config
        With parsed options.

    Raises
    ------
    SpecError
        Naming the option, and the folder whose settings would not be read.
    """
    arguments = [*environment_arguments(), *map(str, config.invocation_params.args)]
    if any(argument.startswith(("-c", "--rootdir", "--config-file")) for argument in arguments):
        return
    here, root = config.invocation_params.dir, config.rootpath
    project = _project(_users_paths(config) or [here])
    if project is None or project == root:
        return
    flags = {option.flag for option in OPTIONS if not option.is_flag}
    for flag, value in pairwise(arguments):
        path = _absolute(here / value)
        if flag in flags and root in (path, *path.parents) and what_is(path) != "nothing":
            raise SpecError(
                f"write {flag}={value}: with a blank pytest takes the value for a path with tests, and reads no "
                f"settings of {project}"
            )


def environment_arguments() -> list[str]:
    """Give the arguments that the environment puts in front of the command line.

    Returns
    -------
    list of str
        Of ``PYTEST_ADDOPTS``, as pytest splits it.
    """
    return shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))


def _users_paths(config: pytest.Config) -> list[Path]:
    """Paths with tests that the user gave."""
    if config.args_source is not config.ArgsSource.ARGS:
        return []
    return [_absolute(config.invocation_params.dir / argument.partition("::")[0]) for argument in config.args]


def _project(paths: Sequence[Path]) -> Path | None:
    """Nearest folder around paths that holds settings of pytest or of this plugin."""
    try:
        start = Path(os.path.commonpath(paths))
    except ValueError:  # on two drives
        return None
    return next((folder for folder in (start, *start.parents) if _has_settings(folder)), None)


def _has_settings(folder: Path) -> bool:
    if any((folder / name).is_file() for name in _ALWAYS):
        return True
    for name, section in _SECTIONS.items():
        try:
            if section.search(read_text(folder / name, errors="replace")):
                return True
        except OSError:
            continue
    return False


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # links stay, as in pytest's own root folder
