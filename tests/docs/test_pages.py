"""What stands in the pages of the documentation: each block of Python and each command runs here or in the test that is named."""

import doctest
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from allennlp.commands import parse_args

from allennlp_graphmask.evaluation.ground_truth import GROUND_TRUTHS
from allennlp_graphmask.interpret.interpreters import Interpreter, RandomInterpreter
from allennlp_graphmask.pretrained import pretrained_archive
from tests.docs.pages import PAGES, ROOT, blocks, list_blocks, read_page, run_script

DOCS = ROOT / "docs"
#: Pages that run from the first block to the last, in a folder that `allennlp graphmask-init` has filled.
RUN_HERE = ["tour.md", "tutorials/comparing.md", "tutorials/questions.md", "tutorials/sentences.md"]
#: Single blocks of Python.
PYTHON_HERE = ["comparing.md", "compatibility.md", "explanation_format.md", "ground_truth.md", "views.md"]
#: The pages whose Python runs elsewhere.
RUN_ELSEWHERE = {
    "extending.md": "tests/test_extension.py",
    "plain_pytorch.md": "tests/test_plain_pytorch.py",
    "pyg.md": "tests/pyg/test_docs.py",
    "spacy.md": "tests/spacy/test_component.py",
}


def test_every_page_with_python_runs_somewhere() -> None:
    with_python = {
        path.relative_to(DOCS).as_posix() for path in PAGES if path.is_relative_to(DOCS) and blocks(path, "python")
    }
    assert with_python <= {*RUN_HERE, *PYTHON_HERE, *RUN_ELSEWHERE}
    for page, test in RUN_ELSEWHERE.items():
        assert page in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", RUN_HERE)
def test_a_tutorial_runs(page: str, tmp_path: Path) -> None:
    script, shown = ["allennlp graphmask-init ."], []
    for language, code, name in list_blocks(DOCS / page):
        if name:
            (tmp_path / name).write_text(code, encoding="utf-8")
        elif language == "bash" and ("WIKIHOP_TRAIN" not in code or "GRAPHMASK_DATA" in os.environ):
            script.append(code)
        elif language == "python":
            script.append(f"python - <<'END'\n{code}END")
        elif language == "text":
            shown.append(code)
    printed = run_script("\n".join(script), tmp_path)
    for code in shown:  # but for the last digits, which differ from machine to machine
        assert re.sub(r"\d\.\d+", "#", code) in re.sub(r"\d\.\d+", "#", printed)


@pytest.mark.parametrize("page", PYTHON_HERE)
def test_blocks_of_python_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tar.gz").symlink_to(pretrained_archive("pretrained:propbank-srl"))
    (tmp_path / "dev.conll09").symlink_to(ROOT / "fixtures" / "propbank" / "demo.conll09")
    if page in ("views.md", "explanation_format.md"):
        run_script("allennlp explain model.tar.gz dev.conll09 -o explanations.jsonl", tmp_path)
    truth = GROUND_TRUTHS["redundant_pair"]()
    names = {
        "masked_model": truth.masked_model(),
        "loader": [truth.batch(4)],
        "interpreter": RandomInterpreter(top_fraction=0.5),
    }
    for code in blocks(DOCS / page, "python"):
        exec(doctest.script_from_examples(code) if code.startswith(">>>") else code, names)


def commands_in(text: str) -> list[list[str]]:
    """Return the commands of a page, without what comes before and after them in a line."""
    found = re.findall(
        r"^ *(?:\w+=\S+ |echo .*\| )*((?:allennlp [a-z]|python -m )[^\n]*)", text.replace("\\\n", " "), re.MULTILINE
    )
    return [shlex.split(line, comments=True) for line in found]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_have_the_options_that_they_are_given(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program, *arguments in commands_in(read_page(path)):
        if program == "allennlp":
            monkeypatch.setattr(sys, "argv", [program, *arguments])
            parse_args()
            continue
        _, module, *options = arguments
        file = ROOT / f"{module.replace('.', '/')}.py"
        if module.split(".")[0] not in ("allennlp_graphmask", "benchmarks"):
            continue
        sources = [file] if file.exists() else sorted((ROOT / module.replace(".", "/")).glob("*.py"))
        # Benchmarks share some of their options.
        code = "".join(one.read_text(encoding="utf-8") for one in [*sources, *(ROOT / "benchmarks").glob("*.py")])
        assert sources, f"{module} does not exist"
        assert not [option for option in options if option.startswith("--") and f'"{option}"' not in code]


def test_the_page_of_interpreters_lists_all_of_them() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|.*\|.*\|.*\|", read_page(DOCS / "interpreters.md"), re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    table = listed[: listed.index("all_edges") + 1]
    ours = [
        name
        for name in Interpreter.list_available()
        if Interpreter.by_name(name).__module__.startswith("allennlp_graphmask")
    ]
    assert sorted(table) == sorted(ours)
