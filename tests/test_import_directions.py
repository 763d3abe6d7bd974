"""Which part may import which, read from the source itself.

Data flows downward, from records to pictures, and so do the imports: a part
that knows nothing of those above it can be used and tested without them.
`--help` and errors in a config come at once because nothing on their way
imports TensorFlow, which takes seconds.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from tests.support import REPOSITORY

HEAVY = {
    "apache_beam",
    "keras",
    "keras_cv",
    "official",
    "onnxruntime",
    "tensorflow",
    "tensorflow_datasets",
    "tf2onnx",
    "tf_keras",
}
ABOVE_MODEL = {
    "drawing",
    "exporting",
    "html_report",
    "metrics",
    "prediction",
    "server",
    "training",
}
FORBIDDEN = {
    "featsr_tf.config": {"model", *ABOVE_MODEL},
    "featsr_tf.geometry": {"data", "model", *ABOVE_MODEL},
    "featsr_tf.data": {"model", *ABOVE_MODEL},
    "featsr_tf.model": ABOVE_MODEL,
    "featsr_tf.metrics": {"model", *ABOVE_MODEL} - {"metrics"},
    "featsr_tf.training.losses": {"model", "training"},
}
READERS_OF_THE_CONFIG = {
    "featsr_tf.command_line.flags",
    "featsr_tf.config",
    "featsr_tf.data.build",
    "featsr_tf.model.build",
    "featsr_tf.prediction.evaluation",
    "featsr_tf.exporting.model_card",
    "featsr_tf.exporting.saved_model",
    "featsr_tf.training.trainer",
    "featsr_tf.training.build",
    "featsr_tf.training.check",
    "featsr_tf.training.feature_cache",
    "featsr_tf.training.model_folder",
    "featsr_tf.training.origins",
    "featsr_tf.training.optimizers",
    "featsr_tf.training.problems",
    "research.feature_figure",
}
WITHOUT_TENSORFLOW = {
    "featsr_tf.config",
    "featsr_tf.errors",
    "featsr_tf.metrics",
}


def parse_modules() -> dict[str, ast.Module]:
    modules = {}
    for top in ("featsr_tf", "tfrecords_tools"):
        for path in sorted((REPOSITORY / top).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            modules[name] = ast.parse(path.read_text(), str(path))
    return modules


def is_in(module: str, packages: Iterable[str]) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in packages)


def imported_names(nodes: Iterable[ast.AST]) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute in this project"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def run_on_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yields what Python runs when it imports a module: no function bodies."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        is_for_types = isinstance(
            node, ast.If
        ) and "TYPE_CHECKING" in ast.unparse(node)
        if not is_function and not is_for_types:
            yield node
            pending.extend(ast.iter_child_nodes(node))


def reached_on_import(start: str) -> set[str]:
    """Returns all names that importing a module of ours imports in turn."""
    reached: set[str] = set()
    pending = {start}
    while pending:
        name = pending.pop()
        reached.add(name)
        found = {name.rpartition(".")[0]} if "." in name else set()
        if name in MODULES:
            found |= imported_names(run_on_import(MODULES[name]))
        pending |= found - reached
    return reached


MODULES = parse_modules()
DOORS = sorted(
    name
    for name, tree in MODULES.items()
    if any("__main__" in ast.unparse(node) for node in run_on_import(tree))
)


def test_the_search_follows_imports_through_our_own_modules():
    reached = reached_on_import("featsr_tf.geometry.boxes")
    assert "featsr_tf.geometry" in reached
    assert any(name.split(".")[0] in HEAVY for name in reached)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_part_knows_nothing_of_those_above_it(package):
    above = {f"featsr_tf.{name}" for name in FORBIDDEN[package]}
    for module, tree in MODULES.items():
        if is_in(module, {package}):
            names = imported_names(ast.walk(tree))
            wrong = {name for name in names if is_in(name, above)}
            assert not wrong, f"{module} imports {sorted(wrong)}"


def test_what_makes_the_model_fast_has_one_door():
    room = "featsr_tf.model.speed"
    public = {
        alias.name
        for node in MODULES[room].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    public |= {getattr(node, "name", "") for node in MODULES[room].body}
    for module, tree in MODULES.items():
        if not is_in(module, {room}):
            names = imported_names(ast.walk(tree))
            inside = {name for name in names if name.startswith(f"{room}.")}
            wrong = inside - {f"{room}.{name}" for name in public}
            assert not wrong, f"{module} imports {sorted(wrong)}"


def test_only_the_doors_and_the_builders_read_the_config():
    for module, tree in MODULES.items():
        if module not in DOORS and not is_in(module, READERS_OF_THE_CONFIG):
            names = imported_names(ast.walk(tree))
            wrong = {
                name
                for name in names
                if is_in(name, {"featsr_tf.config"})
                # A list that models and checks share, and no config.
                and not is_in(name, {"featsr_tf.config.backbones"})
            }
            assert not wrong, f"{module} imports {sorted(wrong)}"


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if name in DOORS or is_in(name, WITHOUT_TENSORFLOW)
    ],
)
def test_importing_it_does_not_import_tensorflow(module):
    reached = reached_on_import(module)
    heavy = {name for name in reached if name.split(".")[0] in HEAVY}
    assert not heavy, f"{module} imports {sorted(heavy)}, directly or not"


def test_importing_the_package_does_not_import_tensorflow():
    program = (
        "import sys, featsr_tf, featsr_tf.errors, featsr_tf.config\n"
        f"sys.exit(str({HEAVY} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert result.stderr.strip() == "set()"


@pytest.mark.parametrize("door", DOORS)
def test_a_door_prints_its_help_without_tensorflow(door):
    command = [sys.executable, "-X", "importtime", "-m", door, "--help"]
    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-500:]
    assert "usage:" in result.stdout
    imported = {
        line.split("|")[-1].strip() for line in result.stderr.split("\n")
    }
    assert not imported & HEAVY
