"""Run the command of every environment in tox.ini, as it stands there, without building the environments.

tox would install torch and all oracles once for each of them. Here the checkout's ``.venv`` serves all but ``minimal``,
whose point is what is not installed: it gets an environment of its own with the packages that tox.ini names for it.
"""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POSARGS = {
    # the whole suite has run by the README's command; here it counts that this one starts and counts coverage
    "py311": "tests/test_settings.py",
    "lint": "",
    "minimal": "",
    "bench": "--smallest",
    "matrix": "--named --mutant wrong_hessian",
}
"""What stands for ``{posargs}``: each environment's shortest run."""
PYTHONS = ("py312", "py313")
"""The same command as that of py311, on Pythons that this machine need not have."""


def main() -> int:
    """Run them all; the first that fails ends it."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    named = {section.partition(":")[2] for section in tox.sections() if section.startswith("testenv:")}
    listed = {name.strip() for name in tox["tox"]["envlist"].split(",")}
    strange = (named | listed) ^ {*POSARGS, *PYTHONS}
    if strange:
        print(f"{Path(__file__).name}: tox.ini and this file differ in {sorted(strange)}; name them in both")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for name, posargs in POSARGS.items():
            section = tox[f"testenv:{name}" if name in named else "testenv"]
            place = ROOT / ".venv" if name != "minimal" else bare(Path(folder) / "minimal", section)
            start = time.monotonic()
            for command in lines(section["commands"]):
                run(command, posargs, section, place, scratch(Path(folder)))
            print(f"-- {name}: {time.monotonic() - start:.0f} s", flush=True)
    return 0


def lines(value: str) -> list[str]:
    """Entries of a setting, one a line."""
    return [line.strip() for line in value.splitlines() if line.strip()]


def bare(place: Path, section: configparser.SectionProxy) -> Path:
    """Make an environment that holds what the section names, and nothing else."""
    venv.create(place, with_pip=True)
    subprocess.run([place / "bin" / "pip", "install", "--quiet", *lines(section["deps"])], check=True)
    return place


def scratch(folder: Path) -> Path:
    """Make the folder that a command may write to in place of the checkout: the pages, without what was measured."""
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("data"), dirs_exist_ok=True)
    (folder / "docs" / "data").mkdir(exist_ok=True)
    return folder


def run(command: str, posargs: str, section: configparser.SectionProxy, place: Path, written: Path) -> None:
    """Run one command in an environment; stop everything if it fails."""
    asked = command.replace("{posargs}", posargs).replace("{toxinidir}", str(written))
    print(f"$ {asked}", flush=True)
    settings = dict(line.split(" = ", 1) for line in lines(section.get("set_env", "")))
    path = {"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environ = {**os.environ, **path, **{key: value.format(toxinidir=ROOT) for key, value in settings.items()}}
    done = subprocess.run(shlex.split(asked), cwd=ROOT, env=environ, check=False)
    if done.returncode:
        sys.exit(f"{Path(__file__).name}: exit {done.returncode} from {asked}")


if __name__ == "__main__":
    sys.exit(main())
