"""The documentation says what the code does: rows, limits, options, keys, names, links, commands and examples."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from pytest_mlff import cli, plugin
from pytest_mlff.analysis import msd, relaxation, shells
from pytest_mlff.apparatus import cases, conservation, extremes, learned, workbench
from pytest_mlff.apparatus.density import PAIRED_FROM
from pytest_mlff.gate.catalogue import CHECKS, TABLE, chosen_protocol
from pytest_mlff.gate.limits import check_tables, overrides
from pytest_mlff.models.spec import parse_spec
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.observables import estimate
from pytest_mlff.reference.pressure import PLANS as PRESSURE_PLANS
from pytest_mlff.reference.pressure import STRAINED_PLANS, VOLUME_STEP
from pytest_mlff.reference.runs import PLANS
from pytest_mlff.settings import OPTIONS, validate_config
from pytest_mlff.simulation import derivatives, engine
from pytest_mlff.simulation.pressure import pressure_frames
from pytest_mlff.simulation.slabs import BRACKET, COEXISTENCE_LADDER, PAPER_LADDER
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.systems.reading import load_system
from pytest_mlff.units import BAR, KG_PER_M3
from pytest_mlff.verdict.format import format_estimate, format_tolerance
from pytest_mlff.verdict.overrides import tolerances

ARGON = load_system("argon")

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "reference_data" / "README.md"])
}
README = PAGES["README.md"]
STRIDE = ARGON.frame_stride


def page(name: str) -> str:
    return PAGES[f"docs/{name}.md"]


def flowing(text: str) -> str:
    return " ".join(text.split())


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def table_lines(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def readme_rows() -> dict[str, list[str]]:
    """Row key → cells, from the table of checks."""
    section = README.partition("## What is checked")[2].partition("\n## ")[0]
    return {key: cells for cells in table_lines(section) for key in re.findall(r"`([\w.-]+)`", cells[0])}


@pytest.mark.parametrize("key", TABLE)
def test_every_row_stands_in_the_readme_with_limit_and_protocols(key):
    row, cells = TABLE[key], readme_rows()[key]
    limit = format_tolerance(row.kind, row.limit)
    assert cells[2] == (f"{limit} {row.unit}" if row.kind == "absolute" else limit)
    judged = [name for name in PROTOCOLS if name in row.verdict_in]
    assert cells[3].startswith(", ".join(judged) if judged else "shown")
    assert ("paper" in cells[4]) == ("Mohanty" in row.source)


def test_the_readme_has_no_row_that_is_not_there():
    assert set(readme_rows()) == set(TABLE)


@pytest.mark.parametrize("key", TABLE)
def test_every_row_stands_on_the_page_of_its_check(key):
    row, check = TABLE[key], TABLE[key].check
    stem = "-".join(filter(None, (row.quantity, row.phase)))
    shared = {"solid_hessian": "solid", "solid_pressure": "pressure", "memory": "speed"}
    text = page("stability" if key == "net_force" else shared.get(check, check))
    assert f"`{key}`" in text or f"`{stem}-<" in text


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented_with_its_ini_twin(option):
    for text in (README, page("command-line")):
        assert any(option.flag in line[0] and f"`{option.ini}`" in line[1] for line in table_lines(text) if line[1:])


def test_no_page_speaks_of_an_option_that_does_not_exist():
    known = {option.flag for option in OPTIONS}
    for name, text in PAGES.items():
        assert set(re.findall(r"--mlff-[a-z]+(?:-[a-z]+)*", text)) <= known, name


def test_every_setting_of_every_check_is_documented():
    cells = {(line[0], line[1]): line[2] for line in table_lines(page("configuration"))}
    for name, check in CHECKS.items():
        assert f"`{name}`" in page("configuration")
        for setting in check.settings:
            assert setting.meaning in cells[f"`[check.{name}]`", f"`{setting.name}`"]
    declared = {(name, setting.name) for name, check in CHECKS.items() for setting in check.settings}
    assert len(cells.keys() - {("`[check.<name>]`", "`limits`")}) == len(declared) + 2  # head and rule


@pytest.mark.parametrize("name", ["configuration", "speed"])
def test_the_examples_of_configuration_are_accepted(name):
    for text in blocks(page(name), "toml"):
        config = validate_config(tomllib.loads(text), where=name, known=check_tables())
        tolerances(TABLE, overrides(config))
        for chosen in PROTOCOLS:
            chosen_protocol(chosen, config)


def test_the_example_of_configuration_shows_every_setting():
    (example,) = blocks(page("configuration"), "toml")
    shown = tomllib.loads(example)["check"]
    for name, check in CHECKS.items():
        assert {setting.name for setting in check.settings} <= set(shown.get(name, {}))


def test_defaults_of_the_configuration_are_those_of_ci():
    ci, cells = PROTOCOLS["ci"], {tuple(line[:2]): line[3] for line in table_lines(page("configuration"))}
    assert cells["`[check.liquid]`", "`looks`"] == f"`{[frames * STRIDE for frames in ci.looks]}`"
    assert cells["`[check.liquid]`", "`state_points`"] == f"`{list(ci.liquid_states)}`".replace("'", '"')
    assert cells["`[check.liquid]`", "`replicas`"] == str(ci.replicas)
    assert cells["`[check.solid]`", "`replicas`"] == str(ci.solid_replicas)
    assert cells["`[check.solid]`", "`steps`"] == str(ci.solid_frames * STRIDE)
    assert cells["`[check.melting]`", "`replicas`"] == str(ci.melting.replicas)
    for frames in ci.melting.looks:
        assert str(frames * STRIDE) in cells["`[check.melting]`", "`steps`"]


def test_the_pages_on_energy_and_pressure_have_the_numbers_of_the_code():
    text, ci = flowing(page("pressure")), PROTOCOLS["ci"]
    assert f"from {PAIRED_FROM} configurations on" in text
    assert f"V ± {100 * VOLUME_STEP:g} %" in text
    looks = [len(pressure_frames(frames, 256)) for frames in ci.looks]
    assert (
        f"{ci.replicas} · {looks[0]} stress calls at the first look, {ci.replicas} · {looks[1]} at the second" in text
    )
    assert f"{ci.solid_replicas} · {len(pressure_frames(ci.solid_frames, 256))} for the crystal" in text
    for key in ("pressure-liquid", "pressure-solid"):
        assert f"| `{key}` | ± {100 * TABLE[key].limit:g} % |" in page("pressure")
    assert f"`energy-<phase>` ≤ {TABLE['energy-liquid'].limit:g}" in page("energy")
    assert f"`phase_energy` ± {100 * TABLE['phase_energy'].limit:g} %" in page("energy")
    counts = [dict(PROTOCOLS[name].parity)["liquid-256"] for name in PROTOCOLS]
    assert "{} of each phase in `smoke`, {} in `ci`, {} in `full`".format(*counts) in flowing(page("energy"))


@pytest.mark.parametrize("name", ["ci", "full"])
def test_the_table_of_protocols_has_their_lengths(name):
    chosen = PROTOCOLS[name]
    column = {line[0]: line[1 + list(PROTOCOLS).index(name)] for line in table_lines(page("protocols")) if line[3:]}
    steps = [str(frames * STRIDE) for frames in chosen.looks]
    assert column["liquid, looks (steps per replica)"] == ", ".join(steps)
    assert column["liquid, replicas"] == str(chosen.replicas)
    solid = f"{chosen.solid_replicas} replicas, {chosen.solid_frames * STRIDE} steps"
    assert column["solid g(r), 20 K, 256 atoms"] == solid
    assert column["stability"] == f"{chosen.stability_steps} steps"
    counts = re.findall(r"\d+", column["force parity, configurations"])
    assert {str(count) for _, count in chosen.parity} <= set(counts)


def test_the_numbers_of_the_estimators_are_those_of_the_code():
    assert "**{:g} to {:g} ps**".format(*msd.LAG_WINDOW) in page("liquid")
    assert "**{:.1f} to {:.1f} ps**".format(*relaxation.FIT_WINDOW) in page("xpcs")
    assert f"up to {relaxation.MEAN_RATE_WINDOW:g} ps" in page("xpcs")
    assert f"exposures up to {shells.MAX_LAG:g} ps" in flowing(page("xpcs"))
    assert f"half width {shells.HALF_WIDTH:g} Å⁻¹" in page("xpcs")
    assert f"band of ± {shells.BAND_HALF_WIDTH:g} Å⁻¹ (at most {shells.BAND_VECTORS} vectors)" in page("xpcs")
    for name in ("solid", "phonons"):
        assert f"h = {derivatives.STEP:g} Å" in page(name)
    assert f"up to {derivatives.MAX_STEP:g} Å" in page("solid")
    assert f"{engine.RUNAWAY_FACTOR:g} times the thermostat's" in page("stability")
    assert f"closer than {engine.OVERLAP:g} σ" in page("stability")


def test_the_page_on_invariance_has_the_numbers_of_the_code():
    text = flowing(page("invariance"))
    smoke, ci, full = (PROTOCOLS[name].invariance_cases for name in PROTOCOLS)
    assert f"{smoke} for each symmetry in `smoke`, {ci} in `ci`, {full} in `full`" in text
    assert f"no more than {cases.SHRINK_CALLS} cases" in text
    assert f"{learned.CASES} clusters of {learned.CLUSTER} atoms alone in a cell of {workbench.VACUUM:g} Å" in text
    assert f"{conservation.NVE_STEPS} steps (2.05 ps) of velocity Verlet" in text
    assert f"h = {conservation.STEP:g} Å" in text
    assert f"s = {conservation.STRAIN:g}, " in text
    assert f"in steps of {extremes.SPACING:g} Å" in text
    assert f"from {extremes.INNER:g} σ" in text
    assert f"within {100 * extremes.SANE:g} % of {extremes.HOT_TEMPERATURE:g} K" in text
    assert f"{extremes.HOT_FRAMES * STRIDE} steps (2 ps)" in text
    for key in [key for key, row in TABLE.items() if row.check == "invariance"]:
        assert f"| `{key}` |" in page("invariance") or f"`{key}`: " in page("invariance"), key


def test_the_page_on_melting_has_the_runs_of_the_code():
    text, ci = page("melting"), PROTOCOLS["ci"].melting
    looks = " and ".join(str(frames * STRIDE) for frames in ci.looks)
    assert f"{ci.replicas} slabs per temperature, looks at {looks} steps" in flowing(text)
    assert f"{PROTOCOLS['full'].melting.replicas} slabs, the same at every temperature" in flowing(text)
    lines = {line[0].strip("`"): line[1:] for line in table_lines(text)}
    for key, ladder in {"melting_point-paper": PAPER_LADDER, "melting_point": COEXISTENCE_LADDER}.items():
        (line,) = [line for line in table_lines(text) if line[0] == f"`{key}`" and len(line) == 5]
        assert line[1].startswith(", ".join(f"{rung.temperature:g}" for rung in ladder.rungs))
        assert line[2] == str(ladder.frames * STRIDE)
        assert line[3] == ladder.criterion
    for rung in [*BRACKET.values(), PAPER_LADDER.rungs[0], COEXISTENCE_LADDER.rungs[0]]:
        of, cells = rung.geometry, lines[rung.geometry.name]
        assert cells[0] == str(of.n_atoms)
        assert cells[1] == f"{of.lateral_cells}, {of.solid_cells}, {of.liquid_cells}"
        assert cells[2] == f"{of.solid_density:g}, {of.liquid_density:g}"
        assert cells[3] == f"{rung.start_temperature:g} K"


def test_the_runs_of_the_reference_are_those_of_the_code():
    lines = {line[0]: line[1:] for line in table_lines(page("reference"))}
    for (phase, atoms), plan in PLANS.items():
        replicas, steps, frames = next(rest for head, rest in lines.items() if head.startswith(f"{phase}, {atoms} "))
        assert (int(replicas), int(steps), int(frames.split()[0])) == (
            plan.replicas,
            plan.equilibration_steps,
            plan.frames,
        )


def test_the_pressures_of_the_reference_are_those_of_its_data():
    reference = Reference()
    lines = {line[0].strip("`"): line[1:] for line in table_lines(page("reference")) if len(line) == 5}
    for point in ARGON.states:
        name = point.name
        if f"{name}/pressure" in reference.observables:
            stored = reference.observable(name, "pressure")
            found = [estimate(stored, variable) for variable in ("pressure", "bulk_modulus")]
            density = KG_PER_M3 * ARGON.masses_of(point.numbers).sum() / point.volume
            numbers = [format_estimate(BAR * one.value, BAR * one.stderr) for one in found]
            assert lines[name] == [f"{density:.0f}", *numbers, f"{0.01 * BAR * found[1].value:.0f}"]
    for (phase, atoms), plan in PRESSURE_PLANS.items():
        head = f"pressure of {'the solid' if phase == 'solid' else 'liquids'}, {atoms} atoms"
        strained = STRAINED_PLANS.get((phase, atoms))
        count = f"{plan.replicas}, {strained.replicas if strained else 'none'}"
        (cells,) = [line[1:] for line in table_lines(page("reference")) if line[0] == head]
        assert [*cells[:2], cells[2].split()[0]] == [count, str(plan.equilibration_steps), str(plan.frames)]


@pytest.mark.parametrize("name", [state.name for state in ARGON.states if state.phase == "liquid"])
def test_state_points_are_those_of_the_code(name):
    point = ARGON.state(name)
    density = point.n_atoms * ARGON_SIGMA**3 / point.volume
    line = next(line for line in table_lines(page("liquid")) if f"`{name}`" in line[0])
    assert line[1:3] == [f"{point.temperature:g}", f"{density:.3f}"]
    assert f"`{name}`" in page("configuration")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), f"{name}: {target}"
        headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE) if anchor else []
        assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_every_page_is_linked_from_the_index_and_the_readme():
    for name in PAGES:
        if name.startswith("docs/") and name != "docs/index.md":
            assert f"({name.removeprefix('docs/')})" in page("index")
            assert f"({name})" in README


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name):
    for path in re.findall(r"`((?:pytest_mlff|tests|docs)/[\w./-]*)`", PAGES[name]):
        if "_reference_data" not in path:  # only in a wheel
            assert (ROOT / path).exists(), f"{name}: {path}"


@pytest.mark.parametrize("name", PAGES)
def test_names_of_the_package_can_be_imported(name):
    for dotted in re.findall(r"`(pytest_mlff(?:\.\w+)+)(?:\(\))?`", PAGES[name]):
        module, _, attribute = dotted.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, attribute) or importlib.import_module(dotted), f"{name}: {dotted}"


@pytest.mark.parametrize("name", PAGES)
def test_python_examples_compile_and_import_what_there_is(name):
    for text in blocks(PAGES[name], "python"):
        for node in ast.walk(ast.parse(text, filename=name)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_mlff"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def fixtures() -> list[str]:
    found = {name: value for name, value in vars(plugin).items() if name.startswith("mlff_")}
    return [name for name in found if name not in ("mlff_row", "mlff_judge")]  # those are the suite's own


def test_every_fixture_is_documented_and_examples_ask_for_no_other():
    assert {line[0] for line in table_lines(page("fixtures")) if "mlff" in line[0]} == {f"`{n}`" for n in fixtures()}
    for name, text in PAGES.items():
        for example in blocks(text, "python"):
            for node in ast.walk(ast.parse(example)):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    asked = {argument.arg for argument in node.args.args}
                    assert {argument for argument in asked if argument.startswith("mlff_")} <= set(fixtures()), name


def test_markers_are_documented():
    for marker in plugin.MARKERS:
        word = f"`{marker.partition(':')[0]}`"
        assert word in README
        assert word in page("command-line")


@pytest.mark.parametrize("name", PAGES)
def test_specs_that_are_shown_are_specs(name):
    for spec in re.findall(r"--mlff-model='([^']+)'", PAGES[name]):
        parse_spec(spec)


def commands(text: str) -> list[list[str]]:
    """Uses of the console command, in code."""
    code = re.findall(r"^    (pytest-mlff .*)$", text, flags=re.MULTILINE) + re.findall(r"`(pytest-mlff .*?)`", text)
    return [re.sub(r"[\[\]]", " ", line).split()[1:] for line in code]


@pytest.mark.parametrize("name", PAGES)
def test_the_console_command_knows_what_is_shown(name, capsys):
    for words in commands(PAGES[name]):
        command = [word for word in words[:2] if re.fullmatch(r"[a-z]+", word)]
        with pytest.raises(SystemExit) as stop:
            cli.main([*command, "--help"])
        assert stop.value.code == 0, f"{name}: {' '.join(words)}"
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert {word for word in words if word.startswith("--")} <= known, f"{name}: {' '.join(words)}"


def test_the_test_command_is_found_as_ci_finds_it():
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("a source distribution has no .ci folder")
    (line,) = [line for line in script.read_text(encoding="utf-8").splitlines() if line.startswith("eval ")]
    rule = re.fullmatch(r'eval "\$\((.*)\)"', line)[1]
    found = subprocess.run(["bash", "-c", rule], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    after = README.partition("<!-- test-command -->\n")[2]
    assert found == blocks(after, "bash")[0]
    assert after.startswith("```bash\n")
    assert len(found.splitlines()) == 1
    assert "pip install torch==2.13.0 -e '.[test,dgl]'" in found
    assert found.rstrip().endswith("pytest -n 2")


def test_statuses_are_explained():
    from pytest_mlff.schema import Status

    for status in get_args(Status):
        assert any(line[0] == status for line in table_lines(README))
        assert status in page("command-line")
