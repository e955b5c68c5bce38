"""
What a config out of an archive may do while its reader and its model are built. Whoever made the archive chose the config; so
it names registered classes only, and neither reaches for other files nor for the network.

AllenNLP is imported inside the functions: this module is loaded while AllenNLP is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, NoReturn

TRUST = "GRAPHMASK_TRUST_ARCHIVES"

#: Archives that name archives.
MAX_DEPTH = 10


@dataclasses.dataclass
class Loading:
    """An archive that is being loaded."""

    archive_file: str
    #: The archive whose config names this one.
    outer: Loading | None
    #: Where it was extracted to; known when its config has been read.
    folder: str | None = None
    #: Names of classes in the user's own `overrides`.
    trusted_names: frozenset[str] = frozenset()

    @property
    def outermost(self) -> Loading:
        return self if self.outer is None else self.outer.outermost

    @property
    def depth(self) -> int:
        return 0 if self.outer is None else self.outer.depth + 1


_current: ContextVar[Loading | None] = ContextVar("archive", default=None)
_trusting: ContextVar[bool] = ContextVar("trusting", default=False)


def is_trusted() -> bool:
    """Return whether the user trusts all archives."""
    return _trusting.get() or os.environ.get(TRUST, "").strip().lower() in ("1", "on", "true", "yes")


@contextlib.contextmanager
def trusting_archives(trust: bool = True) -> Iterator[None]:
    """Trust the archives that are loaded in the block, as with the environment variable named by `TRUST`."""
    token = _trusting.set(trust or _trusting.get())
    try:
        yield
    finally:
        _trusting.reset(token)


def current_loading() -> Loading | None:
    """Return the archive that is being loaded, trusted or not."""
    return _current.get()


def untrusted_loading() -> Loading | None:
    """Return the archive that is being loaded, unless archives are trusted."""
    return None if is_trusted() else _current.get()


@contextlib.contextmanager
def loading(archive_file: str) -> Iterator[Loading]:
    """Keep to the rules for the config of an archive in the block."""
    current = Loading(archive_file, outer=_current.get())
    if current.depth > MAX_DEPTH:
        refuse(
            current.outermost.archive_file, f"it names an archive that names another one, {MAX_DEPTH} times and more"
        )
    token = _current.set(current)
    try:
        yield current
    finally:
        _current.reset(token)


def locate(name: Any) -> Any:
    """
    Return the path of an archive that comes with the package for its name, `pretrained:NAME`, and any other path or address as it
    is. Raise a `ConfigurationError` if no archive has the name.
    """
    from allennlp_graphmask.pretrained import PREFIX, pretrained_archive

    return pretrained_archive(name) if isinstance(name, str) and name.startswith(PREFIX) else name


def refuse(archive_file: str, reason: str) -> NoReturn:
    from allennlp.common.checks import ConfigurationError

    raise ConfigurationError(f"The archive '{archive_file}' is refused: {reason}.")


def refuse_untrusted(archive_file: str, reason: str) -> NoReturn:
    """Refuse what is allowed in a trusted archive."""
    refuse(
        archive_file,
        f"{reason}. If it is your own, or you trust those who made it as you trust a program, set {TRUST}=1 in the environment "
        "(`allennlp explain` and `allennlp compare-interpreters` also have the option --trust)",
    )


#: Keys that a class of AllenNLP or of transformers passes on, and what they would do.
_REFUSED_KEYS = {
    "serialization_dir": "names the folder that is written to",
    "cache_dir": "names a folder that is written to",
    "feature_cache_dir": "names a folder that is written to",
    "evalb_directory_path": "names a folder in which programs are compiled and run",
    "trust_remote_code": "runs code from the network",
    "code_revision": "runs code from the network",
    "use_kernels": "runs code from the network",
}
#: Sections that AllenNLP builds when the archive has been loaded.
_BUILT_LATER = ("data_loader", "evaluation", "validation_data_loader")


def check_config(config: Any, archive_file: str, key: str = "") -> None:
    """
    Check what can be seen in a config, or in the part of it at `key`, before anything is built. The rest is checked where
    classes are looked up and files are opened.

    # Raises

    `ConfigurationError` naming the archive and the key.
    """
    section = key.partition(".")[0]
    if isinstance(config, dict):
        for name, value in config.items():
            place = f"{key}.{name}" if key else name
            if name in _REFUSED_KEYS and value not in (None, False, ""):
                refuse_untrusted(archive_file, f"in its config, '{place}' ({value!r:.100}) {_REFUSED_KEYS[name]}")
            if name == "type" and isinstance(value, str):
                _check_class_name(value, archive_file, place)
            if name == "transformer_kwargs" and isinstance(value, dict):
                for argument, setting in value.items():
                    if not isinstance(setting, int | float | None):
                        refuse_untrusted(
                            archive_file,
                            f"in its config, '{place}.{argument}' ({setting!r:.100}) is neither a number nor true or false",
                        )
            check_config(value, archive_file, place)
    elif isinstance(config, list):
        for number, value in enumerate(config):
            check_config(value, archive_file, f"{key}.{number}")
    elif isinstance(config, str) and section in _BUILT_LATER:
        _check_class_name(config, archive_file, key)


def _check_class_name(name: str, archive_file: str, key: str) -> None:
    from allennlp.common import Registrable

    if "." in name and not any(name in registry for registry in Registrable._registry.values()):
        refuse_untrusted(
            archive_file, f"in its config, '{key}' names the class '{name}' by its path, and so could run any program"
        )


def check_import(module_name: str) -> None:
    """Refuse to look up a class by its path. AllenNLP would import any module, and call anything in it."""
    current = untrusted_loading()
    if current is not None and not any(name.rpartition(".")[0] == module_name for name in current.trusted_names):
        refuse_untrusted(
            current.archive_file,
            f"its config names a class of the module '{module_name}' by its path, and so could run any program",
        )


def check_path(path: Any, purpose: str) -> None:
    """Refuse a file, a folder or an address that is not in the archive's own folder."""
    current = untrusted_loading()
    if current is None:
        return
    real, folder = os.path.realpath(path), os.path.realpath(current.folder or os.devnull)
    if os.path.commonpath([real, folder]) != folder or "://" in os.fspath(path):
        refuse_untrusted(
            current.archive_file, f"its config makes AllenNLP {purpose} '{os.fspath(path)}', outside of it"
        )


def check_archive_address(archive_file: Any) -> None:
    """Refuse an archive from the network that the config of an archive names."""
    current = untrusted_loading()
    if current is not None and current.outer is not None and "://" in os.fspath(archive_file):
        refuse_untrusted(current.outer.archive_file, f"its config names an archive from the network, '{archive_file}'")


def check_pipeline(name: str) -> None:
    """Refuse a spaCy pipeline that is neither installed nor one of spaCy's own: its code would run, or be downloaded first."""
    current = untrusted_loading()
    if current is None or re.fullmatch(r"[a-z]{2,3}_[a-z]+_[a-z]+_(sm|md|lg|trf)", name):
        return
    import spacy

    if name not in spacy.util.get_installed_models():
        refuse_untrusted(current.archive_file, f"its config names the spaCy pipeline '{name}', which is not installed")
