"""
A data set in the plain format, by the commands of its page in processes of their own: train, predict, mask, explain. Which
edges matter is known, and what is kept must say so.
"""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest

from allennlp_graphmask.explanation import read_explanations
from tests.docs.pages import ROOT, blocks, run_script

PAGE = ROOT / "docs" / "graph_jsonl.md"


def lines_of(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that was empty, after all commands of the page."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "graphs.jsonl").write_text(blocks(PAGE, "json")[0], encoding="utf-8")
    [commands] = blocks(PAGE, "bash")
    commands = commands.replace("views explanations.jsonl", "views explanations.jsonl > view.txt")
    run_script(f"allennlp graphmask-init .\n{commands}", folder)
    return folder


def test_the_model_learns_the_labels(folder) -> None:
    metrics = json.loads((folder / "output" / "model" / "metrics.json").read_text())
    assert metrics["best_validation_accuracy"] > 0.9 and metrics["best_validation_f1"] > 0.9


def test_predictions_from_lines(folder) -> None:
    predictions = lines_of(folder / "predictions.jsonl")
    assert [output["id"] for output in predictions] == ["dan-1", "eve-1", None]
    assert [output["prediction"]["label"] for output in predictions[:2]] == ["salty", "sweet"]
    for output in predictions:
        assert set(output["prediction"]["probabilities"]) == {"salty", "sour", "sweet"}


def test_the_edges_that_are_kept_are_those_that_matter(folder) -> None:
    num_messages = num_true = num_kept = num_kept_and_true = num_found = num_changed = 0
    explanations = list(read_explanations(folder / "explanations.jsonl"))
    for explanation in explanations:
        # The inverse of an edge, behind all edges, says the same as the edge.
        matters = [bool(edge.get("matters")) for edge in explanation.metadata["edge_metadata"]] * 2
        kept = [
            (is_kept, is_true)
            for edge, is_true in zip(explanation.edges, matters, strict=True)
            for is_kept in edge.kept
        ]
        num_messages += len(kept)
        num_true += sum(is_true for _, is_true in kept)
        num_kept += sum(is_kept for is_kept, _ in kept)
        num_kept_and_true += sum(is_kept and is_true for is_kept, is_true in kept)
        num_found += any(is_kept and is_true for is_kept, is_true in kept)
        num_changed += explanation.prediction["changed"]
    chance = num_true / num_messages
    assert chance < 0.2
    # Measured with three seeds: 0.77 to 1.0, at a chance of 0.15.
    assert num_kept_and_true / num_kept > 3 * chance
    # One of the three labels may be the one that is chosen without any message.
    assert num_found / len(explanations) > 0.55
    assert num_kept / num_messages < 0.3
    assert num_changed / len(explanations) <= 0.055
    metrics = json.loads((folder / "output" / "graphmask" / "metrics.json").read_text())
    assert metrics["best_validation_constraint_met"] == 1
    assert metrics["best_validation_random_changed"] > 0.3


def test_the_text_view(folder) -> None:
    view = (folder / "view.txt").read_text(encoding="utf-8")
    assert len(re.findall(r"^prediction  (salty|sour|sweet) \([01]\.\d\d\)$", view, re.MULTILINE)) == 45
    # The page shows one of them. Its numbers are those of one machine.
    [shown] = blocks(PAGE, "text")
    assert shown.splitlines()[0] in view
    headings = re.findall(r"^[a-z]+(?=  )", shown, re.MULTILINE)
    assert "prediction" in headings and set(headings) <= set(re.findall(r"^[a-z]+(?=  )", view, re.MULTILINE))
