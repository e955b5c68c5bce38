"""Two workers against one process: every metric of ours sums over workers, whatever the number of batches and values of each."""

from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import torch
from allennlp.data import Vocabulary
from allennlp.training.metrics import Metric
from torch import distributed

from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Ratios
from allennlp_graphmask.interpret.graphmask.metrics import GraphMaskMetrics
from allennlp_graphmask.metrics import Mean, SemanticRoleF1
from tests.training.workers import call_in_workers

NUM_BATCHES = 5


def measure_role_f1(batches: List[int]) -> Dict[str, Any]:
    metric = SemanticRoleF1(Vocabulary(counter={"role_labels": {"_": 2, "A0": 1, "A1": 1}}))
    for batch in batches:
        generator = torch.Generator().manual_seed(batch)
        metric(*torch.randint(3, (2, batch + 1, 6), generator=generator))
    return metric.get_metric(reset=True)


def measure_mean(batches: List[int]) -> Dict[str, Any]:
    metric = Mean()
    for batch in batches:
        metric(torch.arange(float(batch)))
    return {"mean": metric.get_metric(reset=True), "after": metric.get_metric()}


def measure_graphmask(batches: List[int]) -> Dict[str, Any]:
    metric = GraphMaskMetrics(num_layers=1, relation_names=["a", "b"], reported_edge_labels=2)
    for batch in batches:
        generator = torch.Generator().manual_seed(batch)
        metric.count_gates(torch.tensor([0, 0, 1]), [torch.rand(3, generator=generator).round()])
        values = torch.rand(batch, generator=generator)
        metric.count_instances(divergence=values, changed=values > 0.5, floor=values, random_changed=values > 0.3)
    return {**metric.get(across_workers=True, detailed=True), "edges": metric.num_edges()}


def measure_edge_metrics(batches: List[int]) -> Dict[str, Any]:
    settings = {"edge_node_invariance": {"node_fields": ["nodes"]}}
    names = [name for name in Metric.list_available() if name.startswith("edge_")]
    assert len(names) > 8
    metrics = {name: Metric.by_name(name)(**settings.get(name, {})) for name in names}
    values = {}
    for name, metric in metrics.items():
        assert isinstance(metric, EdgeMetric)
        for batch in batches:
            generator = torch.Generator().manual_seed(batch)
            # What agreement derives its quantities from, too.
            keys = [MetricKey(quantity) for quantity in (*metric.quantities, "agreeing", "keeping")]
            metric.add({key: Ratios(*torch.rand(2, batch, generator=generator)) for key in keys}, batch)
        values.update({f"{name}_{key}": value for key, value in metric.get_metric(reset=True).items()})
        assert metric.num_instances == 0
    return values


def measure_share(measure: Callable[[List[int]], Dict[str, Any]]) -> Dict[str, Any]:
    # Four batches and one: AllenNLP's own metrics would wait for each other.
    return measure([[0, 1, 3, 4], [2]][distributed.get_rank()])


@pytest.mark.parametrize("measure", [measure_role_f1, measure_mean, measure_graphmask, measure_edge_metrics])
def test_every_worker_has_what_one_process_measures(measure, tmp_path: Path) -> None:
    expected = measure(list(range(NUM_BATCHES)))
    for measured in call_in_workers(measure_share, tmp_path, measure):
        assert measured == pytest.approx(expected, abs=1e-12)
