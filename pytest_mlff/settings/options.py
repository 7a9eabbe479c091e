"""The options of a run: one frozen object, the parsers that fill it, and the table of their spellings.

The parsers serve argparse (``type=``) and the ini twins alike, raise :class:`argparse.ArgumentTypeError` for what does
not fit, and give what the run uses: later rooms never see a raw string.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.settings.config import NO_CONFIG, Config
from pytest_mlff.settings.names import shown, suggest
from pytest_mlff.settings.systems import BUNDLED, known_system

ProtocolName = Literal["smoke", "ci", "full"]
Inconclusive = Literal["fail", "skip", "pass"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of one run.

    Attributes
    ----------
    models : tuple of str
        Spec strings of the models under test; empty when the plugin is not used.
    system : str
        The material: the name of a system.
    protocol : {"smoke", "ci", "full"}
        How long and how large to run.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:n"``.
    seed : int
        Non-negative; decides every random choice of the run.
    budget_s : float or None
        Wall time in seconds after which nothing more is computed; None for no limit.
    inconclusive : {"fail", "skip", "pass"}
        What an INCONCLUSIVE record does to its test.
    config : mapping of str to mapping
        The validated tables of the configuration file: ``tolerances``, ``liquid``, ``solid``, ``melting``,
        ``forces``, ``speed``. A table that the user did not write is absent.
    config_file : Path or None
        The file asked for; None when it was ``[tool.mlff]`` or nothing.
    json : Path or None
        Where the records of the run go.
    cache_dir : Path or None
        Folder of cached trajectories; None for the user's cache folder.
    forecast : bool
        Whether to say how long the run would take, and stop.
    timeout_s : float or None
        Longest force call in seconds; None for no limit.
    suite : bool
        Whether the bundled suite runs beside the paths given on the command line.
    standing : frozenset of str
        Options that are set for every run, in the ini file or by ``addopts``: a command that is to be run again must
        name them.
    folder : Path or None
        Where relative paths of the command line start, those of the models among them; None for the working directory.
    """

    models: tuple[str, ...] = ()
    system: str = BUNDLED[0]
    protocol: ProtocolName = "ci"
    device: str = "auto"
    seed: int = 0
    budget_s: float | None = None
    inconclusive: Inconclusive = "fail"
    config: Config = field(default_factory=lambda: NO_CONFIG)
    config_file: Path | None = None
    json: Path | None = None
    cache_dir: Path | None = None
    forecast: bool = False
    timeout_s: float | None = None
    suite: bool = False
    standing: frozenset[str] = frozenset()
    folder: Path | None = None

    @property
    def cache_root(self) -> Path:
        """Folder of the cache: ``cache_dir``, else the user's cache folder of this package.

        Returns
        -------
        Path
            Not created here.
        """
        if self.cache_dir is not None:
            return self.cache_dir
        import platformdirs

        return (self.folder or Path()) / platformdirs.user_cache_dir("pytest-mlff")


_DURATION = re.compile(r"(?=.)(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")


def parse_duration(text: str) -> float:
    """Seconds, positive, of a duration such as ``"20m"``, ``"90s"``, ``"1h30m"`` or plain seconds."""
    hint = "expected a positive duration such as 90s, 20m, 1h30m or a number of seconds"
    cleaned = "".join(text.split()).lower()
    match = _DURATION.fullmatch(cleaned)
    if match is None:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a duration: {hint}")
    parts = {unit: float(number) for unit, number in match.groupdict(default="0").items()}
    seconds = 3600.0 * parts["h"] + 60.0 * parts["m"] + parts["s"]
    if not 0.0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{shown(text)} is {seconds:g} s: {hint}")
    return seconds


def parse_device(text: str) -> str:
    """Device in lower case: ``auto``, ``cpu``, ``cuda`` or ``cuda:n``."""
    device = text.strip().lower()
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a device: expected auto, cpu, cuda or cuda:N")
    return device


def parse_seed(text: str) -> int:
    """Seed: a non-negative whole number of at most 18 digits."""
    if not re.fullmatch(r"\d{1,18}", text.strip()):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a seed: expected a whole number >= 0")
    return int(text)


def _parse_choice(text: str, choices: tuple[str, ...], what: str) -> str:
    word = text.strip().lower()
    if word not in choices:
        known = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise argparse.ArgumentTypeError(f"{shown(text)} is not {what}{suggest(word, choices)}; expected {known}")
    return word


