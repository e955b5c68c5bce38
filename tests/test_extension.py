"""
Parts of one's own, outside the package: a reader and an encoder are trained, masked and explained, and interpreter, metric, view
and export are used, by the commands of `docs/extending.md`, which prints the files.
"""

import json
import re
import shutil
from pathlib import Path
from typing import List

import pytest

from allennlp_graphmask.explanation import Explanation, read_explanations
from tests.compat.conftest import run_python
from tests.docs.pages import ROOT, blocks

EXTENSION = ROOT / "fixtures" / "extension"
TUTORIAL = ROOT / "docs" / "extending.md"


def commands_in(number: int) -> List[List[str]]:
    """The commands of a block."""
    lines = blocks(TUTORIAL, "bash")[number].replace("\\\n", " ").splitlines()
    return [line.split() for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    copied = tmp_path_factory.mktemp("extension") / "work"
    shutil.copytree(EXTENSION, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def run(folder: Path, program: str, *arguments: str) -> str:
    module = {"allennlp": ["-m", "allennlp"], "python": []}[program]
    return run_python(*module, *arguments, folder=folder)


@pytest.mark.parametrize("path", sorted(EXTENSION.glob("my_*.py")) + sorted(EXTENSION.glob("*.jsonnet")), ids=str)
def test_the_tutorial_prints_every_file(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert code in blocks(TUTORIAL, "python" if path.suffix == ".py" else "jsonnet")
    assert len([line for line in code.splitlines() if line.strip()]) <= 50


def test_the_folder_has_a_file_for_each_row_of_the_table() -> None:
    named = re.findall(r"^\|.*`(my_\w+\.py)`", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in EXTENSION.glob("my_*.py"))


def test_the_test_in_the_tutorial_passes(folder: Path) -> None:
    [code] = [block for block in blocks(TUTORIAL, "python") if "assert_is_graph_encoder" in block]
    run_python("-c", code, folder=folder)


@pytest.fixture(scope="module")
def explanations(folder: Path) -> List[Explanation]:
    *commands, _ = commands_in(0)
    assert [command[:2] for command in commands] == [["allennlp", name] for name in ("train", "train", "predict")]
    for command in commands:
        run(folder, *command)
    return list(read_explanations(folder / "explanations.jsonl"))


def test_the_commands_of_the_tutorial_explain(explanations: List[Explanation]) -> None:
    with open(EXTENSION / "sentences.jsonl", encoding="utf-8") as file:
        sentences = [json.loads(line) for line in file]
    assert len(explanations) == len(sentences)
    for explanation, sentence in zip(explanations, sentences):
        assert explanation.tokens == tuple(sentence["tokens"])
        assert explanation.num_layers == 2
        arcs = [(head, word, label) for head, word, label in sentence["arcs"]]
        inverse = [(word, head, f"{label}^-1") for head, word, label in sentence["arcs"]]
        edges = explanation.edges
        assert [(edge.source, edge.target, edge.type) for edge in edges] == arcs + inverse
        for edge in edges:
            assert len(edge.score) == len(edge.kept) == 2
            assert all(0.0 <= score <= 1.0 for score in edge.score)
        arguments = explanation.prediction["original"]["arguments"]
        assert {argument["role"] for argument in arguments} <= {"A0", "A1", "A2", "AM-TMP"}


def test_some_messages_are_dropped_and_some_are_needed(explanations: List[Explanation]) -> None:
    kept = [decision for explanation in explanations for edge in explanation.edges for decision in edge.kept]
    assert 0.02 < sum(kept) / len(kept) < 0.9
    changed = [explanation.prediction["changed"] for explanation in explanations]
    assert sum(changed) <= 2


def test_the_text_in_the_tutorial(explanations: List[Explanation], folder: Path) -> None:
    text = run(folder, *commands_in(0)[-1])
    for line in ("Ann [[sees]] the old cat", "prediction  A0: Ann | A1: the old cat", "layer 1, top: kept"):
        assert line in text
        assert line in TUTORIAL.read_text(encoding="utf-8")


def test_the_classifier_needs_the_arc_that_decides(folder: Path) -> None:
    for command in commands_in(1):
        run(folder, *command)
    explained = list(read_explanations(folder / "opinions_explained.jsonl"))
    with open(EXTENSION / "opinions.jsonl", encoding="utf-8") as file:
        labels = [json.loads(line)["label"] for line in file]
    assert [one.prediction["original"]["label"] for one in explained] == labels
    assert all(" rather than " in one.focus["description"] for one in explained)
    kept = sum(one.kept_share() for one in explained) / len(explained)
    [first] = [one for one in explained if one.tokens == tuple("the film is not good and long".split())]
    assert kept < 0.3 and "neg" in {edge.type for edge in first.kept_edges()}


def test_the_interpreter(explanations: List[Explanation], folder: Path) -> None:
    [command] = commands_in(2)
    assert "(my_message_norm)" in run(folder, *command)


def test_the_metric(explanations: List[Explanation], folder: Path) -> None:
    [command] = commands_in(3)
    run(folder, *command)
    results = json.loads((folder / "comparison" / "results.json").read_text(encoding="utf-8"))
    # The command compares decisions that were not verified.
    heard = []
    for one in explanations:
        added = {tuple(message) for message in one.verification["added"]}
        kept = [
            {layer for layer, is_kept in enumerate(edge.kept) if is_kept and (number, layer) not in added}
            for number, edge in enumerate(one.edges)
        ]
        heard.append({edge.target for edge, layers in zip(one.edges, kept) if layers})
    silent = 1 - sum(map(len, heard)) / sum(len(one.nodes) for one in explanations)
    found = results["interpreters"]["graphmask"]["metrics"]["edge_my_silent_nodes"]["silent_nodes"]
    assert found["value"] == pytest.approx(silent)


def test_the_export(explanations: List[Explanation], folder: Path) -> None:
    [command] = commands_in(4)
    rows = run(folder, *command).splitlines()[1:]
    kept = [
        [str(layer), one.nodes[edge.source].text, edge.type, one.nodes[edge.target].text]
        for one in explanations
        for edge in one.edges
        for layer, is_kept in enumerate(edge.kept)
        if is_kept
    ]
    assert kept and sorted(row.split(",")[1:5] for row in rows) == sorted(kept)


def test_the_target_learnt_its_task(explanations: List[Explanation], folder: Path) -> None:
    metrics = json.loads((folder / "target" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["best_validation_f1"] > 0.9
