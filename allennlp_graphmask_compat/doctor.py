"""
What is installed, what the bridge does, what is missing, and how to get it: `allennlp graphmask-doctor`, or, where AllenNLP
cannot even be imported, `python -m allennlp_graphmask_compat.doctor`. Nothing outside the standard library is needed here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any, NamedTuple

import allennlp_graphmask_compat
from allennlp_graphmask_compat.configured_data import configured_variables
from allennlp_graphmask_compat.mechanism import FAILED, NOT_INSTALLED

#: The states of a finding. Only `MISSING` makes an installation unusable.
OK, NOTE, MISSING = "ok", "note", "MISSING"

DISTRIBUTION = "allennlp-graphmask"
_ALLENNLP = {"allennlp": "==2.10.1", "fairscale": "==0.4.13"}
_INSTALL_ALLENNLP = "pip install --no-deps allennlp==2.10.1 fairscale==0.4.13"
_INSTALL_PACKAGE = "pip install allennlp-graphmask, or in a checkout: pip install -c constraints.txt ."
#: Named even if there is nothing to say about them.
_NAMED = ("torch", "transformers", "spacy", "jsonnet", "numpy")
#: What finds candidates in texts (reader `hotpotqa_graph`) if nobody says otherwise.
_SPACY_PIPELINE = "en_core_web_sm"
#: What the environment variables that configs read have to name.
MEANINGS = {
    "CONLL2009_DEV": "sentences in the columns of CoNLL-2009",
    "CONLL2009_TRAIN": "sentences in the columns of CoNLL-2009",
    "GRAPHMASK_DATA": "a folder with the files named",
    "GRAPHMASK_TARGET": "the archive of the model to explain, for training GraphMask on it",
    "GRAPH_DEV": "graphs in JSON lines (docs/graph_jsonl.md)",
    "GRAPH_TRAIN": "graphs in JSON lines (docs/graph_jsonl.md)",
    "WIKIHOP_DEV": "questions in JSON, as WikiHop publishes them",
    "WIKIHOP_TRAIN": "questions in JSON, as WikiHop publishes them",
    "WORD_VECTORS": "a text file of word vectors, as GloVe publishes them",
    "WORD_VECTORS_DIMENSION": "the number of dimensions of these vectors",
}
_MAX_CONFIGS = 3
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*([^;\[]*)(?:;.*extra\s*==\s*['\"]([^'\"]+)['\"])?")


class Finding(NamedTuple):
    """
    # Parameters

    section : `str`
        `"versions"`, `"bridge"`, `"devices"`, `"data"` or `"optional"`.
    name : `str`
    state : `str`
        `OK`, `NOTE` (something is missing that not everybody needs) or `MISSING` (without it nothing works).
    detail : `str`
    mend : `str`
        What to do about it; empty if there is nothing to do.
    """

    section: str
    name: str
    state: str
    detail: str
    mend: str = ""


def examine() -> list[Finding]:
    """All findings, section by section. Whatever is missing or broken becomes a finding and not an exception."""
    findings: list[Finding] = []
    for section in (_versions, _imports, _bridge, _devices, _data, _optional):
        findings.extend(section())
    return findings


def is_usable(findings: Sequence[Finding]) -> bool:
    return all(finding.state != MISSING for finding in findings)


def text_of(findings: Sequence[Finding]) -> str:
    """What is printed."""
    lines: list[str] = []
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            lines += ["", section] if lines else [section]
        mark = "" if finding.state == OK else f"[{finding.state}] "
        lines.append(f"  {finding.name:<27} {mark}{finding.detail}")
        if finding.mend:
            lines.append(f"  {'':<28}-> {finding.mend}")
    missing = [finding.name for finding in findings if finding.state == MISSING]
    lines += ["", f"NOT USABLE: {', '.join(missing)}." if missing else "Usable."]
    return "\n".join(lines)


def json_of(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same as JSON: `usable`, and the findings of each section."""
    sections: dict[str, Any] = {}
    for finding in findings:
        entry = finding._asdict()
        sections.setdefault(entry.pop("section"), []).append(entry)
    return {"usable": is_usable(findings), **sections}


# --- Versions


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "python", OK, f"{platform.python_version()}, {platform.platform()}")
    requirements = _requirements()
    if requirements is None:
        yield Finding(
            "versions", DISTRIBUTION, NOTE, "runs from a folder and is not installed", _INSTALL_PACKAGE
        )
    else:
        yield Finding("versions", DISTRIBUTION, OK, metadata.version(DISTRIBUTION))
    for name, wanted in _ALLENNLP.items():
        yield _version_finding(name, wanted, _INSTALL_ALLENNLP)
    needed = {name: wanted for name, wanted, extra in requirements or () if extra is None}
    for name in {**dict.fromkeys(_NAMED, ""), **needed}:
        wanted = needed.get(name, "")
        finding = _version_finding(name, wanted, f"pip install '{name}{wanted}'")
        if name in _NAMED or finding.state != OK:
            yield finding


def _requirements() -> list[tuple[str, str, str | None]] | None:
    """Name, versions and extra of all that the distribution asks for; `None` if it is not installed."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    matches = [match for match in map(_REQUIREMENT.match, lines) if match]
    return [(match[1], match[2].strip(" ()"), match[3]) for match in matches]


def _version_finding(name: str, wanted: str, mend: str, missing: str = MISSING) -> Finding:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("versions", name, missing, "not installed", mend)
    if not _fits(version, wanted):
        return Finding("versions", name, missing, f"{version}, expected {wanted}", mend)
    return Finding("versions", name, OK, version)


def _fits(version: str, wanted: str) -> bool:
    if not wanted:
        return True
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True  # nobody to ask
    return SpecifierSet(wanted).contains(version, prereleases=True)


# --- AllenNLP, the bridge, the devices


def _attempt(module: str) -> str | None:
    """Imports a module; gives the error, if there is one."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001
        # Deliberately broad: a library that does not fit raises whatever it likes, and that is what is looked for here.
        return f"{type(error).__name__}: {error}"
    return None


