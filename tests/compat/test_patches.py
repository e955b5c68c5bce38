"""
Each patch by itself: it fixes what it is for, does nothing where it is not needed, and touches nothing else. Patches are run on
a module that is made here, as they are on AllenNLP's modules.
"""

import importlib
import io
import os
import pickle
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import huggingface_hub
import numpy
import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask_compat import deferral, patches
from allennlp_graphmask_compat.mechanism import APPLIED, NOT_NEEDED, Patch, View


def run_patched(patch_name: str, code: str) -> ModuleType:
    """Run `code` as a module, with the named patch around it."""
    [patch] = [patch for patch in patches.PATCHES if patch.name == patch_name]
    module = ModuleType("patched_module")

    def run(module: ModuleType) -> None:
        exec(code, vars(module))

    patch.execute(module, run)
    patch.settle()
    module.state = patch._states.pop("patched_module")  # type: ignore[attr-defined]
    return module


@pytest.fixture
def transformers() -> ModuleType:
    """The module that an import gives now: while it loads, transformers 5 replaces itself in `sys.modules`."""
    return importlib.import_module("transformers")


def test_every_patch_names_modules_that_allennlp_has() -> None:
    for patch in patches.PATCHES:
        assert patch.reason
        for module_name in patch.modules:
            assert module_name.partition(".")[0] in ("allennlp", "allennlp_graphmask")
            assert importlib.util.find_spec(module_name) is not None


def test_removed_huggingface_hub_classes_can_be_imported_and_say_why_they_fail(monkeypatch) -> None:
    monkeypatch.delattr(huggingface_hub, "HfFolder", raising=False)
    monkeypatch.delattr(huggingface_hub, "Repository", raising=False)
    module = run_patched(
        "huggingface_hub_repository",
        "from huggingface_hub import HfApi, HfFolder, Repository\nimport huggingface_hub as hub",
    )
    assert module.state == APPLIED
    assert module.HfApi is huggingface_hub.HfApi
    with pytest.raises(RuntimeError, match="hf upload"):
        module.HfFolder.get_token()
    with pytest.raises(RuntimeError, match="Repository.*huggingface_hub<1.0"):
        module.Repository("folder", clone_from="url")
    assert not hasattr(huggingface_hub, "HfFolder")


TORCHVISION_IMPORTS = "import torchvision\nimport torchvision.ops.boxes as box_ops"


def test_absent_torchvision_fails_only_when_it_is_used(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)  # What makes `import torchvision` fail.
    module = run_patched("torchvision_absent", TORCHVISION_IMPORTS)
    assert module.state == APPLIED
    with pytest.raises(ModuleNotFoundError, match="torchvision.io: AllenNLP's vision modules need torchvision"):
        module.torchvision.io.read_image("picture.png")
    with pytest.raises(ModuleNotFoundError, match="torchvision.ops.boxes.nms: "):
        module.box_ops.nms()
    assert sys.modules["torchvision"] is None  # Other modules do not see the stand-in.
    with pytest.raises(ImportError):
        importlib.import_module("torchvision")


ADAMW = "import transformers\nclass Optimizer(transformers.AdamW):\n    pass"


def make_parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([1.0, -2.0]))


def test_huggingface_adamw_is_the_one_of_torch(transformers) -> None:
    if hasattr(transformers, "AdamW"):
        pytest.skip("this release of transformers still has AdamW")
    module = run_patched("transformers_adamw", ADAMW)
    assert module.state == APPLIED
    assert not hasattr(importlib.import_module("transformers"), "AdamW")
    options = dict(lr=0.1, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)
    ours, theirs = make_parameter(), make_parameter()
    for parameter, optimizer in [
        (ours, module.Optimizer([ours], correct_bias=True, **options)),
        (theirs, torch.optim.AdamW([theirs], **options)),
    ]:
        for _ in range(3):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
    assert torch.equal(ours, theirs)
    with pytest.raises(ValueError, match="correct_bias=false"):
        module.Optimizer([make_parameter()], correct_bias=False)


def test_reduce_on_plateau_takes_verbose() -> None:
    module = run_patched("reduce_on_plateau_verbose", "import torch")
    if module.state == NOT_NEEDED:
        pytest.skip("ReduceLROnPlateau of this release of torch still takes verbose")
    optimizer = torch.optim.SGD([make_parameter()], lr=1.0)
    scheduler = module.torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer=optimizer, mode="max", factor=0.5, patience=0, verbose=False
    )
    assert type(scheduler) is torch.optim.lr_scheduler.ReduceLROnPlateau
    scheduler.step(1.0)
    scheduler.step(0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5
    with pytest.warns(UserWarning, match="verbose=true"):
        module.torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, verbose=True)
    # The rest of the module's view of torch is torch.
    assert module.torch.optim.lr_scheduler.StepLR is torch.optim.lr_scheduler.StepLR
    assert module.torch.optim.SGD is torch.optim.SGD and module.torch.ones is torch.ones


