"""
The names that AllenNLP's modules get in the patch `checked_archives`: what opens archives, looks up classes and reaches for
files, each with its check. Nothing changes for configs that are not out of an archive.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pickle
import tarfile
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from allennlp_graphmask_compat import archives, loading
from allennlp_graphmask_compat.mechanism import View


def _guard_archival(module: Any) -> Mapping[str, Any]:
    """`allennlp.models.archival`: the one way in which archives of models are loaded."""
    load_archive, cached_path, params_class = module.load_archive, module.cached_path, module.Params

    @functools.wraps(load_archive)
    def checked_load_archive(archive_file: Any, *args: Any, **kwargs: Any) -> Any:
        with loading.loading(os.fspath(archive_file)):
            try:
                return load_archive(archive_file, *args, **kwargs)
            except pickle.UnpicklingError as error:
                loading.refuse(
                    archive_file, f"its weights hold something else than tensors and numbers ({_first_line(error)})"
                )
            except UnicodeDecodeError as error:
                loading.refuse(archive_file, f"its vocabulary is not UTF-8 text ({error})")

    def find_archive(archive_file: Any) -> Any:
        loading.check_archive_address(archive_file)
        located = loading.locate(archive_file)
        if "://" not in os.fspath(located):
            if os.path.exists(located):
                return os.fspath(located)
            raise module.ConfigurationError(
                f"The archive '{archive_file}' does not exist. Name the model.tar.gz that `allennlp train` wrote, or the folder it is in."
            )
        # Not the guarded one: an archive may name another one on this machine, which is loaded by the same rules.
        return getattr(cached_path, "__wrapped__", cached_path)(located)

    class ArchivedParams(params_class):  # type: ignore[misc, valid-type]
        @classmethod
        def from_file(cls, params_file: str, params_overrides: Any = "") -> Any:
            return _read_params(params_class, params_file, params_overrides)

    return {
        "load_archive": checked_load_archive,
        "extracted_archive": archives.extracted_archive,
        "cached_path": find_archive,
        "Params": ArchivedParams,
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _read_params(params_class: Any, config_file: str, overrides: Any) -> Any:
    """Read the config of the archive that is being loaded, as jsonnet only if it is trusted. `overrides` are the user's own."""
    from allennlp.common.params import parse_overrides, with_overrides

    current = loading.current_loading()
    assert current is not None
    current.folder = os.path.dirname(config_file)
    if loading.is_trusted():
        return params_class.from_file(config_file, overrides)
    archives.check_for_unsafe_loading(current.archive_file)
    config = archives.read_config(config_file, current.archive_file)
    loading.check_config(config, current.archive_file)
    vocabulary = os.path.join(current.folder, archives.VOCABULARY)
    # In the folder of a training run these may be links.
    names = os.listdir(vocabulary) if os.path.isdir(vocabulary) else []
    for path in (vocabulary, *(os.path.join(vocabulary, name) for name in names)):
        loading.check_path(path, "open")
    parsed = parse_overrides(overrides if isinstance(overrides, str) else json.dumps(overrides))
    current.trusted_names = frozenset(_find_strings(parsed))
    return params_class(with_overrides(config, parsed) if parsed else config)


def _find_strings(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        values = value.values() if isinstance(value, dict) else value
        return [text for item in values for text in _find_strings(item)]
    return [value] if isinstance(value, str) else []


def _guard_registrable(module: Any) -> Mapping[str, Any]:
    """`allennlp.common.registrable`, which imports the module of a class that is named by its path."""

    def import_module(name: str) -> ModuleType:
        loading.check_import(name)
        return importlib.import_module(name)

    return {"importlib": View(importlib, import_module=import_module)}


def _guard_file_utils(module: Any) -> Mapping[str, Any]:
    """`allennlp.common.file_utils`, by which AllenNLP's classes open files and addresses."""
    cached_path = module.cached_path

    @functools.wraps(cached_path)
    def checked_cached_path(
        url_or_filename: Any, cache_dir: Any = None, extract_archive: bool = False, force_extract: bool = False
    ) -> Any:
        loading.check_path(url_or_filename, "open")
        url_or_filename = loading.locate(url_or_filename)
        if extract_archive:
            found = cached_path(os.fspath(url_or_filename).partition("!")[0], cache_dir)
            if os.path.isfile(found) and tarfile.is_tarfile(found):
                archives.check_members(found)
        elif ":" not in os.fspath(url_or_filename) and os.path.exists(url_or_filename):
            # The library cached_path, which would do the same, loads those of three clouds.
            return os.fspath(url_or_filename)
        return cached_path(url_or_filename, cache_dir, extract_archive, force_extract)

    return {"cached_path": checked_cached_path}


def _guard_util(module: Any) -> Mapping[str, Any]:
    """`allennlp.common.util`, which loads spaCy's pipelines, and downloads and imports those that are not installed."""
    get_spacy_model = module.get_spacy_model

    @functools.wraps(get_spacy_model)
    def checked_get_spacy_model(spacy_model_name: str, *args: Any, **kwargs: Any) -> Any:
        loading.check_pipeline(spacy_model_name)
        return get_spacy_model(spacy_model_name, *args, **kwargs)

    return {"get_spacy_model": checked_get_spacy_model}


def _guard_initializers(module: Any) -> Mapping[str, Any]:
    """`allennlp.nn.initializers`, of which `pretrained` reads weights: it first asks whether the file is an archive."""

    def is_tarfile(name: Any) -> bool:
        loading.check_path(name, "read the weights")
        return tarfile.is_tarfile(name)

    return {"tarfile": View(tarfile, is_tarfile=is_tarfile)}


def _guard_vocabulary(module: Any) -> Mapping[str, Any]:
    """`allennlp.data.vocabulary`, which writes a lock beside the files that it reads."""
    file_lock = module.FileLock

    def checked_file_lock(lock_file: Any, *args: Any, **kwargs: Any) -> Any:
        loading.check_path(lock_file, "write")
        if loading.current_loading() is not None and os.access(os.path.dirname(lock_file), os.W_OK):
            # What the library cached_path, which loads those of three clouds, adds is for folders that cannot be written to.
            import filelock

            return filelock.FileLock(lock_file)
        return file_lock(lock_file, *args, **kwargs)

    return {"FileLock": checked_file_lock}


GUARDS: dict[str, Callable[[Any], Mapping[str, Any]]] = {
    "allennlp.models.archival": _guard_archival,
    "allennlp.common.registrable": _guard_registrable,
    "allennlp.common.file_utils": _guard_file_utils,
    "allennlp.common.util": _guard_util,
    "allennlp.nn.initializers": _guard_initializers,
    "allennlp.data.vocabulary": _guard_vocabulary,
}
