"""
The patches. Each first looks whether the installed releases need it, by trying or by looking rather than by comparing version
numbers, and returns nothing if they do not.

The libraries are imported inside the functions: this module is loaded at the first import of an AllenNLP module, and must not
change what is imported when.
"""

from __future__ import annotations

import atexit
import contextvars
import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from allennlp_graphmask_compat import saved_tensors, whole_files
from allennlp_graphmask_compat.command_mistakes import predictions, results
from allennlp_graphmask_compat.deferral import LIBRARIES, defer_libraries, import_in_one_walk
from allennlp_graphmask_compat.guards import GUARDS
from allennlp_graphmask_compat.mechanism import Absent, Patch, View
from allennlp_graphmask_compat.mistakes import MESSAGES
from allennlp_graphmask_compat.training_mistakes import training

PLUGIN = "allennlp_graphmask"

PATCHES: list[Patch] = []

_Prepare = Callable[[ModuleType], Mapping[str, Any]]


def _patch(
    name: str, *modules: str, reason: str, before: bool = False, library: str | None = None
) -> Callable[[_Prepare], _Prepare]:
    """Make a patch of the decorated function, see `Patch`."""

    def add(prepare: _Prepare) -> _Prepare:
        PATCHES.append(Patch(name, modules, reason, prepare, before=before, library=library))
        return prepare

    return add


@_patch(
    "huggingface_hub_repository",
    "allennlp.common.push_to_hf",
    reason="huggingface_hub 1.0 removed HfFolder and Repository, which this module imports: no command would start.",
    library="huggingface_hub",
)
def _huggingface_hub_classes(module: ModuleType) -> dict[str, Any]:
    """Two classes that raise when they are used."""
    import huggingface_hub

    def build_missing_class(class_name: str) -> type:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError(
                f"AllenNLP's push-to-hf needs {class_name}, which huggingface_hub 1.0 removed. Upload the "
                "folder with the command `hf upload`, or install huggingface_hub<1.0."
            )

        return type(class_name, (), {"__init__": refuse, "get_token": staticmethod(refuse)})

    missing = [name for name in ("HfFolder", "Repository") if not hasattr(huggingface_hub, name)]
    if not missing:
        return {}
    return {"huggingface_hub": View(huggingface_hub, **{name: build_missing_class(name) for name in missing})}


@_patch(
    "torchvision_absent",
    "allennlp.data.image_loader",
    "allennlp.modules.vision.grid_embedder",
    "allennlp.modules.vision.region_detector",
    reason="These modules always import torchvision: without a torchvision that fits the torch release no command "
    "would start, though only models of images use it.",
    before=True,
)
def _torchvision_modules(module: ModuleType) -> dict[str, Any]:
    """Build a `torchvision` that raises when it is used."""
    try:
        import torchvision.ops.boxes  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        # RuntimeError and OSError are what torchvision raises beside a torch that it was not built for.
        message = (
            f"AllenNLP's vision modules need torchvision, which cannot be imported ({type(error).__name__}: "
            f"{error}). Install the torchvision release that fits your torch release."
        )
        boxes = Absent("torchvision.ops.boxes", message)
        stand_in = Absent("torchvision", message, ops=Absent("torchvision.ops", message, boxes=boxes))
        # As with the real one, `import torchvision.ops.boxes` gives the top of the path.
        return {"torchvision": stand_in, "torchvision.ops.boxes": stand_in}
    return {}


@_patch(
    "transformers_adamw",
    "allennlp.training.optimizers",
    reason="transformers 5 removed AdamW, on which the optimizer huggingface_adamw is built: no command would start.",
    library="transformers",
)
def _transformers_adamw(module: ModuleType) -> dict[str, Any]:
    """`torch.optim.AdamW`, which is what transformers advised its users to change to."""
    import torch
    import transformers

    if hasattr(transformers, "AdamW"):
        return {}

    class AdamW(torch.optim.AdamW):
        def __init__(self, params: Any, correct_bias: bool = True, **kwargs: Any) -> None:
            if not correct_bias:
                raise ValueError(
                    "The optimizer huggingface_adamw was given correct_bias=false, which only the AdamW of "
                    "transformers<5 has. Leave it out to use torch.optim.AdamW, or install transformers<5."
                )
            super().__init__(params, **kwargs)

    return {"transformers": View(transformers, AdamW=AdamW)}


@_patch(
    "reduce_on_plateau_verbose",
    "allennlp.training.learning_rate_schedulers.pytorch_lr_schedulers",
    reason="torch 2.7 removed the argument verbose of ReduceLROnPlateau: reduce_on_plateau could not be built.",
)
def _reduce_on_plateau(module: ModuleType) -> dict[str, Any]:
    """Build a `ReduceLROnPlateau` that takes `verbose`, which AllenNLP's scheduler always passes."""
    import torch

    schedulers = torch.optim.lr_scheduler
    if "verbose" in inspect.signature(schedulers.ReduceLROnPlateau.__init__).parameters:
        return {}

    def reduce_lr_on_plateau(*args: Any, verbose: bool = False, **kwargs: Any) -> Any:
        if verbose:
            warnings.warn(
                "The scheduler reduce_on_plateau was given verbose=true, which this release of torch no longer "
                "has: it will not print.",
                stacklevel=3,
            )
        return schedulers.ReduceLROnPlateau(*args, **kwargs)

    lr_scheduler = View(schedulers, ReduceLROnPlateau=reduce_lr_on_plateau)
    return {"torch": View(torch, optim=View(torch.optim, lr_scheduler=lr_scheduler))}