def test_tokenizers_take_the_old_keyword_and_have_the_old_method(transformers, monkeypatch) -> None:
    class Tokenizer:
        def __call__(self, text: str, **options) -> tuple:
            return text, options

    received = {}

    def from_pretrained(model_name: str, **options) -> Tokenizer:
        received[model_name] = options
        return Tokenizer()

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", from_pretrained)
    module = run_patched("auto_tokenizer", "import transformers")
    if module.state == NOT_NEEDED:
        pytest.skip("the tokenizers of this release of transformers still take the keyword and have the method")
    tokenizer = module.transformers.AutoTokenizer.from_pretrained("model", add_special_tokens=False, use_fast=True)
    assert received["model"]["use_fast"] is True
    if "add_special_tokens" not in received["model"]:
        with pytest.raises(AttributeError, match="add_special_tokens"):
            transformers.PreTrainedTokenizerBase(add_special_tokens=False)
    assert tokenizer.encode_plus("word", add_special_tokens=False) == ("word", {"add_special_tokens": False})
    assert module.transformers.AutoConfig is transformers.AutoConfig


NUMBERS = [numpy.float64(0.25), numpy.float32(0.25), numpy.int64(-3), numpy.int32(7), numpy.bool_(True)]


def saved(value: object) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: type(number).__name__)
def test_checkpointer_reads_numpy_numbers_and_only_the_checkpointer_does(number) -> None:
    module = run_patched("checkpoint_numpy_numbers", "import torch")
    assert module.state == APPLIED
    state = {"metric_tracker": {"best_so_far": number}, "weight": torch.ones(2)}
    read = module.torch.load(saved(state), map_location="cpu")
    assert read["metric_tracker"]["best_so_far"] == number
    assert type(read["metric_tracker"]["best_so_far"]) is type(number)
    assert module.torch.save is torch.save
    with pytest.raises(pickle.UnpicklingError):
        torch.load(saved(state))


class Malicious:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("owned",)