def _imports() -> Iterator[Finding]:
    for module, mend in (
        ("torch", "pip install torch, as https://pytorch.org says for this machine"),
        ("allennlp.commands", f"see bridge below; or: {_INSTALL_ALLENNLP}"),
        ("allennlp_graphmask.commands", _INSTALL_PACKAGE),
    ):
        error = _attempt(module)
        if error is not None:
            yield Finding("versions", f"import {module}", MISSING, error, mend)


def _bridge() -> Iterator[Finding]:
    switch = allennlp_graphmask_compat.SWITCH
    if allennlp_graphmask_compat.is_switched_off():
        yield Finding("bridge", "switch", NOTE, f"{switch} is {os.environ[switch]!r}: off", f"unset {switch}")
    elif not allennlp_graphmask_compat.is_installed():
        yield Finding(
            "bridge",
            "start",
            NOTE,
            "not in effect: no .pth file started it with the interpreter",
            _INSTALL_PACKAGE,
        )
    if util.find_spec("allennlp") is None:
        return
    from allennlp_graphmask_compat.patches import PATCHES

    for patch in PATCHES:
        # So that each has looked whether it is needed.
        for module in patch.modules:
            _attempt(module)
    for report in allennlp_graphmask_compat.patches_in_effect():
        wrong = report.state.startswith(FAILED) or report.state == NOT_INSTALLED
        yield Finding("bridge", report.name, NOTE if wrong else OK, f"{report.state}. {report.reason}")


def _devices() -> Iterator[Finding]:
    if _attempt("torch") is not None:
        return
    import torch

    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} processors"
    yield Finding(
        "devices", "cpu", OK, f"{threads} (OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')})"
    )
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            size = f"{properties.total_memory / 2**30:.0f} GiB"
            yield Finding("devices", f"cuda:{number}", OK, f"{properties.name}, {size}")
    else:
        built = torch.version.cuda
        why = (
            f"torch is built for CUDA {built} and finds no GPU" if built else "this torch is built without it"
        )
        yield Finding("devices", "cuda", OK, f"none: {why}")
    available = torch.backends.mps.is_available()
    yield Finding("devices", "mps", OK, "there, but AllenNLP does not use it" if available else "none")


# --- Data and what is optional


def _data() -> Iterator[Finding]:
    folder = _configs()
    if folder is None:
        yield Finding("data", "training_config", NOTE, "not found", _INSTALL_PACKAGE)
        return
    for variable in configured_variables(folder):
        few = ", ".join(variable.configs[:_MAX_CONFIGS])
        more = len(variable.configs) - _MAX_CONFIGS
        read_by = f"read by {few}{f' and {more} more' if more > 0 else ''}"
        value = os.environ.get(variable.name)
        absent = [path for path in variable.files if value and not os.path.exists(os.path.join(value, path))]
        if not value:
            meaning = MEANINGS.get(variable.name, "what these configs say of it")
            files = f" ({', '.join(variable.files)})" if variable.files else ""
            yield Finding(
                "data",
                variable.name,
                NOTE,
                f"not set; {read_by}",
                f"to train these: export {variable.name}=..., {meaning}{files}",
            )
        elif absent:
            yield Finding("data", variable.name, NOTE, f"{value}, which lacks {', '.join(absent)}; {read_by}")
        elif not (variable.files or value.isdigit() or "://" in value or os.path.exists(value)):
            yield Finding("data", variable.name, NOTE, f"{value}, which does not exist; {read_by}")
        else:
            yield Finding("data", variable.name, OK, value)


def _configs() -> Path | None:
    """The installed copy of the training configs, or that of the checkout."""
    # Not imported: it may be what is broken.
    spec = util.find_spec("allennlp_graphmask_compat")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).resolve().parent.parent
    for folder in (root / "allennlp_graphmask" / "_shipped" / "training_config", root / "training_config"):
        if folder.is_dir():
            return folder
    return None


def _optional() -> Iterator[Finding]:
    for name, wanted, extra in _requirements() or ():
        if extra is not None and extra != "dev":
            finding = _version_finding(name, wanted, f"pip install '{name}{wanted}'", missing=NOTE)
            yield finding._replace(section="optional", detail=f"{finding.detail} (extra: {extra})")
    if _attempt("spacy.util") is None:
        import spacy.util

        pipelines = sorted(spacy.util.get_installed_models())
        if _SPACY_PIPELINE not in pipelines:
            yield Finding(
                "optional",
                f"spaCy {_SPACY_PIPELINE}",
                NOTE,
                "not installed: the reader hotpotqa_graph finds names by it, unless another one is named",
                f"python -m spacy download {_SPACY_PIPELINE}",
            )
        for pipeline in pipelines:
            yield Finding("optional", f"spaCy {pipeline}", OK, metadata.version(pipeline))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what is found; returns the exit status, 1 if nothing can work."""
    parser = argparse.ArgumentParser(
        prog="python -m allennlp_graphmask_compat.doctor",
        description="Say what is installed, what is missing, and how to get it.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    return report(as_json=parser.parse_args(arguments).json)


def report(*, as_json: bool) -> int:
    """As `main`."""
    findings = examine()
    print(json.dumps(json_of(findings), indent=1) if as_json else text_of(findings))
    return 0 if is_usable(findings) else 1


if __name__ == "__main__":
    sys.exit(main())
