"""
The patches themselves. Each first looks whether the installed releases need it, by trying or by looking rather
than by comparing version numbers, and is empty if they do not.

The libraries are imported inside the functions: this module is loaded at the first import of an AllenNLP
module, and must not change what is imported when.
"""

from __future__ import annotations

import atexit
import inspect
import io
import pickle
import warnings
from types import ModuleType
from typing import Any

from allennlp_graphmask_compat.mechanism import Absent, Patch, View

PLUGIN = "allennlp_graphmask"


def _huggingface_hub_classes() -> dict[str, Any]:
    """
    `HfFolder` and `Repository` as classes that raise when they are used, for the one module that imports them.
    """
    import huggingface_hub

    def missing(class_name: str) -> type:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError(
                f"AllenNLP's push-to-hf needs {class_name}, which huggingface_hub 1.0 removed. Upload the "
                "folder with the command `hf upload`, or install huggingface_hub<1.0."
            )

        return type(class_name, (), {"__init__": refuse, "get_token": staticmethod(refuse)})

    gone = [name for name in ("HfFolder", "Repository") if not hasattr(huggingface_hub, name)]
    if not gone:
        return {}
    return {"huggingface_hub": View(huggingface_hub, **{name: missing(name) for name in gone})}


def _torchvision_modules() -> dict[str, Any]:
    """
    A `torchvision` that raises when it is used, where the real one is missing or does not fit the torch release.
    """
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


def _transformers_adamw() -> dict[str, Any]:
    """
    `transformers.AdamW` as `torch.optim.AdamW`, which is what transformers told its users to change to.
    """
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


def _reduce_on_plateau(module: ModuleType) -> dict[str, Any]:
    """
    A `ReduceLROnPlateau` that takes `verbose`, for AllenNLP's scheduler, which always passes it.
    """
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


def _auto_tokenizer(module: ModuleType) -> dict[str, Any]:
    """
    An `AutoTokenizer` that takes `add_special_tokens` and whose tokenizers have `encode_plus`.
    """
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
                tokenizer.encode_plus = tokenizer.__call__  # Its name now, for one input as for many.
            return tokenizer

    return {"transformers": View(transformers, AutoTokenizer=AutoTokenizer)}


def numpy_number_globals() -> list[Any]:
    """
    What a pickled NumPy number refers to: the function that rebuilds it, `dtype`, and the `dtype` classes of
    the numbers that learning rates (`cosine` computes them in float64) and metrics are. Objects, records and
    strings are not among them.
    """
    import numpy
    from numpy._core.multiarray import scalar  # type: ignore[attr-defined]

    number_types = (numpy.bool_, numpy.int32, numpy.int64, numpy.float32, numpy.float64)
    return [scalar, numpy.dtype, *(type(numpy.dtype(number_type)) for number_type in number_types)]


def _torch_load(module: ModuleType) -> dict[str, Any]:
    """
    A `torch.load` that also takes NumPy numbers. It is as safe as before: `weights_only` stays what it is, true,
    and the list of harmless types grows only while the checkpointer reads.
    """
    import numpy
    import torch

    if _can_read_back(numpy.float64(0.5), pickle_protocol=torch.serialization.DEFAULT_PROTOCOL):
        return {}

    def load(*args: Any, **kwargs: Any) -> Any:
        with torch.serialization.safe_globals(numpy_number_globals()):
            return torch.load(*args, **kwargs)

    return {"torch": View(torch, load=load)}


def _tensor_cache_protocol(module: ModuleType) -> dict[str, Any]:
    """
    torch's own pickle protocol as the highest one, so that `TensorCache` writes what `torch.load` reads.
    """
    import torch

    if _can_read_back(torch.zeros(1), pickle_protocol=pickle.HIGHEST_PROTOCOL):
        return {}
    return {"pickle": View(pickle, HIGHEST_PROTOCOL=torch.serialization.DEFAULT_PROTOCOL)}


