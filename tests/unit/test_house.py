"""The rooms of src/csdn: its top level holds packages only, and an import goes downwards, so there is no cycle."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "csdn"
GROUND = ("errors", "seeding")
ROOMS = (
    *("artifacts", "console", "config", "study", "steps", "data", "synthetic", "losses", "models", "training"),
    *("evaluation", "tracking", "statistics", "results", "figures", "reporting", "search", "jobs", "cli", "launch"),
)  # an import goes to the left
TESTS = Path(__file__).parent
ACROSS = {  # tests that bear no module's name, or folders of such, and what they are about instead
    "jobs": "one behaviour of many jobs each: resuming, a full disk, a GPU",
    "reporting/test_browser.py": "the page as a browser shows it",
    "reporting/test_selected_on_test.py": "a label that tables, figures and tracking carry",
    "training/test_frozen.py": "what none of the stages may change",
    "training/test_switches.py": "settings that reach several stages",
    "test_bad_inputs.py": "damaged files of every kind",
    "test_fuzz.py": "every reader",
    "test_house.py": "the rooms themselves",
    "test_method_page.py": "docs/method.md",
    "test_wrong_in_many_ways.py": "weights, datasets and settings",
}
HEIGHT = {name: height for height, name in enumerate((*GROUND, *ROOMS))}


def imported(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Dotted names of what a statement imports; `package` is that of its file."""
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = [*package[: len(package) - node.level + 1]] if node.level else []
    return [".".join([*base, *filter(None, [node.module]), name.name]) for name in node.names]


def upward_imports(root: Path) -> list[str]:
    """Imports, those inside functions too, of a room that does not lie below the file's own."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        own = HEIGHT.get(parts[0], len(HEIGHT))  # __init__ and __main__ stand above all
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            rooms = {name.split(".")[1] for name in imported(node, ("csdn", *parts[:-1])) if name.startswith("csdn.")}
            found += [f"{'/'.join(parts)} -> {room}" for room in sorted(rooms) if HEIGHT.get(room, -1) > own]
    return found


def test_imports_go_downwards():
    assert upward_imports(SRC) == []


def test_only_rooms_lie_at_the_top_level():
    assert {path.name for path in SRC.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)
    assert {path.stem for path in SRC.glob("*.py")} <= {*GROUND, "__init__", "__main__"}


def test_networks_and_trainings_are_given_values_and_not_settings():
    """A job unpacks its settings (csdn/jobs/unpacking.py), so that neither room knows how params.yaml is divided."""
    for room in ("models", "training"):
        for path in sorted((SRC / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = imported(node, ("csdn", room))
                assert not [name for name in names if name.split(".")[1:2] in (["config"], ["steps"])], path


def test_a_test_bears_the_name_of_its_module_or_says_what_it_is_about():
    tests = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    nameless = {str(path) for path in tests if not (SRC / path.parent / path.name.removeprefix("test_")).exists()}
    excused = {name for name in nameless if {name, name.split("/")[0]} & set(ACROSS)}
    assert nameless - excused == set()
    assert {name for name in ACROSS if name.endswith(".py")} <= nameless, "these have found their module"


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("data/x.py", "from csdn.jobs.training import run_train_encoder"),
        ("data/x.py", "def late():\n    import csdn.jobs.training"),
        ("data/x.py", "from csdn import jobs"),
        ("data/x.py", "from ..jobs import training"),
        ("errors.py", "from csdn.artifacts import files"),
    ],
)
def test_an_upward_import_is_found(tmp_path, place, line):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("from csdn.errors import UserError\n" + line)
    assert len(upward_imports(tmp_path)) == 1