@_patch(
    "auto_tokenizer",
    "allennlp.common.cached_transformers",
    reason="Late transformers 4 and 5 refuse add_special_tokens where a tokenizer is loaded, and transformers 5 "
    "removed encode_plus: no pretrained transformer could be used; and build_inputs_with_special_tokens, with which texts "
    "longer than max_length are folded.",
    library="transformers",
)
def _auto_tokenizer(module: ModuleType) -> dict[str, Any]:
    """Build an `AutoTokenizer` that takes `add_special_tokens` and whose tokenizers have `encode_plus`."""
    import transformers

    lacks_encode_plus = not hasattr(transformers.PreTrainedTokenizerBase, "encode_plus")
    try:
        transformers.PreTrainedTokenizerBase(add_special_tokens=False)
        refuses_keyword = False
    except AttributeError:  # "add_special_tokens conflicts with the method add_special_tokens"
        refuses_keyword = True
    if not lacks_encode_plus and not refuses_keyword:
        return {}

    class AutoTokenizer:
        @staticmethod
        def from_pretrained(model_name: str, *args: Any, **kwargs: Any) -> Any:
            if refuses_keyword:
                # Dropping it loses nothing: AllenNLP passes it again with every call of the tokenizer.
                kwargs.pop("add_special_tokens", None)
            tokenizer = transformers.AutoTokenizer.from_pretrained(model_name, *args, **kwargs)
            if lacks_encode_plus:
                tokenizer.encode_plus = tokenizer.__call__  # Its name now, for one input and for several.
            if not hasattr(tokenizer, "build_inputs_with_special_tokens"):
                tokenizer.build_inputs_with_special_tokens = functools.partial(_add_special_tokens, tokenizer)
            return tokenizer

    return {"transformers": View(transformers, AutoTokenizer=AutoTokenizer)}


def _add_special_tokens(tokenizer: Any, pieces: list[int]) -> list[int]:
    """Put the special tokens of a single text around pieces of words."""
    word = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a", add_special_tokens=True)["input_ids"]
    start = next(place for place in range(len(whole)) if whole[place : place + len(word)] == word)
    return [*whole[:start], *pieces, *whole[start + len(word) :]]


@_patch(
    "transformers_by_settings",
    "allennlp.common.cached_transformers",
    reason="AllenNLP keeps a transformer by its name alone. Asked for it with other settings, it gives the first one: of two archives "
    "that take different layers the second cannot be loaded, and what was loaded without weights is given where weights are asked for.",
)
def _transformers_by_settings(module: ModuleType) -> dict[str, Any]:
    """Build a `get` that keeps a transformer for all its settings, as `get_tokenizer` does with tokenizers."""
    if "load_weights" in module.TransformerSpec._fields:
        return {}
    signature, get_by_spec, spec = inspect.signature(module.get), module.get, module.TransformerSpec
    settings: contextvars.ContextVar[str] = contextvars.ContextVar("settings")

    @functools.wraps(get_by_spec)
    def get(*args: Any, **kwargs: Any) -> Any:
        from allennlp.common.util import hash_object

        asked = signature.bind(*args, **kwargs)
        asked.apply_defaults()
        token = settings.set(hash_object((asked.arguments["load_weights"], asked.arguments["kwargs"])))
        try:
            return get_by_spec(*args, **kwargs)
        finally:
            settings.reset(token)

    return {"get": get, "TransformerSpec": lambda *fields: (spec(*fields), settings.get())}


_patch(
    "checkpoint_numpy_numbers",
    "allennlp.training.checkpointer",
    reason="Since torch 2.6 torch.load refuses NumPy numbers, which learning rates and metrics in a trainer's "
    "checkpoint can be: allennlp train --recover would fail.",
)(saved_tensors.torch_load)


_patch(
    "tensor_cache_protocol",
    "allennlp.common.file_utils",
    reason="Since torch 2.6 torch.load reads no recent pickle protocol, while TensorCache writes the newest: it could "
    "not read what it wrote.",
)(saved_tensors.tensor_cache_protocol)


