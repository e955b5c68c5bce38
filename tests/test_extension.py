"""
The extension proof: a reader and an encoder in one file outside the package are trained, masked and explained with the
commands of the tutorial, which prints that very file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "fixtures" / "extension"
TUTORIAL = ROOT / "docs" / "extending.md"


def code_blocks(language: str) -> List[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    copied = tmp_path_factory.mktemp("extension") / "work"
    shutil.copytree(EXTENSION, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, (
        f"{' '.join(command)} ended with {finished.returncode}:\n{output[-4000:]}"
    )
    return output


@pytest.mark.parametrize(
    "language, number, name",
    [("python", 0, "my_extension.py"), ("jsonnet", 0, "target.jsonnet"), ("jsonnet", 1, "graphmask.jsonnet")],
)
def test_the_tutorial_prints_these_files(language: str, number: int, name: str) -> None:
    assert code_blocks(language)[number] == (EXTENSION / name).read_text(encoding="utf-8")


def test_the_extension_is_one_short_file() -> None:
    lines = (EXTENSION / "my_extension.py").read_text(encoding="utf-8").splitlines()
    code = [
        line for line in lines if line.strip() and not line.strip().startswith(('"""', "import ", "from "))
    ]
    assert len(code) <= 55
    assert (EXTENSION / ".allennlp_plugins").read_text(encoding="utf-8").split() == ["my_extension"]


def test_the_tutorials_own_test_passes(folder: Path) -> None:
    assert "assert_is_graph_encoder" in code_blocks("python")[1]
    run(folder, sys.executable, "-c", code_blocks("python")[1])


@pytest.fixture(scope="module")
def explanations(folder: Path) -> List[Dict]:
    """Runs the commands of the tutorial."""
    commands = [
        command.split()
        for command in code_blocks("bash")[0].replace("\\\n", " ").splitlines()
        if command.strip()
    ]
    assert [command[1] for command in commands] == ["train", "train", "predict"]
    for command in commands:
        assert command[0] == "allennlp"
        run(folder, sys.executable, "-m", *command)
    with open(folder / "explanations.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_the_commands_of_the_tutorial_explain(explanations: List[Dict]) -> None:
    with open(EXTENSION / "sentences.jsonl", encoding="utf-8") as file:
        sentences = [json.loads(line) for line in file]
    assert len(explanations) == len(sentences)
    for explanation, sentence in zip(explanations, sentences):
        assert explanation["tokens"] == sentence["tokens"]
        assert explanation["num_layers"] == 2
        arcs = [(head, word, label) for head, word, label in sentence["arcs"]]
        inverse = [(word, head, f"{label}^-1") for head, word, label in sentence["arcs"]]
        edges = explanation["edges"]
        assert [(edge["source"], edge["target"], edge["type"]) for edge in edges] == arcs + inverse
        for edge in edges:
            assert len(edge["score"]) == len(edge["kept"]) == 2
            assert all(0.0 <= score <= 1.0 for score in edge["score"])
        arguments = explanation["prediction"]["original"]["arguments"]
        assert {argument["role"] for argument in arguments} <= {"A0", "A1", "A2", "AM-TMP"}


def test_some_messages_are_dropped_and_some_are_needed(explanations: List[Dict]) -> None:
    kept = [
        decision for explanation in explanations for edge in explanation["edges"] for decision in edge["kept"]
    ]
    assert 0.02 < sum(kept) / len(kept) < 0.9
    changed = [explanation["prediction"]["changed"] for explanation in explanations]
    assert sum(changed) <= 2


def test_the_text_view_of_the_tutorial(explanations: List[Dict], folder: Path) -> None:
    command = code_blocks("bash")[1].split()
    assert command[0] == "python"
    text = run(folder, sys.executable, *command[1:])
    for line in ("Ann [[sees]] the old cat", "prediction  A0: Ann | A1: the old cat", "layer 1, top: kept"):
        assert line in text
        assert line in TUTORIAL.read_text(encoding="utf-8")


def test_the_target_learnt_its_task(explanations: List[Dict], folder: Path) -> None:
    metrics = json.loads((folder / "target" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["best_validation_f1"] > 0.9
