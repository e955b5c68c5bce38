"""The compatibility layer as a whole: how it comes into effect, how it is switched off, what it reports, and what it costs."""

import importlib.machinery
import inspect
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy
import pytest
import torch
from allennlp.training.checkpointer import Checkpointer

import allennlp_graphmask_compat as compat
from allennlp_graphmask_compat import mechanism, patches
from tests.compat.conftest import run_python
from tests.compat.test_patches import Malicious
from tests.conftest import ROOT

STATE_OF_PROCESS = """
import sys
layer = sys.modules.get("allennlp_graphmask_compat")
print("loaded" if layer else "absent", "installed" if layer and layer.is_installed() else "out")
print(sorted({name.split(".")[0] for name in sys.modules} & {"typing", "dataclasses", "inspect", "torch", "numpy",
      "transformers", "allennlp", "pickle", "contextlib"}))
"""


@pytest.mark.parametrize("package", ["allennlp_graphmask", "allennlp_graphmask_compat"])
def test_processes_of_tests_run_this_checkout(tmp_path, package) -> None:
    """Also where another one is installed."""
    output = run_python("-c", f"import {package}; print({package}.__file__)", folder=tmp_path)
    assert Path(output.strip()) == ROOT / package / "__init__.py"


def test_it_starts_with_the_interpreter_and_imports_nothing_heavy(tmp_path) -> None:
    state, heavy = run_python("-c", STATE_OF_PROCESS, folder=tmp_path).splitlines()
    assert state == "loaded installed", "the .pth file is not installed: pip install -e ."
    # What an interpreter has loaded without it may be loaded here too.
    without = run_python("-S", "-c", STATE_OF_PROCESS, folder=tmp_path).splitlines()
    assert without[0] == "absent out"
    assert heavy == without[1]


@pytest.mark.parametrize("value, state", [("0", "out"), ("off", "out"), ("1", "installed"), ("", "installed")])
def test_environment_variable_switches_it_off(tmp_path, value, state) -> None:
    output = run_python("-c", STATE_OF_PROCESS, folder=tmp_path, ALLENNLP_GRAPHMASK_COMPAT=value)
    assert output.splitlines()[0] == f"loaded {state}"


def test_it_starts_in_spawned_workers(tmp_path) -> None:
    script = tmp_path / "spawn.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "def work(_):\n"
        "    return sys.modules['allennlp_graphmask_compat'].is_installed()\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(work, [0]))\n",
        encoding="utf-8",
    )
    assert run_python(str(script), folder=tmp_path) == "[True]\n"


def test_installing_twice_puts_in_one_finder(monkeypatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    compat.uninstall()
    before = list(sys.meta_path)
    assert not compat.is_installed()
    compat.install()
    compat.install()
    assert compat.is_installed()
    assert len(sys.meta_path) == len(before) + 1
    compat.uninstall()
    assert sys.meta_path == before


def test_finder_answers_for_the_named_modules_only(monkeypatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    compat.install()
    finder = next(finder for finder in sys.meta_path if isinstance(finder, compat._Finder))
    import allennlp.training

    path = allennlp.training.__path__
    for name in ["json", "torch", "allennlp_graphmask", "allennlp_graphmask_compat.patches"]:
        assert finder.find_spec(name, None) is None
    assert finder.find_spec("allennlp.training.trainer", path) is None
    assert finder.find_spec("allennlp.training.checkpointer", []) is None
    spec = finder.find_spec("allennlp.training.checkpointer", path)
    assert spec is not None and isinstance(spec.loader, mechanism.PatchingLoader)
    # What tools ask of a loader, the patching one answers as the module's own.
    assert "class Checkpointer" in spec.loader.get_source("allennlp.training.checkpointer")


def test_patches_with_a_finder_in_front_that_asks_the_others(tmp_path: Path) -> None:
    """Coverage tools put such finders first."""
    script = (
        "import sys\n"
        "class First:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:\n"
        "            spec = finder.find_spec(name, path, target)\n"
        "            if spec is not None:\n"
        "                return spec\n"
        "sys.meta_path.insert(0, First())\n"
        "import allennlp.training.checkpointer, allennlp_graphmask_compat as compat\n"
        "print([patch.state for patch in compat.patches_in_effect() if 'allennlp.training.checkpointer' in patch.modules])\n"
    )
    assert run_python("-c", script, folder=tmp_path) == "['applied']\n"


def test_patched_modules_keep_their_own_loader_and_source() -> None:
    for name in patches.PATCHES_BY_MODULE:
        module = importlib.import_module(name)
        assert isinstance(module.__loader__, importlib.machinery.SourceFileLoader)
        assert module.__spec__ is not None and module.__spec__.loader is module.__loader__
        assert inspect.getsource(module) == Path(str(module.__file__)).read_text(encoding="utf-8")


def test_reports_name_every_patch_and_what_it_did() -> None:
    for name in patches.PATCHES_BY_MODULE:
        importlib.import_module(name)
    reports = compat.patches_in_effect()
    for report in reports:
        report.settle()
        assert report.state in (mechanism.APPLIED, mechanism.NOT_NEEDED), report.name
        assert report.reason and report.modules
    states = {report.name: report.state for report in reports}
    assert states["default_plugin"] == mechanism.APPLIED


@pytest.mark.parametrize("installed, state", [(True, "not reached"), (False, "not installed")])
def test_state_of_a_patch_whose_modules_were_not_imported(installed, state, monkeypatch) -> None:
    monkeypatch.setattr(compat, "is_installed", lambda: installed)
    assert mechanism.Patch("example", ("example",), "why", lambda module: {}).state == state


def test_documentation_describes_every_patch() -> None:
    text = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    for patch in patches.PATCHES:
        assert f"`{patch.name}`" in text
        for module_name in patch.modules:
            assert f"`{module_name}`" in text


def test_allennlps_checkpointer_reads_numbers_and_refuses_code(tmp_path) -> None:
    checkpointer = Checkpointer(tmp_path)
    torch.save({"weight": torch.ones(1)}, tmp_path / "model_state_e1_b0.th")
    training_state = {"best_so_far": numpy.float64(0.5), "epoch_number": 1}
    torch.save(training_state, tmp_path / "training_state_e1_b0.th")
    loaded = checkpointer.load_checkpoint()
    assert loaded is not None and loaded.trainer_state == training_state
    torch.save({**training_state, "callbacks": [Malicious()]}, tmp_path / "training_state_e1_b0.th")
    with pytest.raises(pickle.UnpicklingError, match="[Ww]eights"):
        checkpointer.load_checkpoint()
    # Only the checkpointer has this list of harmless types.
    assert not {numpy.dtype, type(numpy.dtype("float64"))} & set(torch.serialization.get_safe_globals())


def test_reloading_a_patched_module_patches_it_again() -> None:
    plugins: ModuleType = importlib.import_module("allennlp.common.plugins")
    importlib.reload(plugins)
    assert plugins.DEFAULT_PLUGINS.count("allennlp_graphmask") == 1
