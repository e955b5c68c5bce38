"""Libraries that are loaded when they are used: commands start without them, and all else is as if they had been loaded before."""

import json
import pickle
import string
from pathlib import Path
from string import Template
from types import ModuleType
from typing import Any

import pytest

from allennlp_graphmask_compat.deferral import LIBRARIES, Deferred
from allennlp_graphmask_compat.mechanism import Patch
from tests.compat.conftest import run_python
from tests.compat.test_patches import make_parameter

HEAVY = ["boto3", "cached_path", "nltk", "pandas", "pyarrow", "scipy.stats", "sklearn", "spacy", "transformers"]

#: Gives the AllenNLP of before.
EAGERLY = """
from allennlp_graphmask_compat import patches
for found in patches.PATCHES_BY_MODULE.values():
    found[:] = [patch for patch in found if patch.name not in ("libraries_when_used", "submodules_in_one_walk")]
"""

REGISTERED = """
import json, sys
import allennlp.commands
from allennlp.common import Registrable
from allennlp.common.plugins import import_plugins
import_plugins()
loaded = [name for name in HEAVY if name in sys.modules]
names = {f"{base.__module__}.{base.__name__}": base.list_available() for base in list(Registrable._registry)}
for base in list(Registrable._registry):
    for name in base.list_available():
        assert callable(base.by_name(name)), name
modules = sorted(name for name in sys.modules if name.startswith("allennlp"))
print(json.dumps([loaded, names, modules]))
"""

IMPORTED = """
import ast, importlib, json
from allennlp_graphmask_compat.deferral import LIBRARIES, Deferred

def statements(module):
    tree = ast.parse(open(module.__file__, encoding="utf-8").read())
    for node in [child for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent) if parent is tree or not
                 isinstance(parent, (ast.FunctionDef, ast.ClassDef))]:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any((name or "").partition(".")[0] in LIBRARIES[module.__name__] for name in names):
                yield ast.unparse(node)

deferred = {}
for module_name in LIBRARIES:
    module = importlib.import_module(module_name)
    deferred[module_name] = sum(isinstance(value, Deferred) for value in vars(module).values())
    expected = {}
    for statement in statements(module):
        exec(statement, expected)
    for name, value in expected.items():
        if name != "__builtins__" and hasattr(module, name):
            found = vars(module)[name]
            assert (found.get() if isinstance(found, Deferred) else found) is value, (module_name, name)
            assert vars(module)[name] is value, (module_name, name)
print(json.dumps(deferred))
"""

EXPLAINED = """
import json, sys
from allennlp.__main__ import run
sys.argv[1:] = ["explain", "pretrained:propbank-srl", "--text", "The cat sat on the mat.", "--view", "text"]
run()
print(json.dumps([name for name in HEAVY if name in sys.modules]))
"""


def run_program(program: str, folder: Path) -> Any:
    return json.loads(run_python("-c", f"HEAVY = {HEAVY}\n{program}", folder=folder).splitlines()[-1])


def test_registries_are_complete_and_no_library_is_loaded(tmp_path) -> None:
    (tmp_path / "training.py").write_text("raise RuntimeError('imported by its bare name')", encoding="utf-8")
    loaded, names, modules = run_program(REGISTERED, tmp_path)
    (tmp_path / "training.py").unlink()
    eagerly_loaded, eager_names, eager_modules = run_program(EAGERLY + REGISTERED, tmp_path)
    assert loaded == []
    assert {"transformers", "spacy", "nltk", "sklearn"} <= set(eagerly_loaded)
    assert names == eager_names
    assert set(modules) - {"allennlp_graphmask_compat.deferral"} == set(eager_modules) - {
        "allennlp_graphmask_compat.deferral"
    }


def test_explaining_a_sentence_loads_spacy_alone(tmp_path) -> None:
    assert run_program(EXPLAINED, tmp_path) == ["spacy"]


def test_a_name_that_is_used_is_that_of_the_library(tmp_path) -> None:
    deferred = run_program(IMPORTED, tmp_path)
    assert all(deferred[module_name] for module_name in LIBRARIES)


def run_deferred(code: str) -> ModuleType:
    """Run `code` as a module to which the library `string` is deferred."""
    module = ModuleType("deferring")
    patch = Patch("example", ("deferring",), "", lambda module: {}, library="string")
    patch.execute(module, lambda module: exec(code, vars(module)))
    return module


CODE = """
import typing
import string
from string import Formatter, Template as Text
Optional = typing.Optional[Text]
def is_text(value):
    return isinstance(value, (str, Text))
class Letter(Text):
    def __init__(self, template, place):
        super().__init__(template)
        self.place = place
"""


def test_a_deferred_class_is_like_the_class() -> None:
    module = run_deferred(CODE)
    assert isinstance(vars(module)["Text"], Deferred) and isinstance(vars(module)["string"], Deferred)
    assert pickle.loads(pickle.dumps(module.Text)) is Template
    assert module.is_text(Template("x")) and module.is_text("x") and not module.is_text(1)
    assert vars(module)["Text"] is Template
    assert module.string.Formatter is string.Formatter and module.Formatter().format("{}", 1) == "1"
    assert vars(module)["string"] is string
    for place in ("Rome", "Oslo"):
        letter = module.Letter("to $name", place)
        assert isinstance(letter, Template) and letter.substitute(name="you") == "to you" and letter.place == place
    assert issubclass(module.Letter, Template)


def test_an_attribute_set_on_a_deferred_module_is_set_on_the_module(monkeypatch) -> None:
    module = run_deferred("import string")
    monkeypatch.setattr(module.string, "nothing", "set", raising=False)
    assert string.nothing == "set"  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert not hasattr(string, "nothing")


@pytest.mark.parametrize("name, base", [("huggingface_adamw", None), ("huggingface_adafactor", "Adafactor")])
def test_optimizers_of_transformers(name: str, base: str) -> None:
    import torch
    import transformers
    from allennlp.common import Params
    from allennlp.training.optimizers import Optimizer

    parameter = make_parameter()
    before = parameter.detach().clone()
    optimizer = Optimizer.from_params(Params({"type": name}), model_parameters=[("parameter", parameter)])
    assert isinstance(optimizer, getattr(transformers, base) if base else torch.optim.AdamW)
    (parameter**2).sum().backward()
    optimizer.step()
    assert not torch.equal(parameter, before)
    assert type(pickle.loads(pickle.dumps(optimizer))) is type(optimizer)
