"""The settings of a pytest run: command line over ini over default."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import SpecError
from pytest_mlff.settings.config import read_config
from pytest_mlff.settings.options import OPTIONS, Option, Settings

if TYPE_CHECKING:
    import pytest


def resolve(config: pytest.Config) -> Settings:
    """Collect the settings of a run: command line over ini over default.

    Parameters
    ----------
    config : pytest.Config
        With parsed options.

    Returns
    -------
    Settings
        Checked; the configuration file is read.

    Raises
    ------
    SpecError
        About a value that cannot be used.
    """
    _refuse_lost_ini_file(config)
    found = {option.field: _value(config, option) for option in OPTIONS}
    given = {name: value for name, value in found.items() if value is not None}
    given["in_ini"] = frozenset(option.name for option in OPTIONS if config.getini(option.ini))
    pyproject = config.rootpath / "pyproject.toml"
    if "config_file" in given:
        given["config"] = read_config(given["config_file"])
    elif pyproject.is_file():
        given["config"] = read_config(pyproject)
    return Settings(**given)


_INI_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


def _refuse_lost_ini_file(config: pytest.Config) -> None:
    """Refuse ``--mlff-... PATH`` with a blank where it makes pytest look for the project at that path.

    pytest settles its root folder before it knows the options of installed plugins, and takes an existing path that
    stands alone for one with tests.
    """
    arguments, here = [str(argument) for argument in config.invocation_params.args], config.invocation_params.dir
    if any(argument.startswith(("-c", "--rootdir", "--config-file")) for argument in arguments):
        return
    project = next(
        (folder for folder in (here, *here.parents) if any((folder / x).is_file() for x in _INI_FILES)), None
    )
    if project is None or project == config.rootpath:
        return
    flags = {option.flag for option in OPTIONS if not option.is_flag}
    for flag, value in pairwise(arguments):
        path = (here / value).resolve()
        around = (path, *path.parents)
        if flag in flags and config.rootpath in around and here not in around and path.exists():
            raise SpecError(
                f"write {flag}={value}: with a blank pytest takes the value for a path with tests, and reads no "
                f"settings of {project}"
            )


def _value(config: pytest.Config, option: Option) -> Any:
    value, folder = config.getoption(option.ini), config.invocation_params.dir
    if value is None:
        written = config.getini(option.ini)
        if not written:
            return None
        folder = config.inipath.parent if config.inipath else config.rootpath
        if option.name == "model":
            return tuple(_anchored(spec, folder) for spec in written)
        value = option.read(written, f"ini option {option.ini}")
    if option.name == "model":
        return tuple(value)
    return folder / _expanded(value, option) if option.is_path else value


def _expanded(value: Any, option: Option) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # no such user
        raise SpecError(f"{option.flag}={value}: {error}") from None


def _anchored(spec: str, folder: Path) -> str:
    """Let the file or path of a spec in an ini file start at the ini file's folder.

    That is what stands before the first colon if it ends in ``.py``, and a spec without a colon that names
    something there. Modules, ecosystems and what they are given stay as they are: a folder ``mace`` must not
    turn ``mace:medium`` into a path.
    """
    head, colon, tail = spec.strip().partition(":")
    try:
        path = folder / Path(head.strip()).expanduser()
        is_file = head.strip().endswith(".py") or (bool(head) and not colon and path.exists())
    except (OSError, RuntimeError, ValueError):  # too long a name, no home folder, a null byte
        return spec
    return f"{path}{colon}{tail}" if is_file else spec