def _can_read_back(value: Any, *, pickle_protocol: int) -> bool:
    import torch

    written = io.BytesIO()
    torch.save(value, written, pickle_protocol=pickle_protocol)
    written.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of the very thing that is being tried.
            torch.load(written)
    except pickle.UnpicklingError:
        return False
    return True


def _default_plugins(module: ModuleType) -> dict[str, Any]:
    """
    The plugin's name among the plugins that every command looks for.
    """
    if PLUGIN in module.DEFAULT_PLUGINS:
        return {}
    return {"DEFAULT_PLUGINS": (*module.DEFAULT_PLUGINS, PLUGIN)}


def _process_group(module: ModuleType) -> dict[str, Any]:
    """
    A `torch.distributed` whose process group is given up when the process ends.
    """
    import torch.distributed

    if "destroy_process_group" in module._train_worker.__code__.co_names:
        return {}

    def give_up() -> None:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def init_process_group(*args: Any, **kwargs: Any) -> None:
        torch.distributed.init_process_group(*args, **kwargs)
        atexit.register(give_up)

    return {"dist": View(torch.distributed, init_process_group=init_process_group)}


PATCHES = (
    Patch(
        "huggingface_hub_repository",
        ("allennlp.common.push_to_hf",),
        "huggingface_hub 1.0 removed HfFolder and Repository, which this module imports: no command would start.",
        imports=_huggingface_hub_classes,
    ),
    Patch(
        "torchvision_absent",
        (
            "allennlp.data.image_loader",
            "allennlp.modules.vision.grid_embedder",
            "allennlp.modules.vision.region_detector",
        ),
        "These modules always import torchvision: without a torchvision that fits the torch release no command "
        "would start, though only models of images use it.",
        imports=_torchvision_modules,
    ),
    Patch(
        "transformers_adamw",
        ("allennlp.training.optimizers",),
        "transformers 5 removed AdamW, on which the optimizer huggingface_adamw is built: no command would start.",
        imports=_transformers_adamw,
    ),
    Patch(
        "reduce_on_plateau_verbose",
        ("allennlp.training.learning_rate_schedulers.pytorch_lr_schedulers",),
        "torch 2.7 removed the argument verbose of ReduceLROnPlateau: reduce_on_plateau could not be built.",
        names=_reduce_on_plateau,
    ),
    Patch(
        "auto_tokenizer",
        ("allennlp.common.cached_transformers",),
        "Late transformers 4 and 5 refuse add_special_tokens where a tokenizer is loaded, and transformers 5 "
        "removed encode_plus: no pretrained transformer could be used.",
        names=_auto_tokenizer,
    ),
    Patch(
        "checkpoint_numpy_numbers",
        ("allennlp.training.checkpointer",),
        "Since torch 2.6 torch.load refuses NumPy numbers, which learning rates and metrics in a trainer's "
        "checkpoint can be: allennlp train --recover would fail.",
        names=_torch_load,
    ),
    Patch(
        "tensor_cache_protocol",
        ("allennlp.common.file_utils",),
        "Since torch 2.6 torch.load reads no recent pickle protocol, while TensorCache writes the newest: it could "
        "not read what it wrote.",
        names=_tensor_cache_protocol,
    ),
    Patch(
        "process_group_left",
        ("allennlp.commands.train",),
        "AllenNLP never gives up the process group of distributed training. A worker that ends while the threads of "
        "the group still run is now and then aborted, and with it a training run that had been completed.",
        names=_process_group,
    ),
    Patch(
        "default_plugin",
        ("allennlp.common.plugins",),
        "AllenNLP looks for plugins in two files and in a fixed list. With our name in the list every command finds "
        "the plugin from any folder, without --include-package. The one patch that is always needed.",
        names=_default_plugins,
    ),
)

PATCH_BY_MODULE = {module: patch for patch in PATCHES for module in patch.modules}
