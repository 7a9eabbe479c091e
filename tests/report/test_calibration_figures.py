"""Figures of the calibration: what is drawn is there, and an empty column is no error."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np

from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.report.figures.calibration import PANELS, null_figure, power_figure


def words(path):
    return {
        "".join(element.itertext()).strip()
        for element in ElementTree.parse(path).iter()
        if element.tag.endswith("text")
    }


def test_every_row_of_the_null_has_its_line(tmp_path):
    rng = np.random.default_rng(0)
    rows = {name: list(0.1 * rng.standard_normal(20)) for name in ("diffusion", "rdf", "xsvs_time")}
    null_figure(rows, tmp_path / "null.svg")
    assert {"deviation of the reference from itself / tolerance", *rows} <= words(tmp_path / "null.svg")


def test_power_has_a_panel_for_each_kind_of_row_and_a_column_for_each_defect(tmp_path):
    line = (np.linspace(0, 30, 50), np.linspace(0, 1, 50))
    curve = SimpleNamespace(points=[(10.0, 0.0, 0.0, 0.4), (20.0, 0.5, 0.1, 0.9), (30.0, 1.0, 0.6, 1.0)], fits=[line])
    power_figure({"epsilon": {"diffusion": curve, "rdf": curve}, "sigma": {}}, tmp_path / "power.svg")
    assert {"error of epsilon / %", "error of sigma / %", *PANELS} <= words(tmp_path / "power.svg")


def test_the_same_data_give_the_same_file(tmp_path):
    for name in ("a", "b"):
        null_figure({"diffusion": [0.0, 0.1, -0.1]}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_drawn_rows_are_rows():
    assert {row for rows in PANELS.values() for row in rows} <= set(TABLE)
