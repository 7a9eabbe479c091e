"""Verdicts cost no numerics at import."""

import subprocess
import sys


def test_the_verdict_costs_no_numerics_at_import():
    code = (
        "import sys, pytest_mlff.verdict.explain, pytest_mlff.verdict.decide; "
        "bad = {'numpy', 'scipy', 'xarray', 'ase', 'openmm'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
