"""Imports go one way: from the commands down to the graph and the explanation. Files never import each other in a circle."""

import ast
import graphlib
from pathlib import Path
from typing import Dict, Iterator, Set

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "allennlp_graphmask"

#: From the bottom. A part may import those above it in this list, and itself.
PARTS = [
    "version",
    "checks",
    "vocabulary_entries",
    "validation",
    "explanation",
    "restoring",
    "rounding",
    "graph",
    "focus",
    "checked_parameters",
    "pretrained",
    "data",
    "metrics",
    "modules",
    "training",
    "models",
    "interpret",
    "pyg",
    "evaluation",
    "views",
    "report",
    "predictors",
    "corpus",
    "spacy",
    "testing",
    "commands",
]

#: The notebook display of an explanation asks the registry of views, when it is called.
DEFERRED = {("allennlp_graphmask.explanation.explanation", "allennlp_graphmask.views")}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_names(path: Path) -> Iterator[str]:
    """Every module, or name in a module, that a file imports: anywhere in it, also for type checking."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(path: Path) -> Set[str]:
    """The modules of this package that a file imports."""
    found = set()
    for name in imported_names(path):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", "allennlp_graphmask"}


IMPORTS: Dict[str, Set[str]] = {module: imported_modules(path) for module, path in MODULES.items()}


def part_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", [module for module in MODULES if "." in module])
def test_a_module_imports_only_parts_below_its_own(module):
    for imported in IMPORTS[module]:
        if (module, imported) not in DEFERRED:
            assert PARTS.index(part_of(imported)) <= PARTS.index(part_of(module)), f"{module} imports {imported}"


def test_the_deferred_import_is_there():
    assert all(imported in IMPORTS[module] for module, imported in DEFERRED)


@pytest.mark.parametrize(
    "module", [module for module in MODULES if module.startswith("allennlp_graphmask.explanation")]
)
def test_explanations_need_neither_torch_nor_allennlp(module):
    libraries = {name.split(".")[0] for name in imported_names(MODULES[module])}
    assert not libraries & {"torch", "allennlp"}


@pytest.mark.parametrize("module", MODULES)
def test_only_its_own_part_uses_pytorch_geometric(module):
    if not module.startswith("allennlp_graphmask.pyg"):
        assert "torch_geometric" not in {name.split(".")[0] for name in imported_names(MODULES[module])}


@pytest.mark.parametrize("module", MODULES)
def test_only_the_pool_of_workers_uses_ray(module):
    if module != "allennlp_graphmask.corpus._pool":
        assert "ray" not in {name.split(".")[0] for name in imported_names(MODULES[module])}


def test_no_file_imports_itself_through_others():
    imports = {module: {name for name in IMPORTS[module] if (module, name) not in DEFERRED} for module in MODULES}
    # The error shows the circle.
    graphlib.TopologicalSorter(imports).prepare()
