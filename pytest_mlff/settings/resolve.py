"""The settings of a pytest run: command line over ini over default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import SpecError
from pytest_mlff.settings.config import Known, read_config
from pytest_mlff.settings.options import OPTIONS, Option, Settings
from pytest_mlff.settings.paths import at_home
from pytest_mlff.settings.rootdir import environment_arguments, refuse_lost_settings

if TYPE_CHECKING:
    import pytest


def resolve(config: pytest.Config, known: Known) -> Settings:
    """Collect the settings of a run: command line over ini over default.

    Parameters
    ----------
    config : pytest.Config
        With parsed options.
    known : mapping of str to CheckTable
        What the configuration file may hold.

    Returns
    -------
    Settings
        Checked; the configuration file is read.

    Raises
    ------
    SpecError
        About a value that cannot be used.
    """
    refuse_lost_settings(config)
    found = {option.field: _value(config, option) for option in OPTIONS}
    given = {name: value for name, value in found.items() if value is not None}
    given["folder"] = config.invocation_params.dir
    given["standing"] = frozenset(option.name for option in OPTIONS if _stands(config, option))
    pyproject = config.rootpath / "pyproject.toml"
    if "config_file" in given or pyproject.is_file():
        given["config"], system = read_config(given.get("config_file", pyproject), known=known)
        if system is not None:
            given.setdefault("system", system)
    return Settings(**given)


def _stands(config: pytest.Config, option: Option) -> bool:
    """Whether an option is set for every run: in the ini file, its ``addopts``, or the environment."""
    added = [*config.getini("addopts"), *environment_arguments()]
    return bool(config.getini(option.ini)) or any(word.partition("=")[0] == option.flag for word in added)


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
        return Path(at_home(value))
    except SpecError as error:
        raise SpecError(f"{option.flag}={error}") from None


def _anchored(spec: str, folder: Path) -> str:
    """Let the file or path of a spec in an ini file start at the ini file's folder.

    That is what stands before the first colon if it ends in ``.py``, and a spec without a colon that names
    something there. Modules, ecosystems and what they are given stay as they are: a folder ``mace`` must not
    turn ``mace:medium`` into a path.
    """
    head, colon, tail = spec.strip().partition(":")
    try:
        path = folder / at_home(head.strip())
        is_file = head.strip().endswith(".py") or (bool(head) and not colon and path.exists())
    except (OSError, SpecError, ValueError):  # too long a name, no home folder, a null byte
        return spec
    return f"{path}{colon}{tail}" if is_file else spec
