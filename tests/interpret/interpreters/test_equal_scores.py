"""Messages with equal scores: rounding, which depends on the batch and on the order of edges, does not decide which are kept."""

from typing import Any, Dict, List, Tuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.evaluation.metrics.sanity import reorder_edges
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.threshold import gate_locations
from allennlp_graphmask.interpret.interpreters import ErasureSearch, Interpreter, LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel
from tests.interpret.interpreters.cases import SETTINGS, build_registered
from tests.interpret.interpreters.tied import TASKS, Tied, tied_task
from tests.interpret.toy import toy_target
from tests.models.building import make_batch

CASES = [(name, task) for name in [*SETTINGS, "graphmask"] for task in TASKS] + [("attention", "graphs, attention")]
Decisions = List[Tuple[int, int, int, int, bool]]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Dict[str, Tied]:
    return {name: tied_task(name, tmp_path_factory.mktemp("tied")) for name in TASKS}


def build_any(name: str, tied: Tied, **more: Any) -> Interpreter:
    if name != "graphmask":
        return build_registered(name, **more)
    torch.manual_seed(4)
    model = GraphMask(tied.vocabulary, tied.masked_model.target, focus="all").eval()
    batch = make_batch(tied.instances, tied.vocabulary)
    # As `choose_threshold` does: the location of a gate.
    locations = gate_locations(model, model.masked_model.unmasked(batch)).sort().values
    model.threshold.fill_(float(locations[len(locations) // 2]))
    return build_registered(name, model, **more)


def decisions(interpreter: Interpreter, tied: Tied, numbers: List[int], size: int, seed: int) -> List[Decisions]:
    """What is kept of each instance, when instances come in this order, in batches of this size, with edges in any order."""
    found: Dict[int, Decisions] = {}
    for first in range(0, len(numbers), size):
        chosen = numbers[first : first + size]
        batch = make_batch([tied.instances[number] for number in chosen], tied.vocabulary)
        order = torch.randperm(batch["graph"].num_edges, generator=torch.Generator().manual_seed(seed))
        batch = reorder_edges(batch, batch["graph"], order if seed else order.sort().values)
        for number, part in zip(chosen, interpreter.interpret(tied.masked_model, batch).split(), strict=True):
            columns = [part.graph.sources.tolist(), part.graph.targets.tolist(), part.graph.edge_type.tolist()]
            found[number] = sorted(
                (layer, *edge, is_kept)
                for layer, kept in enumerate(part.kept)
                for *edge, is_kept in zip(*columns, kept.tolist())
            )
    return [found[number] for number in range(len(numbers))]


@pytest.mark.parametrize("name,task", CASES)
def test_decisions_depend_neither_on_the_batch_nor_on_the_order_of_edges(name, task, tasks):
    tied = tasks[task]
    numbers = list(range(len(tied.instances)))
    interpreters = [build_any(name, tied), build_any(name, tied, top_fraction=0.2)]
    expected = [decisions(interpreter, tied, numbers, 1, 0) for interpreter in interpreters]

    @settings(max_examples=2)
    @given(order=st.permutations(numbers), size=st.integers(1, len(numbers)), seed=st.integers(0, 1000))
    def check(order: List[int], size: int, seed: int) -> None:
        assert [decisions(interpreter, tied, order, size, seed) for interpreter in interpreters] == expected

    check()


def twins_batch(vocab, edges: List[List[int]]) -> Dict[str, Any]:
    """One graph of three nodes, of which 0 and 1 are alike; all edges are of one type."""
    features = torch.tensor([[[1.0, 0.5, -0.3], [1.0, 0.5, -0.3], [0.2, -1.0, 0.7]]])
    return {"features": features, "graph": Graph.from_edges(3, edges, [2] * len(edges))}


@pytest.mark.parametrize("edges", [[[0, 2], [1, 2]], [[1, 2], [0, 2]]])
def test_erasure_search_keeps_the_first_of_equal_sets(edges, vocab):
    masked_model = MaskedModel(toy_target("classifier", vocab, num_layers=1))
    # Neither message alone gives the whole prediction, and one is as good as the other.
    for allowance in torch.logspace(-6, 1, 30).tolist():
        settings = {"criterion": "divergence", "allowance": allowance}
        kept = ErasureSearch(**settings).interpret(masked_model, twins_batch(vocab, edges)).kept[0]
        if kept.sum() == 1:
            assert kept.tolist() == [edge == [0, 2] for edge in edges]
            return
    raise AssertionError("No allowance needs one message.")


def test_leaving_out_keeps_what_is_above_rounding(vocab):
    """The prediction is read from other numbers than those that the first edge's message changes, but for rounding."""
    target = toy_target("classifier", vocab, num_layers=1)
    masked_model, batch = MaskedModel(target), twins_batch(vocab, [[0, 2], [1, 2]])
    interpreter = LeaveOneEdgeOut()
    assert all(layer.all() for layer in interpreter.interpret(masked_model, batch).kept)
    for scale, is_kept in ((1e-2, True), (1e-8, False)):
        with torch.no_grad():
            target.scorer.weight.div_(target.scorer.weight.norm()).mul_(scale)
        assert interpreter.interpret(masked_model, batch).kept[0].tolist() == [is_kept] * 2
