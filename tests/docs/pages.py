"""What tests of pages share: their blocks, and running these as somebody who reads the page would."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from tests.compat.conftest import run_python

ROOT = Path(__file__).resolve().parents[2]
#: In the order of their paths. The pages at the top level are on the site, too.
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]

SCRIPT = """
set -e
python() { "$PYTHON" "$@"; }
allennlp() { "$PYTHON" -m allennlp "$@"; }
"""


def read_page(path: Path) -> str:
    """Return a page with the files that it includes, as the site has it."""
    text = path.read_text(encoding="utf-8")
    return re.sub(
        r'^--8<-- "(.+)"\n', lambda found: (ROOT / found[1]).read_text(encoding="utf-8"), text, flags=re.MULTILINE
    )


def list_blocks(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the language of each block, its code, and the file that the line before it names, if there is one."""
    for name, language, code in re.findall(
        r"^(?:`(\S+)`:\n\n)?```(\w*)\n(.*?)^```$", read_page(path), re.MULTILINE | re.DOTALL
    ):
        yield language, code, name


def blocks(path: Path, language: str) -> list[str]:
    """Return the blocks in a language."""
    return [code for found, code, _ in list_blocks(path) if found == language]


def run_script(script: str, folder: Path) -> str:
    """Run a script of bash in a folder, `python` and `allennlp` being those that run the tests. Return what it printed."""
    finished = subprocess.run(
        ["bash", "-c", SCRIPT + script],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-4000:]
    return finished.stdout


def build_site(folder: Path) -> Path:
    """Build the documentation site, where a warning is an error, into a folder, and return this."""
    pytest.importorskip("mkdocs", reason="needs the extra [docs]")
    pytest.importorskip("mkdocstrings", reason="needs the extra [docs]")
    run_python("-m", "mkdocs", "build", "--strict", "--site-dir", str(folder), folder=ROOT)
    return folder