@_patch(
    "process_group_left",
    "allennlp.commands.train",
    reason="AllenNLP never destroys the process group of distributed training. A worker that ends while the threads of "
    "the group still run is now and then aborted, and with it a training run that had been completed; and what only "
    "the first worker does at the end, evaluate_on_test, crashes because it waits for the others.",
)
def _process_group(module: ModuleType) -> dict[str, Any]:
    """
    Build a `torch.distributed` whose process group is destroyed when the process ends, and an `evaluate` that destroys it before, and
    evaluates on all data.
    """
    import torch.distributed

    if "destroy_process_group" in module._train_worker.__code__.co_names:
        return {}

    def destroy() -> None:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def init_process_group(*args: Any, **kwargs: Any) -> None:
        torch.distributed.init_process_group(*args, **kwargs)
        atexit.register(destroy)

    evaluate_share = module.training_util.evaluate

    def evaluate(model: Any, data_loader: Any, **kwargs: Any) -> dict[str, Any]:
        if torch.distributed.is_initialized():
            destroy()
            if not hasattr(data_loader, "reader") or not hasattr(data_loader, "_instances"):
                module.logger.warning(
                    "evaluate_on_test was left out: a %s cannot read the data of all workers. Use `allennlp evaluate`.",
                    type(data_loader).__name__,
                )
                return {}
            # What it has read is the share of this worker.
            data_loader.reader._set_distributed_info(None)
            data_loader._instances = None
        evaluated: dict[str, Any] = evaluate_share(model, data_loader, **kwargs)
        return evaluated

    return {
        "dist": View(torch.distributed, init_process_group=init_process_group),
        "training_util": View(module.training_util, evaluate=evaluate),
    }


@_patch(
    "data_in_turn",
    "allennlp.data.data_loaders.multiprocess_data_loader",
    reason="With num_workers AllenNLP takes instances and batches from whichever worker is faster: the same training ends "
    "with other weights each time.",
)
def _data_in_turn(module: ModuleType) -> dict[str, Any]:
    """Build a `multiprocessing` whose contexts read from workers in turn."""
    import torch.multiprocessing

    from allennlp_graphmask_compat.data_loading import InTurnContext

    if "JoinableQueue" not in module.MultiProcessDataLoader._iter_batches.__code__.co_names:
        return {}

    def get_context(method: str | None = None) -> InTurnContext:
        return InTurnContext(torch.multiprocessing.get_context(method))

    return {"mp": View(torch.multiprocessing, get_context=get_context)}


_patch(
    "libraries_when_used",
    *LIBRARIES,
    reason="AllenNLP imports libraries that most commands never use, which takes longer than all else that a short command does. "
    "Each is loaded when the module that imports it first uses it.",
    before=True,
)(defer_libraries)


_patch(
    "submodules_in_one_walk",
    "allennlp.common.util",
    reason="AllenNLP reads all folders of the path again before it imports each of its modules.",
)(import_in_one_walk)


_patch(
    "json_files_whole",
    "allennlp.common.params",
    "allennlp.common.meta",
    "allennlp.common.util",
    reason="AllenNLP empties config.json, meta.json and the files of metrics before it writes them. A training that is "
    "killed in between leaves a file that ends --recover.",
)(whole_files.json_files)


_patch(
    "vocabulary_whole",
    "allennlp.data.vocabulary",
    reason="AllenNLP writes the files of a vocabulary one after another. Killed in between, it leaves a vocabulary with fewer "
    "words, which distributed training with --recover would use.",
)(whole_files.vocabulary)


_patch(
    "archive_whole",
    "allennlp.commands.train",
    reason="AllenNLP writes model.tar.gz in place. Killed in between, it leaves half an archive.",
)(whole_files.archive_model)


_patch(
    "folder_in_use",
    "allennlp.commands.train",
    reason="`allennlp train --force` deletes a folder that another process is training in, and --recover writes to it. Killed "
    "before config.json is there, a training leaves a folder that neither --recover nor a new training accepts.",
)(whole_files.serialization_dir)


@_patch(
    "default_plugin",
    "allennlp.common.plugins",
    reason="AllenNLP looks for plugins in two files and in a fixed list. With our name in the list every command finds "
    "the plugin from any folder, without --include-package. The one patch that is always needed.",
)
def _default_plugins(module: ModuleType) -> dict[str, Any]:
    if PLUGIN in module.DEFAULT_PLUGINS:
        return {}
    return {"DEFAULT_PLUGINS": (*module.DEFAULT_PLUGINS, PLUGIN)}


@_patch(
    "checked_archives",
    *GUARDS,
    reason="AllenNLP extracts archives without a look at their members, evaluates their config as jsonnet, which can read "
    "files, and calls whatever in whichever module a config names: an archive could run any program. Always needed.",
)
def _checked_archives(module: ModuleType) -> Mapping[str, Any]:
    return GUARDS[module.__name__](module)


_MESSAGES = {
    **MESSAGES,
    "allennlp.commands.predict": predictions,
    "allennlp.commands.print_results": results,
    "allennlp.commands.train": training,
}


@_patch(
    "mistakes_in_one_message",
    *_MESSAGES,
    reason="AllenNLP answers a user's mistake with a traceback, often without the value and the place: a missing file, an unset "
    "variable of a config, a name that is not registered, a GPU that is not there. Always needed.",
)
def _mistakes_in_one_message(module: ModuleType) -> Mapping[str, Any]:
    return _MESSAGES[module.__name__](module)


PATCHES_BY_MODULE: dict[str, list[Patch]] = {}
for _each in PATCHES:
    for _module_name in _each.modules:
        PATCHES_BY_MODULE.setdefault(_module_name, []).append(_each)