@pytest.mark.parametrize(
    "value",
    [Malicious(), numpy.array([Malicious()], dtype=object), SimpleNamespace(a=1), numpy.array(["text"])],
    ids=["call", "call in an array", "object", "array of strings"],
)
def test_checkpointer_refuses_everything_else(value, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = run_patched("checkpoint_numpy_numbers", "import torch")
    with pytest.raises(pickle.UnpicklingError):
        module.torch.load(saved({"best_so_far": numpy.float64(1), "callbacks": [value]}))
    assert not os.listdir(tmp_path)


def test_tensor_cache_reads_what_it_wrote(tmp_path) -> None:
    from allennlp.common.file_utils import TensorCache

    cache = TensorCache(tmp_path / "cache")
    cache["image"] = torch.arange(6.0).reshape(2, 3)
    cache.cache_cache.clear()  # So that it reads the file.
    assert torch.equal(cache["image"], torch.arange(6.0).reshape(2, 3))


def test_the_process_group_is_destroyed_at_the_end(tmp_path) -> None:
    code = """
import types
import torch.distributed as dist
training_util = types.ModuleType("training_util")
training_util.evaluate = None
def _train_worker(store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
"""
    script = tmp_path / "worker.py"
    script.write_text(
        f"import atexit\nfrom tests.compat.test_patches import run_patched\nimport torch.distributed\n"
        f"module = run_patched('process_group_left', {code!r})\n"
        "assert module.state == 'applied', module.state\n"
        # What is registered first is called last.
        "atexit.register(lambda: print('left:', torch.distributed.is_initialized()))\n"
        f"module._train_worker({str(tmp_path / 'store')!r})\n"
        "print('during:', torch.distributed.is_initialized())\n"
    )
    finished = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split("\n")[-3:] == ["during: True", "left: False", ""]


def test_a_vocabulary_that_was_written_in_part_is_not_read(tmp_path, monkeypatch) -> None:
    from allennlp.data import Vocabulary

    vocabulary = Vocabulary(tokens_to_add={"words": ["a", "b"], "labels": ["x"]})
    vocabulary.save_to_files(str(tmp_path / "whole"))
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {
        "labels.txt", "words.txt", "non_padded_namespaces.txt", ".lock",
    }  # fmt: skip
    replace, moved = os.replace, []

    def replace_one(*args: object) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(args)
        replace(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", replace_one)
        vocabulary.save_to_files(str(tmp_path / "part"))
    with pytest.raises(ConfigurationError, match="part"):
        Vocabulary.from_files(str(tmp_path / "part"))
    vocabulary.save_to_files(str(tmp_path / "part"))
    read = Vocabulary.from_files(str(tmp_path / "part"))
    assert read.get_vocab_size("words") == vocabulary.get_vocab_size("words")
    assert not (tmp_path / "part" / ".partial").exists()


def test_plugin_is_added_to_the_default_plugins() -> None:
    module = run_patched("default_plugin", "DEFAULT_PLUGINS = ('allennlp_models',)")
    assert module.DEFAULT_PLUGINS == ("allennlp_models", "allennlp_graphmask")


class WithVerbose:
    def __init__(self, optimizer, verbose: bool = False) -> None:
        pass


class OldTokenizer:
    def __init__(self, **options) -> None:
        pass

    def encode_plus(self) -> None:
        pass


def working_torchvision() -> dict[str, ModuleType]:
    names = ["torchvision", "torchvision.ops", "torchvision.ops.boxes"]
    modules = {name: ModuleType(name) for name in names}
    modules[names[0]].ops, modules[names[1]].boxes = modules[names[1]], modules[names[2]]  # type: ignore[attr-defined]
    return modules


#: By patch: releases that do not need it (owner, name, value), and a module to be left alone.
NOT_IN_NEED = {
    "huggingface_hub_repository": (
        [("huggingface_hub", "HfFolder", object()), ("huggingface_hub", "Repository", object())],
        "import huggingface_hub",
    ),
    "torchvision_absent": ([], TORCHVISION_IMPORTS),
    "transformers_adamw": ([("transformers", "AdamW", torch.optim.SGD)], ADAMW),
    "reduce_on_plateau_verbose": ([("torch.optim.lr_scheduler", "ReduceLROnPlateau", WithVerbose)], "import torch"),
    "auto_tokenizer": ([("transformers", "PreTrainedTokenizerBase", OldTokenizer)], "import transformers"),
    "transformers_by_settings": ([], "class TransformerSpec:\n    _fields = ('model_name', 'load_weights')"),
    "checkpoint_numpy_numbers": ([("torch", "load", lambda file: None)], "import torch"),
    "tensor_cache_protocol": ([("torch", "load", lambda file: None)], "import pickle"),
    "process_group_left": (
        [],
        "import torch.distributed as dist\ndef _train_worker():\n    dist.destroy_process_group()",
    ),
    "libraries_when_used": ([(deferral, "LIBRARIES", {"patched_module": ("not_installed",)})], "import json"),
    "submodules_in_one_walk": ([], "def import_module_and_submodules():\n    pass"),
    "json_files_whole": ([], "def dump_metrics():\n    write()"),
    "vocabulary_whole": ([], "class Vocabulary:\n    def save_to_files(self):\n        write()"),
    "archive_whole": ([], "def archive_model():\n    write()"),
    "folder_in_use": ([], "class training_util:\n    def create_serialization_dir():\n        check()"),
    "data_in_turn": ([], "class MultiProcessDataLoader:\n    def _iter_batches(self):\n        pass"),
    "default_plugin": ([], "DEFAULT_PLUGINS = ('allennlp_graphmask',)"),
}


def test_what_is_needed_with_every_release() -> None:
    assert {patch.name for patch in patches.PATCHES} - set(NOT_IN_NEED) == {
        "checked_archives",
        "mistakes_in_one_message",
    }


@pytest.mark.parametrize("patch_name", NOT_IN_NEED)
def test_a_module_that_needs_no_patch_is_left_alone(patch_name: str, monkeypatch) -> None:
    changes, code = NOT_IN_NEED[patch_name]
    for name, module in working_torchvision().items() if patch_name == "torchvision_absent" else ():
        monkeypatch.setitem(sys.modules, name, module)
    for owner, name, value in changes:
        owner = importlib.import_module(owner) if isinstance(owner, str) else owner
        monkeypatch.setattr(owner, name, value, raising=False)
    module = run_patched(patch_name, code)
    assert module.state == NOT_NEEDED
    expected = ModuleType("not_patched")
    exec(code, vars(expected))
    for name, value in vars(expected).items():
        if isinstance(value, (ModuleType, tuple)):
            assert getattr(module, name) == value  # for modules: the same one


def fail(module: ModuleType) -> dict:
    raise LookupError("the library has changed again")


@pytest.mark.parametrize("before", [True, False])
def test_a_patch_that_fails_leaves_the_module_as_it_is_and_reports_it(before: bool) -> None:
    patch = Patch("example", ("example",), "", fail, before=before)
    module = ModuleType("example")
    patch.execute(module, lambda module: vars(module).update(ran=True))
    assert module.ran
    assert patch.state == "failed: LookupError: the library has changed again"


def test_stand_ins_reach_one_module_only_and_leave_its_builtins_as_they_were() -> None:
    stand_in = ModuleType("json")
    patch = Patch("example", ("example",), "", lambda module: {"json": stand_in}, before=True)
    module = ModuleType("example")
    code = "import json, os\nfrom os import path\ndef later():\n    import json\n    return json"

    def run(module: ModuleType) -> None:
        exec(code, vars(module))

    patch.execute(module, run)
    import json

    assert module.json is stand_in and module.os is os and module.path is os.path
    assert module.later() is json
    assert sys.modules["json"] is json
    import builtins

    assert vars(module)["__builtins__"] is vars(builtins)


def test_view_shows_the_original_but_for_the_overridden_names() -> None:
    view = View(torch, load=len)
    assert view.load is len and view.Tensor is torch.Tensor
    assert set(dir(torch)) <= set(dir(view))
    with pytest.raises(AttributeError):
        view.no_such_name()
