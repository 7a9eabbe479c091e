"""JUnit XML carries the same numbers as the records."""

from __future__ import annotations

import xml.etree.ElementTree as ET


def properties(path, name):
    case = next(case for case in ET.parse(path).iter("testcase") if case.get("name") == name)
    return {entry.get("name"): entry.get("value") for entry in case.iter("property")}


def test_numbers_are_properties(gate, pytester):
    gate("--mlff-model=a", "--junitxml=junit.xml", plan={"diffusion": {"status": "FAIL", "reason": ""}})
    found = properties(pytester.path / "junit.xml", "test_transport[diffusion]")
    assert found["mlff_status"] == "FAIL"
    assert found["mlff_row"] == "diffusion"
    assert float(found["mlff_candidate"]) == 0.3672
    assert float(found["mlff_candidate_stderr"]) == 0.0081
    assert float(found["mlff_interval_low"]) == -0.041
    assert float(found["mlff_interval_high"]) == 0.054
    assert found["mlff_unit"] == "Å²/ps"
    assert "mlff_reason" not in found  # what a record lacks is left out
    assert not any(value.startswith(("{", "[")) for value in found.values())


def test_errors_have_them_too(gate, pytester):
    gate("--mlff-model=a", "--junitxml=junit.xml", plan={"liquid": {"raise": "ZeroDivisionError"}})
    for row in ("test_structure[rdf]", "test_transport[diffusion]"):
        assert properties(pytester.path / "junit.xml", row)["mlff_status"] == "ERROR"
