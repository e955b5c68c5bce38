"""No number depends on how instances are divided into batches, not even random ones."""

import pytest
import torch

from allennlp_graphmask.evaluation.comparison import build_metrics
from allennlp_graphmask.evaluation.metrics import EdgeAgreement, read_truth
from allennlp_graphmask.interpret.interpreters import AllEdgesInterpreter, LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from tests.evaluation.metrics.conftest import explain
from tests.evaluation.metrics.test_sanity import METRICS
from tests.interpret.toy import TOYS, toy_instances, toy_target
from tests.models.building import make_batch

INSTANCES = 20
CONFIGS = {name: {"type": name, **settings} for name, settings in METRICS.items()}
CONFIGS["edge_truth"] = {"type": "edge_truth"}


def collate(vocab, batch_size):
    instances = toy_instances(5, INSTANCES)
    for number, instance in enumerate(instances):
        edges = instance["graph"].edges
        matters = [(number + source + 2 * target) % 3 == 0 for source, target in edges]
        instance["metadata"].metadata["edge_truth"] = [matters, matters[::-1]]
        instance["metadata"].metadata["edge_metadata"] = [{"edge_group": "ab"[target % 2]} for _, target in edges]
    for first in range(0, INSTANCES, batch_size):
        yield make_batch(instances[first : first + batch_size], vocab)


class Rounded(LeaveOneEdgeOut):
    """The rounding of passes depends on the batch, and orders scores that would be equal without it."""

    def score(self, *args):
        found = super().score(*args)
        return found._replace(scores=[layer.double().round(decimals=4) for layer in found.scores])


def evaluate(vocab, kind, interpreters, batch_size):
    """The numbers of all metrics, and those of a random control."""
    masked_model = MaskedModel(toy_target(kind, vocab))
    metrics, controls, agreement = build_metrics(CONFIGS), build_metrics(CONFIGS), EdgeAgreement()
    for batch in collate(vocab, batch_size):
        explained = [explain(masked_model, batch, interpreter) for interpreter in interpreters]
        explained[0].truth = read_truth(batch, explained[0].graph, explained[0].num_layers)
        for label in metrics:
            metrics[label](explained[0])
            controls[label](explained[0].random_control(3))
        agreement([one.attribution for one in explained])
    of_controls = {f"control {name}": one for name, one in controls.items()}
    found = {"edge_agreement": agreement, **metrics, **of_controls}
    return {(label, *key): value for label, metric in found.items() for key, value in metric.per_instance().items()}


@pytest.mark.parametrize("kind", sorted(TOYS))
@pytest.mark.parametrize("interpreter", [Rounded, AllEdgesInterpreter])
def test_numbers_do_not_depend_on_the_batch_size(interpreter, kind, vocab):
    interpreters = [interpreter(top_fraction=0.3), interpreter(top_fraction=0.6)]
    whole = evaluate(vocab, kind, interpreters, 64)
    assert any(key[0] == "control edge_truth" and key[-1] == "b" for key in whole)
    for batch_size in (1, 7):
        found = evaluate(vocab, kind, interpreters, batch_size)
        assert set(found) == set(whole)
        for key, values in whole.items():
            assert found[key] == pytest.approx(values, abs=2e-4), (batch_size, key)


def test_random_orders_depend_on_the_seed_and_the_instance_only(vocab):
    def draw(batch_size, seed):
        orders = []
        for batch in collate(vocab, batch_size):
            graph = batch["graph"]
            order = PerGraphRandom(graph, batch, seed).order(graph.edge_graph)
            assert torch.equal(graph.edge_graph[order], graph.edge_graph)
            for number in range(graph.num_graphs):
                own = (graph.edge_graph == number).nonzero().flatten()
                orders.append((order[own] - own[0]).tolist() if len(own) else [])
        return orders

    whole = draw(64, 1)
    assert whole == draw(1, 1) == draw(7, 1) != draw(64, 2)
    # Different graphs of the same size do not draw the same.
    sizes = [len(order) for order in whole]
    largest = [tuple(order) for order in whole if len(order) == max(sizes)]
    assert len(largest) > 1 and len(set(largest)) == len(largest)
