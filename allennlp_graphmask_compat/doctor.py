"""
What `pip check` cannot find out about an installation: whether AllenNLP can be imported, what each patch of the compatibility
layer did and why, which devices there are, and which environment variables of the training configs are not set. Printed by
`allennlp graphmask-doctor`, and by `python -m allennlp_graphmask_compat.doctor` where AllenNLP cannot be imported. This module
needs nothing but the standard library.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import allennlp_graphmask_compat
from allennlp_graphmask_compat.config_variables import DESCRIPTIONS

#: Installed with --no-deps, so that pip compares no versions. Everything else is left to `pip check`.
VERSIONS = {"allennlp": "2.10.1", "fairscale": "0.4.13"}
INSTALL_ALLENNLP = "pip install --no-deps allennlp==2.10.1 fairscale==0.4.13"

#: Begins the findings that make an installation unusable.
PROBLEM = "PROBLEM: "

_STARTED_WITH_INTERPRETER = "import sys; sys.exit('allennlp_graphmask_compat' not in sys.modules)"
_VARIABLE = re.compile(r"std\.extVar\(\s*['\"](\w+)['\"]\s*\)")


def find_versions() -> Iterator[tuple[str, str]]:
    yield "python", f"{platform.python_version()}, {platform.platform()}"
    for name, expected in VERSIONS.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = "not installed"
        yield name, version if version == expected else f"{PROBLEM}{version}. Run: {INSTALL_ALLENNLP}"
    for module in ("torch", "allennlp.commands", "allennlp_graphmask.commands"):
        error = _try_to_import(module)
        yield f"import {module}", "works" if error is None else f"{PROBLEM}{error}"
    yield "all other versions", "Run `pip check`. That AllenNLP's own requirements are not met is expected."


def find_patches() -> Iterator[tuple[str, str]]:
    switch = allennlp_graphmask_compat.SWITCH
    if allennlp_graphmask_compat.is_switched_off():
        yield "switched off", f"{switch} is {os.environ[switch]!r}. To switch it on: unset {switch}"
    elif subprocess.run([sys.executable, "-c", _STARTED_WITH_INTERPRETER], check=False).returncode:
        yield "not started", "No .pth file starts it with the interpreter. Install allennlp-graphmask again."
    for patch in allennlp_graphmask_compat.patches_in_effect():
        for module in patch.modules:  # Imported, each patch has looked whether it is needed.
            _try_to_import(module)
        patch.settle()
        yield patch.name, f"{patch.state}. {patch.reason}"


def find_devices() -> Iterator[tuple[str, str]]:
    if _try_to_import("torch") is None:
        import torch

        yield "cpu", f"{torch.get_num_threads()} threads of {os.cpu_count()} processors"
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            yield f"cuda:{number}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        if not torch.cuda.is_available():
            yield "cuda", f"none; torch {torch.__version__} is built for CUDA {torch.version.cuda}"


def find_variables() -> Iterator[tuple[str, str]]:
    """Return the environment variables that the configs of an installed package or of a checkout mention."""
    root = Path(__file__).resolve().parent.parent
    configs: dict[str, set[str]] = {}
    for folder in (root / "allennlp_graphmask" / "_shipped" / "training_config", root / "training_config"):
        for path in folder.rglob("*.*sonnet"):
            for name in _VARIABLE.findall(path.read_text(encoding="utf-8")):
                configs.setdefault(name, set()).add(path.relative_to(folder).as_posix())
    for name, readers in sorted(configs.items()):
        value = os.environ.get(name, "")
        exists = value.isdigit() or "://" in value or os.path.exists(value)
        state = f"{value!r}{'' if exists else ', which does not exist'}" if value else f"not set; {DESCRIPTIONS[name]}"
        yield name, f"{state}; read by {', '.join(sorted(readers))}"


def _try_to_import(module: str) -> str | None:
    """Return the error, if there is one."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001
        # Deliberately broad: a library that does not fit raises errors of any kind, and finding them is the purpose.
        return f"{type(error).__name__}: {error}"
    return None


def main() -> int:
    """Print what is found. Return the exit status: 1 if the installation is unusable, otherwise 0."""
    problems = []
    for find in (find_versions, find_patches, find_devices, find_variables):
        print(find.__name__.removeprefix("find_"))
        for name, finding in find():
            print(f"  {name:<34} {finding}")
            if finding.startswith(PROBLEM):
                problems.append(name)
    print(f"\nNOT USABLE: {', '.join(problems)}." if problems else "\nUsable.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