def parse_system(text: str) -> str:
    """Name of a system."""
    try:
        return known_system(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{shown(text)}: {error}") from None


def parse_protocol(text: str) -> str:
    """Name of a protocol, in lower case."""
    return _parse_choice(text, get_args(ProtocolName), "a protocol")


def parse_inconclusive(text: str) -> str:
    """Answer to an INCONCLUSIVE record, in lower case."""
    return _parse_choice(text, get_args(Inconclusive), "an answer to INCONCLUSIVE")


def parse_bool(text: str) -> bool:
    """Truth value of an ini twin of a flag."""
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{shown(text)} is neither true nor false")


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option and its ini twin (the same name with ``mlff_`` in front).

    Attributes
    ----------
    name : str
        Stem of both spellings.
    field : str
        Field of :class:`Settings` that it fills.
    parse : callable
        From the typed string to the value.
    metavar : str
        Placeholder in ``--help``; empty for a flag.
    help : str
        One line for ``--help``.
    """

    name: str
    field: str
    parse: Callable[[str], Any]
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """Spelling on the command line, such as ``--mlff-cache-dir``."""
        return "--mlff-" + self.name.replace("_", "-")

    @property
    def ini(self) -> str:
        """Spelling in an ini file, such as ``mlff_cache_dir``; also the argparse destination."""
        return "mlff_" + self.name

    @property
    def is_flag(self) -> bool:
        """Whether it stands alone on the command line."""
        return not self.metavar

    @property
    def is_path(self) -> bool:
        """Whether the value is a path: relative ones start at the invocation folder or at the ini file."""
        return self.metavar in ("FILE", "DIR")

    def read(self, text: str, spelling: str) -> Any:
        """Parse what the user wrote.

        Parameters
        ----------
        text : str
            The value.
        spelling : str
            Where it was written, for the message.

        Returns
        -------
        Any
            As ``parse`` gives it.

        Raises
        ------
        SpecError
            Naming the option.
        """
        try:
            return self.parse(text)
        except argparse.ArgumentTypeError as error:
            raise SpecError(f"{spelling}: {error}") from None


OPTIONS = (
    Option("model", "models", str, "SPEC", "force field to test; repeatable; with no path, run the bundled suite"),
    Option("system", "system", parse_system, "argon|FILE.toml", "the material (default: argon)"),
    Option(
        "protocol",
        "protocol",
        parse_protocol,
        "{smoke,ci,full}",
        "how long and how large to run (default: ci)",
    ),
    Option("device", "device", parse_device, "{auto,cpu,cuda[:N]}", "where the model runs (default: auto)"),
    Option("seed", "seed", parse_seed, "N", "seed of every random choice (default: 0)"),
    Option("budget", "budget_s", parse_duration, "TIME", "stop computing after this time (20m, 90s, 1h30m)"),
    Option(
        "inconclusive",
        "inconclusive",
        parse_inconclusive,
        "{fail,skip,pass}",
        "what INCONCLUSIVE does (default: fail)",
    ),
    Option("config", "config_file", str, "FILE", "TOML: tolerances, state points, lengths (default: [tool.mlff])"),
    Option("json", "json", str, "FILE", "write the records of the run to FILE"),
    Option("cache_dir", "cache_dir", str, "DIR", "folder of cached trajectories (default: the user's cache)"),
    Option("forecast", "forecast", parse_bool, "", "say row by row how long the run would take, and stop"),
    Option("timeout", "timeout_s", parse_duration, "TIME", "end the run at a force call that lasts longer"),
    Option("suite", "suite", parse_bool, "", "with paths given: run the bundled suite as well"),
)


def check_folder(path: Path, option: str) -> None:
    """Refuse a folder that cannot be written, before hours of work depend on it.

    Parameters
    ----------
    path : Path
        Made when missing.
    option : str
        Who asked for it, for the message.

    Raises
    ------
    SpecError
        When it cannot be made or written.
    """
    import tempfile

    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
    except (OSError, ValueError) as error:  # a null byte in the name
        problem = getattr(error, "strerror", None) or error
        raise SpecError(f"{option}: cannot write to {one_line(str(path))}: {one_line(str(problem))}") from None
