"""Imports go down, as the table in CONTRIBUTING.md says."""

import re
import subprocess
import sys

import pytest

from tests.house.reading import REPOSITORY, SOURCE, modules, rooms_of


def floors() -> dict[str, int]:
    """Room to floor, as CONTRIBUTING.md draws them."""
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", (REPOSITORY / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    return {room: int(number) for number, rooms in rows for room in re.findall(r"`(\w+)`", rooms)}


def test_every_room_stands_on_a_floor():
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()} - {"__init__"}

    assert rooms <= set(floors())


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_go_down(module):
    floor = floors()
    below = {room for room in floor if floor[room] < floor[module.room]}
    # Two floors have a step: files are opened with the errors of the house, and who judges or explains may train.
    step = {"files": {"errors"}, "evaluate": {"train"}, "explain": {"train"}}.get(module.room, set())

    assert rooms_of(module.all_imports) <= below | step | {module.room}


def test_modules_import_each_other_in_no_circle():
    names = {module.name for module in modules()}
    graph = {module.name: module.top_level_imports & names - {module.name} for module in modules()}
    while leaves := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in leaves:
            del graph[name]

    assert not graph


def test_rooms_without_tensors_do_not_load_torch():
    rooms = ["bio", "bio.io", "tokens.vocabulary", "errors", "config", "files", "simulate", "cli", "cli.doctor", "cli.info"]
    code = f"import sys, {', '.join(f'biolect.{room}' for room in rooms)}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_devices_reads_the_environment():
    readers = {module.room for module in modules() if re.search(r"os\.environ|getenv", module.text)}

    assert readers <= {"devices"}


def test_models_and_layers_do_not_open_files():
    doors = ("checkpoint.py", "weight_maps.py")
    opens = re.compile(r"(?<![\w.])open\(|\.read_text\(|\.write_text\(")
    closed = [module for module in modules() if module.room in ("nn", "ops", "models") and module.path.name not in doors]

    assert [str(module) for module in closed if opens.search(module.text)] == []
