"""Which environment variables the training configs read, and which files they expect there: found by evaluating the configs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_VARIABLE = re.compile(r"std\.extVar\(\s*['\"](\w+)['\"]\s*\)")
_NUMBER = re.compile(r"std\.parseInt\(\s*std\.extVar\(\s*['\"](\w+)['\"]\s*\)\s*\)")
_UNDEFINED = re.compile(r"[Uu]ndefined external variable: (\w+)")
_IMPORT = re.compile(r"\bimport\s+['\"]([^'\"]+)['\"]")


class ConfiguredVariable(NamedTuple):
    """
    # Parameters

    name : `str`
        Of an environment variable.
    configs : `tuple[str, ...]`
        The configs that read it, relative to their folder.
    files : `tuple[str, ...]`
        What they expect below it; empty if it names a file itself, or something else.
    """

    name: str
    configs: tuple[str, ...]
    files: tuple[str, ...]


def configured_variables(folder: Path) -> list[ConfiguredVariable]:
    """
    # Parameters

    folder : `Path`
        With configs (`.jsonnet`) in it or in its folders.

    # Returns

    `list[ConfiguredVariable]`
        By name. Where jsonnet is not installed, `files` are empty.
    """
    configs: dict[str, set[str]] = {}
    files: dict[str, set[str]] = {}
    for config in sorted(folder.rglob("*.jsonnet")):
        names, paths = _evaluated(config)
        for name in names:
            configs.setdefault(name, set()).add(config.relative_to(folder).as_posix())
        for name, path in paths:
            files.setdefault(name, set()).add(path)
    return [
        ConfiguredVariable(name, tuple(sorted(configs[name])), tuple(sorted(files.get(name, ()))))
        for name in sorted(configs)
    ]


def _evaluated(config: Path) -> tuple[set[str], list[tuple[str, str]]]:
    """The variables that a config needs, and each path below one of them that it names."""
    mentioned, numbers = _mentioned_variables(config)
    try:
        from _jsonnet import evaluate_file
    except ImportError:
        return mentioned, []
    marks: dict[str, str] = {}
    while True:
        # Of what it imports, a config need not use everything: which variables it reads comes out when it is evaluated.
        try:
            strings = list(_strings_in(json.loads(evaluate_file(str(config), ext_vars=marks))))
            break
        except RuntimeError as error:
            undefined = _UNDEFINED.search(str(error))
            if undefined is None or undefined[1] in marks:
                return mentioned, []  # a config of which our marks are no values
            marks[undefined[1]] = "1" if undefined[1] in numbers else f"@@{undefined[1]}@@"
    paths = [
        (name, text.removeprefix(f"{mark}/"))
        for text in strings
        for name, mark in marks.items()
        if name not in numbers and text.startswith(f"{mark}/")
    ]
    return set(marks), paths


def _mentioned_variables(config: Path) -> tuple[set[str], set[str]]:
    """The variables that a config and what it imports mention, and those of them that are numbers."""
    names: set[str] = set()
    numbers: set[str] = set()
    seen: set[Path] = set()
    waiting = [config]
    while waiting:
        path = waiting.pop().resolve()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        names.update(_VARIABLE.findall(text))
        numbers.update(_NUMBER.findall(text))
        waiting.extend(path.parent / imported for imported in _IMPORT.findall(text))
    return names, numbers


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings_in(item)
