"""The settings of a pytest run: command line over ini over default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    found = {option.field: _value(config, option) for option in OPTIONS}
    given = {name: value for name, value in found.items() if value is not None}
    pyproject = config.rootpath / "pyproject.toml"
    if "config_file" in given:
        given["config"] = read_config(given["config_file"])
    elif pyproject.is_file():
        given["config"] = read_config(pyproject)
    return Settings(**given)


def _value(config: pytest.Config, option: Option) -> Any:
    value, folder = config.getoption(option.ini), config.invocation_params.dir
    if value is None:
        written = config.getini(option.ini)
        if not written:
            return None
        folder = config.inipath.parent if config.inipath else config.rootpath
        value = written if option.name == "model" else option.read(written, f"ini option {option.ini}")
    if option.name == "model":
        return tuple(value)
    return folder / Path(value).expanduser() if option.is_path else value
