"""What the user asked for, parsed at the door.

May import only ``errors`` and ``foreign``. Nothing here imports numpy: the plugin loads this room in every pytest run.
"""

from pytest_mlff.settings.config import Config, read_config, validate_config
from pytest_mlff.settings.options import OPTIONS, Inconclusive, Option, ProtocolName, Settings, check_folder
from pytest_mlff.settings.resolve import resolve

__all__ = [
    "OPTIONS",
    "Config",
    "Inconclusive",
    "Option",
    "ProtocolName",
    "Settings",
    "check_folder",
    "read_config",
    "resolve",
    "validate_config",
]
