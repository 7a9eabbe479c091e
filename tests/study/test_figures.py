"""Figures from curves made up here: what they say, what they weigh, and that they repeat byte by byte."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import partial

import numpy as np
import pytest
import xarray as xr

from pytest_mlff.errors import SpecError
from pytest_mlff.report.figures import style
from pytest_mlff.report.figures.style import COLOURS, Curves
from pytest_mlff.study.figures import paper
from pytest_mlff.study.figures.ablation import ablation_figure

REPORT = 150_000
"""Bytes that a figure may weigh."""


def curve(x: str, grid, shift=0.0, error=0.01, **named):
    """``named`` variables over ``x``, shifted by a fraction, with ``_stderr``; scalars with theirs."""
    made = {}
    for name, values in named.items():
        dims = () if np.ndim(values) == 0 else (x,)
        made[name] = (dims, np.asarray(values) * (1 + shift))
        made[f"{name}_stderr"] = (dims, np.full(np.shape(values), error))
    return xr.Dataset(made, coords={x: grid})


def structure(shift):
    r = np.linspace(0.1, 12, 200)
    return curve("r", r, shift, g=np.where(r > 3, 1 + np.exp(-((r - 3.8) ** 2)), 0.0))


def displacement(shift):
    lag = 0.1078 * np.arange(38)
    return curve("lag", lag, shift, msd=2 * lag, D=1 / 3).assign_attrs(window=(1.0, 3.0))


def contrast(shift):
    exposure = 0.1078 * np.arange(1, 56)
    return curve("exposure", exposure, shift, contrast=1 / (1 + exposure / 2), correlation_time=2.0)


def relaxation(shift):
    lag, q = 0.1078 * np.arange(38), np.array([0.46, 0.92, 1.32, 1.59, 1.86])
    made = curve("q", q, shift, self=0.33 * q**2, coherent=0.3 + 0.2 * q)
    decay = np.exp(-made["self"].values[:, None] * lag)
    return made.assign(
        field_correlation=(("q", "lag"), decay),
        field_correlation_stderr=(("q", "lag"), 0.01 + 0 * decay),
        self_q=made["q"],
        coherent_q=made["q"],
        D=0.34,
        lag=lag,
    ).assign_attrs(window=(0.3, 2.0))


def phonons(shift):
    path = np.linspace(0, 5, 90)
    frequency = np.linspace(0.05, 2.15, 36)
    branches = np.abs(np.sin(path))[:, None] * np.array([1.0, 1.4, 2.0]) * (1 + shift)
    return xr.Dataset(
        {
            "dos": ("frequency", frequency**2 * (1 + shift)),
            "branch_frequency": (("q", "branch"), branches),
            "corner": ("label", np.linspace(0, 5, 6)),
            "distance": shift,
            "distance_stderr": 0.0002,
        },
        coords={"frequency": frequency, "q": path, "label": ["Γ", "X", "W", "K", "Γ", "L"]},
    )


def melting(shift):
    time = 0.1078 * np.arange(15)
    return curve("time", time, shift, change=0.02 * time)


def forces(shift):
    rng = np.random.default_rng(1)
    exact = rng.normal(0, 0.04, (100, 256, 3))
    given = exact * (1 + shift) + rng.normal(0, 3e-4, exact.shape)
    dims = ("configuration", "atom", "xyz")
    made = {"candidate": (dims, given), "reference": (dims, exact)}
    return xr.Dataset({**made, "one_minus_r2": 5.2e-5, "one_minus_r2_stderr": 4e-6})


def compared(make, missing=()):
    models = {"model-a": make(0.01), "model-b": make(-0.01)}
    return Curves(reference=make(0.0), models=models | dict.fromkeys(missing, "not run"))


def draw_parity(output, missing=()):
    models = compared(forces, missing).models
    paper.parity_figure({"liquid": models, "crystal": models}, output)


def draw_panels(figure, make, output, missing=()):
    figure({"one": compared(make, missing), "other": compared(make, missing)}, output)


def draw(figure, make, output, missing=(), **named):
    figure(compared(make, missing), output, **named)


FIGURES = {
    "parity": (draw_parity, ["force of the reference / eV Å⁻¹", "error / meV Å⁻¹", "crystal"]),
    "structure": (partial(draw_panels, paper.structure_figure, structure), ["r / Å", "g(r)", "other"]),
    "displacement": (
        partial(draw, paper.displacement_figure, displacement, tolerance=0.1),
        ["lag / ps", "mean-squared displacement / Å²", "D = 0.333 ± 0.010 Å² ps⁻¹"],
    ),
    "relaxation": (
        partial(draw, paper.relaxation_figure, relaxation, tolerance=0.1),
        ["Fₛ(q, τ)", "Γₛ(q) / ps⁻¹", "q² / Å⁻²", "coherent", "1.86", "0.01"],
    ),
    "contrast": (partial(draw, paper.contrast_figure, contrast), ["exposure Δ / ps", "half at 2.000 ± 0.010 ps"]),
    "phonons": (
        partial(draw, paper.phonon_figure, phonons),
        ["frequency ν / THz", "density of states / THz⁻¹", "X", "distance 0.01000 ± 0.00020"],
    ),
    "melting": (partial(draw_panels, paper.melting_figure, melting), ["change of the solid fraction", "time / ps"]),
}


def texts(path) -> list[str]:
    """Texts of a figure, tspans joined; fails where it is no XML."""
    root = ET.fromstring(path.read_text("utf-8"))
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_it_shows(tmp_path, name):
    make, labels = FIGURES[name]
    make(tmp_path / "f.svg")
    found = texts(tmp_path / "f.svg")
    assert set(labels) <= set(found)
    assert sum("model-a" in text for text in found) == sum("model-b" in text for text in found) > 0
    assert not any("not run" in text for text in found)
    content = (tmp_path / "f.svg").read_bytes()
    assert len(content) < REPORT
    for colour in COLOURS[:2]:
        assert colour.lower().encode() in content.lower()


@pytest.mark.parametrize("name", FIGURES)
def test_a_model_without_a_curve_is_named_and_not_drawn(tmp_path, name):
    make, _ = FIGURES[name]
    whole, without, neither = (tmp_path / f"{n}.svg" for n in range(3))
    make(whole)
    make(without, missing=["model-b"])
    make(neither, missing=["model-a", "model-b"])
    assert "model-b: not run" in texts(without)
    assert "model-a: not run" not in texts(without)
    assert {"model-a: not run", "model-b: not run"} <= set(texts(neither))
    assert len(without.read_bytes()) < len(whole.read_bytes())


@pytest.mark.parametrize("name", ["parity", "relaxation"])
def test_the_same_curves_give_the_same_bytes(tmp_path, name):
    import matplotlib as mpl

    make, _ = FIGURES[name]
    make(tmp_path / "first.svg")
    with mpl.rc_context({"font.size": 20, "svg.fonttype": "path", "svg.hashsalt": "mine", "axes.grid": True}):
        make(tmp_path / "again.svg")
    content = (tmp_path / "first.svg").read_bytes()
    assert content == (tmp_path / "again.svg").read_bytes()
    assert b"dc:date" not in content


def test_the_scatter_shows_all_directions_of_space(tmp_path):
    """An error along x alone, as large as the panel: a subsample by a step of three would show it or lose it whole."""
    biased = forces(0.0)
    biased["candidate"] = biased["candidate"] + xr.DataArray([0.1, 0.0, 0.0], dims="xyz")
    x, y, colours = paper._components({"m": biased, "n": "not run"})
    assert len(x) == len(y) == len(colours) == paper.SCATTERED
    assert set(colours) == {COLOURS[0]}
    assert np.mean(y - x > 0.05) == pytest.approx(1 / 3, abs=0.03)


def test_more_models_than_can_be_told_apart_are_refused(tmp_path):
    models = {f"m{number}": structure(0.0) for number in range(len(COLOURS) + 1)}
    with pytest.raises(SpecError, match=f"{len(COLOURS) + 1} models in one figure"):
        paper.structure_figure({"p": Curves(reference=structure(0.0), models=models)}, tmp_path / "f.svg")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"cannot write .*nowhere"):
        draw(paper.contrast_figure, contrast, tmp_path / "nowhere" / "f.svg")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"pip install 'pytest-mlff\[report\]'"):
        draw(paper.contrast_figure, contrast, tmp_path / "f.svg")


@pytest.mark.parametrize("module", ["plugin", "study.gallery"])
def test_importing_does_not_import_matplotlib(module):
    code = f"import sys, pytest_mlff.{module}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def cell(recipe, composition, seed=0, **rows):
    values = {"parity-liquid-256": 5e-5, "parity-solid-256": 2e-4, "pdos": 0.004, "symmetry-solid": 0.98} | rows
    records = {row: {"candidate": value, "candidate_stderr": value and value / 10} for row, value in values.items()}
    records |= {f"paper_step-solid-float{bits}": {"candidate": 0.5 + bits / 150} for bits in (32, 64)}
    return {"recipe": recipe, "composition": composition, "seed": seed, "rows": records}


def test_the_ablation(tmp_path):
    cells = [cell("plain", "liquid"), cell("smooth", "liquid"), cell("smooth", "liquid+solid", 1, pdos=None)]
    ablation_figure({str(number): one for number, one in enumerate(cells)}, tmp_path / "f.svg")
    found = texts(tmp_path / "f.svg")
    for text in ("plain", "smooth", "liquid", "liquid+solid", "another seed", "limit of the gate", "1 − R², crystal"):
        assert text in found
    assert "S, crystal, step 3.4e-6 Å, float32" in found
    assert found.count("liquid+solid") == 3  # under the lower panels


def test_an_ablation_with_nothing_measured_has_its_panels(tmp_path):
    bare = {"recipe": "plain", "composition": "liquid", "seed": 0, "rows": {"pdos": {"candidate": None}}}
    ablation_figure({"plain-liquid-0": bare}, tmp_path / "f.svg")
    found = texts(tmp_path / "f.svg")
    assert "phonon DOS distance, crystal" in found
    assert "another seed" not in found
