"""From exceptions to statuses: one map, and what a record of an ERROR shows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from ase.io import read

from pytest_mlff import errors
from pytest_mlff.apparatus.failure import reason_of, status_of
from pytest_mlff.foreign import described
from pytest_mlff.gate.catalogue import rows, run_check


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BudgetExhausted("x"), "INCONCLUSIVE"),
        (errors.UnstableError("x"), "FAIL"),
        (errors.NonFiniteError("x"), "FAIL"),
        (errors.RefusedError("x"), "NOT_APPLICABLE"),
        (errors.ObservableError("x"), "ERROR"),
        (errors.ModelError("x"), "ERROR"),
        (errors.CacheError("x"), "ERROR"),
        (errors.ReferenceDataError("x"), "ERROR"),
        (errors.SpecError("x"), "ERROR"),
        (ZeroDivisionError("x"), "ERROR"),
        (SystemExit("x"), "ERROR"),
        (pytest.skip.Exception("x"), "ERROR"),
    ],
)
def test_every_error_has_one_status(error, status):
    assert status_of(error) == status
    assert reason_of(error) == ("x" if isinstance(error, errors.MlffError) else described(error))


def test_reasons_are_cut():
    assert len(reason_of(errors.ModelError("x" * 1_000_000))) == 2000


ESCAPES = {
    "skip": lambda: pytest.skip("no licence"),
    "importorskip": lambda: pytest.importorskip("no_such_network"),
    "xfail": lambda: pytest.xfail("known"),
    "exit": lambda: pytest.exit("enough"),
    "fail": lambda: pytest.fail("no"),
    "sys.exit": lambda: __import__("sys").exit("no licence"),
    "generator": lambda: (_ for _ in ()).throw(GeneratorExit),
    "cancelled": lambda: (_ for _ in ()).throw(asyncio.CancelledError),
    "group": lambda: (_ for _ in ()).throw(ExceptionGroup("g", [OSError("a")])),
    "base group": lambda: (_ for _ in ()).throw(BaseExceptionGroup("g", [SystemExit("a")])),
}
CHECKS = ("forces", "invariance", "stability", "liquid", "solid_hessian", "phonons", "speed")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("way", ["skip", "sys.exit"])
def test_what_a_calculator_raises_is_an_error_of_its_rows_in_every_check(
    nothing_leaves, context, altered, made_parity_sets, check, way
):
    def leave(forces, call):
        ESCAPES[way]()

    made = context(altered(leave), protocol="ci")
    with nothing_leaves():
        found = run_check(check, made)
    judged = [record for record in found.values() if record.status != "NOT_APPLICABLE"]
    assert set(found) == {row.id for row in rows("ci", made.config) if row.check == check}
    assert {record.status for record in judged} == {"ERROR"}
    for record in judged:
        assert "no licence at " in record.reason
        assert f"{__file__}:" in record.reason


@pytest.mark.parametrize("way", ESCAPES)
def test_the_record_says_where_and_keeps_the_structure(nothing_leaves, context, altered, way):
    def leave(forces, call):
        if call > 20:
            ESCAPES[way]()
        return forces

    made = context(altered(leave))
    with nothing_leaves():
        (record,) = run_check("stability", made).values()
    assert record.status == "ERROR"
    assert "(force call 21, 256 atoms, shortest distance 3." in record.reason
    assert f" at {__file__}:" in record.reason
    path = record.reason.rpartition("; structure: ")[2]
    assert path.startswith(str(made.cache.root / "failed"))
    assert len(read(path)) == 256
    assert f'File "{__file__}"' in record.traceback
    assert "traceback" not in record.to_dict()


def test_an_interrupt_goes_through_every_check(context, altered, made_parity_sets):
    def interrupt(forces, call):
        raise KeyboardInterrupt

    for check in CHECKS:
        with pytest.raises(KeyboardInterrupt):
            run_check(check, context(altered(interrupt), protocol="ci"))


@pytest.mark.parametrize("way", ["skip", "exit", "sys.exit"])
def test_who_leaves_has_not_refused_a_cell(nothing_leaves, context, altered, way):
    """A small or tilted cell may be refused, by an ordinary exception."""

    class Leaves(altered().calculator.__class__):
        def get_forces(self, atoms):
            if len(atoms) < 100 or not atoms.cell.orthorhombic:
                ESCAPES[way]()
            return super().get_forces(atoms)

    model = altered()
    model.calculator = Leaves()
    made = context(model, protocol="ci")
    with nothing_leaves():
        found = run_check("invariance", made)
    assert {found[key].status for key in ("small_cell", "rotation")} == {"ERROR"}


class Offers:
    """Makes more of itself, and cannot."""

    def __init__(self, inner, name):
        self.inner, self.name = inner, name

    def get_forces(self, atoms):
        return self.inner.get_forces(atoms)

    def __getattr__(self, name):
        if name == self.__dict__.get("name"):
            return lambda *args: pytest.skip("not here")
        raise AttributeError(name)


@pytest.mark.parametrize("offer", ["with_dtype", "__deepcopy__"])
def test_an_offer_that_leaves_is_an_error_of_its_row_alone(nothing_leaves, context, altered, offer):
    model = altered()
    model.calculator = Offers(model.calculator, offer)
    with nothing_leaves():
        found = run_check("invariance", context(model, protocol="ci"))
    assert found["determinism"].status == "ERROR"
    assert "raised Skipped: not here at " in found["determinism"].reason
    assert found["translation"].status == "PASS"


def lacking(context, altered, **traits):
    model = altered()
    vars(model).update(traits)
    return run_check("invariance", context(model, protocol="ci"))


def test_what_a_model_lists_and_does_not_deliver_fails_the_rows_that_need_it(context, altered, monkeypatch):
    said = "the model's energy has shape (2,) and type float64; expected one real number in eV"
    monkeypatch.setattr(
        "pytest_mlff.checks.invariance.measured", lambda context, row, measure: SimpleNamespace(status="")
    )
    found = lacking(context, altered, listed=frozenset({"energy"}), unusable={"energy": said})
    assert (found["energy_forces"].status, found["energy_forces"].reason) == ("FAIL", said)
    assert (found["nve_drift"].status, found["nve_drift"].reason) == ("FAIL", said)
    assert (found["stress"].status, found["stress"].reason) == ("FAIL", f"{said}; the model provides no stress")
    found = lacking(context, altered, unusable={"energy": said})
    assert (found["energy_forces"].status, found["energy_forces"].reason) == ("NOT_APPLICABLE", said)
    found = lacking(context, altered)
    assert (found["stress"].status, found["stress"].reason) == (
        "NOT_APPLICABLE",
        "the model provides no energy and no stress",
    )


def test_forces_that_are_not_finite_fail_the_hessian(context, altered):
    found = run_check(
        "solid_hessian", context(altered(lambda forces, call: np.full_like(forces, np.nan)), protocol="ci")
    )
    assert {record.status for record in found.values()} == {"FAIL"}
