"""What the house stands on: few packages, pinned once, optional ones asked for when used."""

import ast
import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.reading import REPOSITORY, modules

CORE_PACKAGES = 65
FORBIDDEN = {"mlstm-kernels", "xlstm", "xlstm-jax", "multimolecule", "helical", "lightning", "mosaicml-streaming", "hydra-core"}
OPTIONAL = {"transformers", "peft", "pyhmmer", "rdkit", "fcd_torch", "tensorboard", "trackio", "gradio", "ray"}
"""Names under which the packages of the extras are imported."""


def settings() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def needed(names: list[str]) -> set[str]:
    """Names of the packages that an installation of these requirements brings, from the metadata of what is here."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        extras = requirement.extras or {""}
        for line in metadata.requires(name) or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(inner)
    return found


def test_the_core_is_small():
    packages = {name for name in needed(settings()["project"]["dependencies"]) if not re.match(r"nvidia-|triton|cuda-", name)}

    assert len(packages) <= CORE_PACKAGES, sorted(packages)


def test_every_package_of_core_and_development_is_pinned():
    project = settings()["project"]
    packages = needed([*project["dependencies"], *project["optional-dependencies"]["dev"]])

    assert {name for name in packages if not re.match(r"nvidia-|triton|cuda-", name)} <= set(pins())


def test_pins_satisfy_the_ranges():
    project = settings()["project"]
    pinned = pins()
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]

    for requirement in map(Requirement, lines):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is None or requirement.specifier.contains(version), requirement


def test_no_package_of_another_licence_comes_in():
    project = settings()["project"]
    names = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    names |= {canonicalize_name(Requirement(line).name) for extra in project["optional-dependencies"].values() for line in extra}

    assert not FORBIDDEN & (names | set(pins()))


@pytest.mark.parametrize("package", sorted(OPTIONAL))
def test_an_optional_package_is_imported_in_one_room_inside_functions(package):
    users = {module.room for module in modules() if any(name.split(".")[0] == package for name in module.all_imports)}
    early = [str(module) for module in modules() if any(name.split(".")[0] == package for name in module.top_level_imports)]

    assert len(users) <= 1
    assert early == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_nothing_unsafe_is_called(module):
    calls = {ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    unsafe = {"eval", "exec", "pickle.load", "pickle.loads", "os.system", "yaml.unsafe_load", "yaml.full_load"}
    loads = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]

    assert not unsafe & calls
    assert "yaml.load" not in calls or "(yaml.SafeLoader)" in module.text
    assert all(any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords) for node in loads)
