"""A test of the design: a check is one file, and no line of code anywhere else."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow
CHECK = '''
"""The force on the first atom of the liquid."""

from dataclasses import replace

from pytest_mlff.apparatus.declaration import Check, Declared, Setting
from pytest_mlff.apparatus.judging import Finding, measured
from pytest_mlff.apparatus.work import Work
from pytest_mlff.schema import Estimate
from pytest_mlff.settings.parsers import whole

ROWS = (
    Declared(
        key="first_atom",
        atoms=256,
        test="check_forces.test_parity",
        observable="force on the first atom",
        kind="upper",
        limit=1.0,
        unit="eV/Å",
        reason="a force that no atom of a liquid feels",
        source="made for a test",
        protocols=frozenset({"smoke", "ci"}),
        hint="The first atom is pushed too hard.",
    ),
)
CHECK = Check(
    order=15,
    samples="configurations",
    settings=(
        Setting(
            name="stability_steps",
            meaning="steps of the stability run",
            read=whole(10),
            change=lambda protocol, steps: replace(protocol, stability_steps=steps),
        ),
    ),
)


def run(context, rows):
    def finding():
        start = context.starts("start/100K-256", 1)[0]
        force = context.forces(start.numbers, start.cell)(start.positions)[0]
        return Finding(candidate=Estimate(float((force @ force) ** 0.5), 0.0), force_calls=1)

    return {row.id: measured(context, row, finding) for row in rows}


def work(context, rows):
    yield Work(share="force on the first atom", calls=1, atoms=256)
'''
PLUGIN = "import pytest_mlff.checks\npytest_mlff.checks.__path__.append({folder!r})\n"


@pytest.fixture
def gate(pytester, plugin_args):
    """Run the real gate, protocol ``smoke``, with a file dropped beside the checks."""
    folder = pytester.mkdir("more")
    (folder / "first_atom.py").write_text(CHECK, encoding="utf-8")
    pytester.makepyfile(dropped=PLUGIN.format(folder=str(folder)))
    pytester.syspathinsert()

    def run(*arguments):
        how = ("--mlff-model=pytest_mlff.potentials:lennard_jones()", "--mlff-protocol=smoke", "--mlff-cache-dir=cache")
        return pytester.runpytest_subprocess("-p", "dropped", *plugin_args, *how, *arguments)

    return run


def test_its_row_reaches_the_table_and_the_records(gate, pytester):
    result = gate("-k", "first_atom or parity", "--mlff-json=run.json")
    assert result.ret == 0
    table = [line.split()[0] for line in result.outlines if line.startswith(("first_atom ", "parity-", "translation "))]
    assert table == ["parity-liquid-256", "parity-solid-256", "first_atom"]  # in the order that it declares
    records = json.loads((pytester.path / "run.json").read_text())["records"]
    (own,) = [record for record in records if record["row"] == "first_atom"]
    assert (own["status"], own["tolerance"], own["unit"], own["force_calls"]) == ("PASS", 1.0, "eV/Å", 1)


def test_its_limit_setting_and_hint_are_those_of_its_file(gate, pytester):
    config = "[check.first_atom]\nstability_steps = 20\nlimits = { first_atom = 1e-9 }\n"
    (pytester.path / "gate.toml").write_text(config)
    result = gate("-k", "first_atom or stability", "--mlff-config=gate.toml", "--mlff-json=run.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*hint *The first atom is pushed too hard.*"])
    found = {record["row"]: record for record in json.loads((pytester.path / "run.json").read_text())["records"]}
    assert (found["first_atom"]["status"], found["first_atom"]["tolerance"]) == ("FAIL", 1e-9)
    assert "survived 20 steps" in found["stability"]["reason"]
    (pytester.path / "gate.toml").write_text("[check.first_atom]\nstability_step = 20\n")
    refused = gate("--mlff-config=gate.toml")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(
        ["*unknown key 'stability_step' in [[]check.first_atom] (did you mean 'stability_ste*"]
    )


def test_its_work_is_foretold(gate):
    result = gate("-k", "first_atom", "--mlff-forecast")
    result.stdout.fnmatch_lines(["*first_atom*"])


def test_the_tables_of_the_calibration_have_it(gate, pytester):
    pytester.makepyfile(
        test_tables="""
        from pytest_mlff.calibration.matrix_table import judged_rows
        from pytest_mlff.calibration.power import table

        def test_tables():
            assert judged_rows()[4] == "first_atom"
            assert "| first_atom | ≤ 1 |" in table({}, {})
        """
    )
    gate("test_tables.py").assert_outcomes(passed=1)
