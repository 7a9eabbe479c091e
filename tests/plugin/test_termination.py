"""SIGTERM, a cancelled CI job: a run ends with what it has, as with Ctrl-C."""

from __future__ import annotations

import json
import signal
import threading
import xml.etree.ElementTree as ET

import pytest

from pytest_mlff.suite.termination import Termination

FILES = ("--mlff-json=run.json", "--junitxml=junit.xml")


@pytest.mark.parametrize(("options", "who"), [((), "self"), (("-n", "1"), "self"), (("-n", "1"), "parent")])
def test_it_ends_a_run_as_an_interrupt_does(gate, pytester, options, who):
    """Whether it reaches the only process, a worker or the controller."""
    plan = {"liquid": {"terminate": who}, "symmetry-solid": {"status": "FAIL"}}
    result = gate("--mlff-model=a", *FILES, *options, plan=plan, subprocess=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    document = json.loads((pytester.path / "run.json").read_text())
    assert (document["complete"], document["run"]["exit_status"]) == (True, 2)
    checks = [record["row"] for record in document["records"]]
    assert "rdf" not in checks
    if not options:
        assert "symmetry-solid" in checks
        result.stdout.fnmatch_lines(["symmetry-solid *FAIL*", "*KeyboardInterrupt: SIGTERM: the run was cancelled*"])
    assert ET.parse(pytester.path / "junit.xml").getroot().tag == "testsuites"
    assert not list(pytester.path.glob(".mlff-*"))


CANCELLED = """
import os, signal, time
from pathlib import Path

def test_cancelled(mlff_context):
    Path("root").write_text(str(mlff_context.cache.root))
    mlff_context.cache.root.mkdir(exist_ok=True)
    os.kill(os.{who}(), signal.SIGTERM)
    time.sleep(60)
"""


@pytest.mark.parametrize(("options", "who"), [((), "getpid"), (("-n1",), "getppid")])
def test_no_folder_is_left(pytester, plugin_args, noisy, options, who):
    """The one of a model whose forces do not repeat, which keeps nothing across runs."""
    pytester.makepyfile(test_cancelled=CANCELLED.format(who=who))
    result = pytester.runpytest_subprocess(*plugin_args, *options, *noisy, "test_cancelled.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert (pytester.path / "root").read_text().startswith(str(pytester.path / "temporary" / "pytest-mlff-"))
    assert not list(pytester.path.glob("temporary/pytest-mlff-*"))


MD = """
import os, signal, time
from ase.calculators.lj import LennardJones

class Cancelled(LennardJones):
    calls = 0

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.calls += os.path.exists("running")
        if self.calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
"""
RUNS = """
from pathlib import Path

def test_run(mlff_run):
    Path("running").touch()
    mlff_run("100K-256", replicas=2, frames=10)
"""


def test_it_interrupts_a_force_call_inside_md(pytester, plugin_args):
    """Through OpenMM, which calls the calculator back."""
    pytester.makepyfile(md=MD, test_run=RUNS)
    model = ("--mlff-model=md.py:Cancelled", "--mlff-protocol=smoke", "--mlff-cache-dir=c")
    result = pytester.runpytest_subprocess(*plugin_args, *model, "test_run.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*KeyboardInterrupt: SIGTERM: the run was cancelled*"])


def test_a_run_that_is_being_closed_is_not_disturbed(gate, pytester):
    pytester.makeconftest(
        """
        import os, signal

        def pytest_sessionfinish():
            os.kill(os.getpid(), signal.SIGTERM)
        """
    )
    result = gate("--mlff-model=a", *FILES, "-k", "check_liquid and [rdf]", subprocess=True)
    assert result.ret == 0
    assert json.loads((pytester.path / "run.json").read_text())["complete"] is True


def test_the_signal_is_given_back(gate, pytester):
    pytester.makeconftest(
        """
        import signal

        def pytest_runtestloop():
            print("handled", signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
        """
    )
    for model, handled in ((("--mlff-model=a",), True), ((), False)):
        pytester.makepyfile(test_own="def test_own():\n    pass\n")
        gate(*model, "test_own.py").stdout.fnmatch_lines([f"*handled {handled}"])
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_somebody_else_stays():
    def own(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        termination = Termination()
        termination.install()
        termination.remove()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_it_does_nothing():
    termination = Termination()
    thread = threading.Thread(target=termination.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
