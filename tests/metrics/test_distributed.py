"""Metrics of distributed training: sums over workers, of which one may have seen nothing."""

import json
from pathlib import Path

import pytest
import torch
from allennlp.data import Vocabulary
from torch import distributed, multiprocessing

from allennlp_graphmask.interpret.graphmask.metrics import GraphMaskMetrics
from allennlp_graphmask.metrics import SemanticRoleF1


def evaluate(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    role_f1 = SemanticRoleF1(Vocabulary(counter={"role_labels": {"_": 2, "A0": 1}}))
    graphmask = GraphMaskMetrics(num_layers=1, relation_names=["a", "b"], reported_edge_labels=0)
    if rank == 0:
        role_f1(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[1, 0, 1, 0]]))
        graphmask.count_gates(torch.tensor([0, 0, 1]), [torch.tensor([1.0, 0.0, 0.5])])
        graphmask.count_instances(divergence=torch.tensor([0.25, 0.75]), changed=torch.tensor([True, False]))
    values = {**role_f1.get_metric(reset=True), **graphmask.get(across_workers=True, detailed=False)}
    (folder / f"{rank}.json").write_text(json.dumps(values))
    distributed.destroy_process_group()


def test_every_worker_has_the_sums_of_all(tmp_path: Path) -> None:
    multiprocessing.start_processes(evaluate, (tmp_path,), nprocs=2, start_method="fork")
    expected = {
        "precision": 1 / 2,
        "recall": 1 / 2,
        "f1": 1 / 2,
        "f1_with_arguments": 1 / 2,
        "kept": 2 / 3,
        "divergence": 1 / 2,
        "changed": 1 / 2,
    }
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == pytest.approx(expected)
