"""Ecosystems plugged in by other packages: a fake one, installed as a package's metadata would be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.models.load import load_model
from pytest_mlff.models.registry import installed_ecosystems

Install = Callable[..., None]

LOADER = """
def load(target, *, device):
    if target == "broken":
        raise OSError("no such model")
    if target == "nothing":
        return None
    calculator = Spring(len(target) / 1000, device=device)
    return calculator
def recognises(path):
    if path.endswith(".odd"):
        raise RuntimeError("cannot look")
    with open(path, "rb") as stream:
        return stream.read(4) == b"FAKE"
load.recognises = recognises
def explicit(target, *, device):
    return Spring()
number = 3
"""


@pytest.fixture
def install(user_module: Callable[..., Path], tmp_path: Path) -> Install:
    user_module("fake_loaders", LOADER)

    def write(package: str = "fake-mlff", **loaders: str) -> None:
        info = tmp_path / f"{package.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
        lines = [f"{name.replace('_', '-')} = fake_loaders:{target}" for name, target in loaders.items()]
        (info / "entry_points.txt").write_text("\n".join(["[pytest_mlff.models]", *lines, ""]))

    return write


def refusal(spec: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_model(spec)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_the_package_ships_its_own_networks() -> None:
    assert list(installed_ecosystems()) == ["builtin", "gnn"]


def test_a_loader_gets_the_target_and_the_device(install: Install) -> None:
    install(fake="load")
    assert list(installed_ecosystems()) == ["builtin", "fake", "gnn"]
    model = load_model("fake:some:thing", device="cuda:1")
    assert model.calculator.stiffness == 0.010
    assert model.calculator.asked_for == "cuda:1"
    assert model.name == "some-thing"
    assert "fake-mlff 1.5" in model.version
    assert load_model("fake:abc").calculator.asked_for == "auto"


def test_a_plain_path_goes_to_the_one_that_recognises_it(install: Install, tmp_path: Path) -> None:
    install(fake="load", other="explicit")
    path = tmp_path / "model b.weights"
    path.write_bytes(b"FAKE1")
    model = load_model(str(path))
    assert model.name == "model-b"
    assert model.fingerprint == load_model(f"fake:{path}").fingerprint
    path.write_bytes(b"FAKE2")
    assert model.fingerprint != load_model(str(path)).fingerprint
    path.write_bytes(b"LIKE2")
    assert "no installed ecosystem recognises it (installed: builtin, fake, gnn, other)" in refusal(str(path))


def test_two_that_recognise_a_file_are_not_chosen_from(install: Install, tmp_path: Path) -> None:
    install(fake="load", second="load")
    path = tmp_path / "model.weights"
    path.write_bytes(b"FAKE")
    message = refusal(str(path))
    assert f"more than one ecosystem recognises this file (fake, second); write fake:{path} or second:{path}" in message


def test_what_goes_wrong_inside_a_loader(install: Install, tmp_path: Path) -> None:
    install(fake="load", gone="missing", number="number")
    assert "the loader of the ecosystem 'fake' raised OSError: no such model (" in refusal("fake:broken")
    assert "the loader of 'fake' returned None, not an ASE calculator" in refusal("fake:nothing")
    assert "fake_loaders:missing of the ecosystem 'gone' cannot be imported: AttributeError" in refusal("gone:x")
    assert "the loader fake_loaders:number of the ecosystem 'number' is not callable" in refusal("number:x")


def test_a_look_that_fails_is_told(install: Install, tmp_path: Path) -> None:
    install(fake="load")
    path = tmp_path / "a.odd"
    path.write_bytes(b"")
    assert "'fake' failed while looking at this file: RuntimeError: cannot look" in refusal(str(path))


def test_two_packages_with_one_name(install: Install) -> None:
    install(fake="load")
    install("also-fake", fake="explicit")
    with pytest.raises(SpecError, match="two installed packages claim the ecosystem 'fake'"):
        load_model("fake:x")


def test_messages_name_what_is_installed(install: Install) -> None:
    install(fake="load")
    assert "nor an installed ecosystem of that name (installed: builtin, fake, gnn)" in refusal("fate_of:model")
    assert "'fate' is not an installed ecosystem (installed: builtin, fake, gnn)" in refusal("fate:dir/model.pt")
