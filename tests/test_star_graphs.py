"""
Star graphs by the commands of `make demo`, in processes of their own: train, mask, explain, compare. Which edges matter is known,
and what is kept must be that.
"""

import json
from pathlib import Path
from typing import List

import pytest
import torch
from allennlp.models import load_archive

from allennlp_graphmask.evaluation.metrics import read_truth
from allennlp_graphmask.explanation import Explanation, read_explanations
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from allennlp_graphmask.interpret.ranking import highest_messages
from tests.compat.conftest import run_python
from tests.models.building import make_batch

ROOT = Path(__file__).resolve().parents[1]


def run(folder: Path, *command: object, **environment: str) -> str:
    return run_python("-m", *map(str, command), folder=folder, **environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the archives and explanations."""
    folder = tmp_path_factory.mktemp("stars")
    configs = ROOT / "training_config" / "star_graphs"
    target = str(folder / "model" / "model.tar.gz")
    run(folder, "allennlp", "train", configs / "demo.jsonnet", "-s", "model")
    masker_config = configs / "demo_graphmask.jsonnet"
    run(folder, "allennlp", "train", masker_config, "-s", "graphmask", GRAPHMASK_TARGET=target)
    predict = ["predict", "graphmask/model.tar.gz", "test", "--use-dataset-reader", "--silent"]
    run(folder, "allennlp", *predict, "--batch-size", 200, "--output-file", "explanations.jsonl")
    return folder


@pytest.fixture(scope="module")
def explanations(folder: Path) -> List[Explanation]:
    return list(read_explanations(folder / "explanations.jsonl"))


def test_what_is_kept_is_what_matters(folder: Path, explanations: List[Explanation]) -> None:
    assert len(explanations) == 200
    kept = true = both = edges = 0
    for explanation in explanations:
        query = explanation.metadata["graph_metadata"]["query"]
        types = [edge.type for edge in explanation.edges]
        first, second = map(types.count, query)
        for edge, metadata in zip(explanation.edges, explanation.metadata["edge_metadata"], strict=True):
            # By the colours, and not by the reader's word.
            matters = edge.type in query
            wins = (edge.type == query[0]) == (first > second)
            group = ("winning" if wins else "losing") if matters and first != second else None
            assert metadata == {"matters": [matters], "edge_group": group}
            kept, true, edges = kept + edge.kept[0], true + matters, edges + 1
            both += matters and edge.kept[0]
    f1 = 2 * both / (kept + true)
    assert f1 >= 0.95 and abs(kept - true) < 0.03 * edges

    # The command's figures are the same.
    arguments = ["graphmask/model.tar.gz", "test", "-o", "comparison", "--interpreters", "graphmask"]
    printed = run(folder, "allennlp", "compare-interpreters", *arguments, "--metrics", "kept,changed,truth")
    assert f"f1                           {f1:.3g} " in printed
    results = json.loads((folder / "comparison" / "results.json").read_text())
    metrics = results["interpreters"]["graphmask"]["metrics"]
    assert metrics["edge_truth"]["precision"]["value"] == pytest.approx(both / kept, rel=1e-4)
    assert metrics["edge_truth"]["recall_group_winning"]["value"] > 0.95


def test_predictions_are_right_and_do_not_change(explanations: List[Explanation]) -> None:
    right = [
        explanation.prediction["original"]["label"] == explanation.metadata["label"] for explanation in explanations
    ]
    assert sum(right) >= 0.99 * len(right)
    assert sum(explanation.prediction["changed"] for explanation in explanations) <= 0.02 * len(right)


def test_the_text_view(folder: Path, explanations: List[Explanation]) -> None:
    printed = run(folder, "allennlp_graphmask.views", "explanations.jsonl", "--max", 1)
    [first, *_] = explanations
    assert printed.startswith(" ".join(first.tokens))
    for edge in first.edges:
        if edge.kept[0]:
            assert f"--{edge.type}-->" in printed and first.nodes[edge.source].text in printed


def test_verification_explains_and_the_smallest_sets_justify(folder: Path) -> None:
    """The shortcut of dropping messages as long as the prediction stays leaves out the colour that loses, which the model counts."""
    archive = load_archive(str(folder / "graphmask" / "model.tar.gz"))
    model = archive.model.eval()
    instances = list(archive.validation_dataset_reader.read("test"))
    batch = make_batch(instances, model.vocab)
    masked_model = model.masked_model
    unmasked = masked_model.unmasked(batch)
    (truth,) = read_truth(batch, unmasked.graph, 1)

    def f1(kept: torch.Tensor) -> float:
        return float(2 * (kept & (truth == 1)).sum() / (kept.sum() + (truth == 1).sum()))

    decided = AmortisedGraphMask(graphmask=model).attribute(masked_model, unmasked)
    verified = AmortisedGraphMask(graphmask=model, verify=True).attribute(masked_model, unmasked)
    assert f1(verified.kept[0]) >= f1(decided.kept[0]) - 0.01 >= 0.94

    with torch.no_grad():
        counts = unmasked.graph.edges_per_graph()
        smallest = torch.zeros_like(counts)
        for size in range(int(counts.max())):
            kept = highest_messages(decided.scores, torch.full_like(counts, size), unmasked.graph)
            changed = masked_model.changed(unmasked, masked_model.masked(unmasked, decided.gates(kept)))
            smallest[changed] = size + 1
        (kept,) = highest_messages(decided.scores, smallest, unmasked.graph)
        assert not masked_model.changed(unmasked, masked_model.masked(unmasked, decided.gates([kept]))).any()
    assert f1(kept) < 0.7
