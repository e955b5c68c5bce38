"""Libraries that AllenNLP imports when it starts, and that most commands never use: each is loaded when it is first used."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

#: The libraries that each module imports when it is used. `allennlp` imports two of them for the order in which they are loaded.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "allennlp": ("spacy", "transformers"),
    "allennlp.common.file_utils": ("cached_path",),
    "allennlp.common.util": ("spacy",),
    "allennlp.data.data_loaders.data_collator": ("transformers",),
    "allennlp.data.data_loaders.multitask_scheduler": ("more_itertools",),
    "allennlp.data.fields.text_field": ("spacy",),
    "allennlp.data.token_indexers.spacy_indexer": ("spacy",),
    "allennlp.data.tokenizers.pretrained_transformer_tokenizer": ("transformers",),
    "allennlp.data.tokenizers.sentence_splitter": ("spacy",),
    "allennlp.data.tokenizers.spacy_tokenizer": ("spacy",),
    "allennlp.data.vocabulary": ("transformers",),
    "allennlp.fairness.bias_direction": ("sklearn",),
    "allennlp.fairness.bias_mitigators": ("scipy", "sklearn"),
    "allennlp.fairness.fairness_metrics": ("scipy",),
    "allennlp.modules.elmo": ("h5py",),
    "allennlp.modules.elmo_lstm": ("h5py",),
    "allennlp.modules.token_embedders.embedding": ("h5py",),
    "allennlp.modules.token_embedders.pretrained_transformer_embedder": ("transformers",),
    "allennlp.modules.transformer.activation_layer": ("transformers",),
    "allennlp.nn.checkpoint.fairscale_checkpoint_wrapper": ("fairscale",),
    "allennlp.nn.parallel.fairscale_fsdp_accelerator": ("fairscale",),
    "allennlp.training.callbacks.tensorboard": ("tensorboardX",),
    "allennlp.training.learning_rate_schedulers.learning_rate_scheduler": ("transformers",),
    "allennlp.training.metrics.auc": ("sklearn",),
    "allennlp.training.metrics.evalb_bracketing_scorer": ("nltk",),
    "allennlp.training.metrics.spearman_correlation": ("scipy",),
    "allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates": ("spacy",),
    "allennlp_graphmask.data.dataset_readers.multihop_qa.hotpotqa_graph": ("spacy",),
    "allennlp_graphmask.data.dataset_readers.propbank_srl.nltk_corpora": ("nltk",),
    "allennlp_graphmask.data.dataset_readers.propbank_srl.nltk_propbank": ("nltk",),
    "allennlp_graphmask.data.dataset_readers.propbank_srl.penn_trees": ("nltk",),
    "allennlp_graphmask.data.spacy_pipelines": ("spacy",),
    "allennlp_graphmask.evaluation.metrics.agreement": ("scipy",),
    "allennlp_graphmask.interpret.graphmask.calibration": ("scipy",),
    "allennlp_graphmask.predictors.spacy_parser": ("spacy",),
}

_OWN_NAMES = ("_namespace", "_module_name", "_load", "_loaded", "_is_running")


class Deferred:
    """
    Stands for a module, or for a name in one, in the AllenNLP module that imports it, until it is used: called, subscripted, asked for
    an attribute or in `isinstance`. Then the real one takes its place there. While that module's code runs, its attributes stand for
    themselves too, so that the code can import and annotate.

    # Parameters

    namespace : `dict[str, Any]`
        The names of the AllenNLP module.
    module_name : `str`
        The module that it is or is in. Before that is loaded nothing is an instance of any of its classes.
    load : `Callable[[], Any]`, optional (default = import the module)
        Returns what it stands for. It is called once.
    is_running : `list[bool]`, optional (default = `[True]`)
        Whether the AllenNLP module's code runs; empty when it has run.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        module_name: str,
        load: Callable[[], Any] | None = None,
        is_running: list[bool] | None = None,
    ) -> None:
        self._namespace = namespace
        self._module_name = module_name
        self._load = load or functools.partial(importlib.import_module, module_name)
        self._is_running = [True] if is_running is None else is_running

    def find_submodule(self, name: str) -> Deferred:
        """Return what stands for a submodule, given its full name."""
        return Deferred(self._namespace, name, None, self._is_running)

    def finish(self) -> None:
        """Take note that the AllenNLP module's code has run."""
        self._is_running.clear()

    def get(self) -> Any:
        """Load what it stands for, and put that in its place."""
        if "_loaded" not in vars(self):
            self._loaded = self._load()
            for name in [name for name, value in self._namespace.items() if value is self]:
                self._namespace[name] = self._loaded
        return self._loaded

    def __getattr__(self, name: str) -> Any:
        if not self._is_running:
            return _get_attribute(self.get(), name)
        if name.startswith("__"):  # `typing` asks for some, and must get the ordinary answer.
            raise AttributeError(name)
        return Deferred(self._namespace, self._module_name, lambda: _get_attribute(self.get(), name), self._is_running)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN_NAMES:
            object.__setattr__(self, name, value)
        else:
            setattr(self.get(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.get(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.get()(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self.get()[key]

    def __instancecheck__(self, instance: Any) -> bool:
        return self._module_name in sys.modules and isinstance(instance, self.get())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self._module_name in sys.modules and issubclass(subclass, self.get())

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (self._make_base() if self._is_running else self.get(),)

    def __reduce__(self) -> Any:
        return _identity, (self.get(),)

    def __dir__(self) -> list[str]:
        return dir(self.get())

    def __repr__(self) -> str:
        return repr(self._loaded) if "_loaded" in vars(self) else f"<{self._module_name}, not loaded yet>"

    def _make_base(self) -> type:
        """Make a base class that derives from the real one as soon as there is an instance."""

        def create(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if stand_in.__bases__ != (self.get(),):
                stand_in.__bases__ = (self.get(),)
            new = super(stand_in, cls).__new__  # type: ignore[arg-type]
            return new(cls) if new is object.__new__ else new(cls, *args, **kwargs)

        stand_in = type("DeferredBase", (_Replaceable,), {"__new__": create})
        return stand_in


class _Replaceable:
    """The only base of a class can be replaced if it is not `object`."""


def defer_libraries(module: ModuleType) -> dict[str, Deferred]:
    """Return what stands for a module's libraries. One that is not installed fails as before."""
    installed = [name for name in LIBRARIES[module.__name__] if importlib.util.find_spec(name) is not None]
    return {name: Deferred(vars(module), name) for name in installed}


def import_in_one_walk(module: Any) -> dict[str, Any]:
    """
    Build an `import_module_and_submodules` that looks for `checklist` and for new files once, and not again for each module. AllenNLP's
    also tries to import each subpackage by its bare name, `training`, from the current folder.
    """
    if "checklist" not in module.import_module_and_submodules.__code__.co_names:
        return {}

    @functools.wraps(module.import_module_and_submodules)
    def import_module_and_submodules(package_name: str, exclude: set[str] | None = None) -> None:
        excluded = set(exclude or ())
        if importlib.util.find_spec("checklist") is None:
            excluded.add("allennlp.confidence_checks.task_checklists")
        importlib.invalidate_caches()
        with module.push_python_path("."):
            _import_all(package_name, excluded)

    return {"import_module_and_submodules": import_module_and_submodules}


def _import_all(name: str, excluded: set[str]) -> None:
    if name in excluded:
        return
    path = getattr(importlib.import_module(name), "__path__", ())
    for found in pkgutil.iter_modules(list(path)[:1]):
        if not found.name.startswith(("_", "test")):
            _import_all(f"{name}.{found.name}", excluded)


def _get_attribute(owner: Any, name: str) -> Any:
    """Return an attribute, or a submodule that has not been imported yet."""
    try:
        return getattr(owner, name)
    except AttributeError:
        submodule = f"{getattr(owner, '__name__', '')}.{name}"
        if not hasattr(owner, "__path__") or importlib.util.find_spec(submodule) is None:
            raise
        return importlib.import_module(submodule)


def _identity(value: Any) -> Any:
    return value
