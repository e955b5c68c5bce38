"""
Star graphs by the commands of `make demo`, in processes of their own: train, mask, explain. Which edges matter is known, and what
is kept must be that.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from benchmarks.edge_truth import against_truth

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the archives and explanations."""
    folder = tmp_path_factory.mktemp("stars")
    configs = ROOT / "training_config" / "star_graphs"
    model, graphmask = folder / "model", folder / "graphmask"
    commands: List[List[Any]] = [
        ["train", configs / "demo.jsonnet", "-s", model],
        ["train", configs / "demo_graphmask.jsonnet", "-s", graphmask],
        ["predict", graphmask / "model.tar.gz", "test", "--use-dataset-reader", "--silent"]
        + ["--batch-size", "200", "--output-file", folder / "explanations.jsonl"],
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "GRAPHMASK_TARGET": str(model / "model.tar.gz"),
    }
    for command in commands:
        finished = subprocess.run(
            [sys.executable, "-m", "allennlp", *map(str, command)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert finished.returncode == 0, (finished.stdout + finished.stderr)[-4000:]
    return folder


@pytest.fixture(scope="module")
def explanations(folder: Path) -> List[Dict[str, Any]]:
    lines = (folder / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_what_is_kept_is_what_matters(explanations: List[Dict[str, Any]]) -> None:
    assert len(explanations) == 200
    kept: List[bool] = []
    truth: List[bool] = []
    for explanation in explanations:
        query = explanation["metadata"]["graph_metadata"]["query"]
        for edge, metadata in zip(
            explanation["edges"], explanation["metadata"]["edge_metadata"], strict=True
        ):
            # Told by the colours, and not by what the reader says.
            assert metadata["matters"] == [edge["type"] in query]
            kept += edge["kept"]
            truth += metadata["matters"]
    figures = against_truth(kept, truth)
    assert figures["f1"] >= 95, figures
    assert abs(figures["kept"] - figures["true"]) < 3


def test_predictions_are_right_and_do_not_change(explanations: List[Dict[str, Any]]) -> None:
    right = [
        explanation["prediction"]["original"]["label"] == explanation["metadata"]["label"]
        for explanation in explanations
    ]
    assert sum(right) >= 0.99 * len(right)
    assert sum(explanation["prediction"]["changed"] for explanation in explanations) <= 0.02 * len(right)


@pytest.mark.parametrize(
    "command", [["allennlp_graphmask.views.sentence.text", "--max", "1"], ["benchmarks.edge_truth"]]
)
def test_what_is_printed(folder: Path, explanations: List[Dict[str, Any]], command: List[str]) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", command[0], str(folder / "explanations.jsonl"), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    if command[0].startswith("benchmarks"):
        assert printed.startswith("200 explanations against the truth: precision ")
        return
    [first, *_] = explanations
    assert printed.startswith(" ".join(first["tokens"]))
    for edge in first["edges"]:
        if edge["kept"][0]:
            assert f"--{edge['type']}-->" in printed and first["nodes"][edge["source"]]["text"] in printed
