import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.interpret.graphmask.metrics import GraphMaskMetrics

NAMES = ["@@UNSEEN@@", "@@UNSEEN@@^-1", "nsubj", "nsubj^-1", "obj"]
LAYERS = 3


def random_batches(seed: int, boolean: bool) -> list:
    """(edge types, one gate per layer) for each batch; some batches have no edges, some layers are not enabled."""
    source = random.Random(seed)
    batches = []
    for _ in range(source.randint(1, 4)):
        num_edges = source.choice([0, 1, 5, 12])
        gates = []
        for _ in range(LAYERS):
            if source.random() < 0.3:
                gates.append(None)
                continue
            values = [source.choice([0.0, 0.0, 0.3, 1.0]) for _ in range(num_edges)]
            gates.append([bool(value) for value in values] if boolean else values)
        batches.append(([source.randrange(len(NAMES)) for _ in range(num_edges)], gates))
    return batches


def counted(batches: list, boolean: bool = True, reported_edge_labels: int = 15) -> GraphMaskMetrics:
    metrics = GraphMaskMetrics(LAYERS, NAMES, reported_edge_labels)
    for edge_type, gates in batches:
        metrics.count_gates(
            torch.tensor(edge_type, dtype=torch.long),
            [
                None if gate is None else torch.tensor(gate, dtype=torch.bool if boolean else torch.float)
                for gate in gates
            ],
        )
    return metrics


def share_by_enumeration(batches: list, *, layers=range(LAYERS), wanted=lambda name: True):
    kept = total = 0
    for edge_type, gates in batches:
        for layer in layers:
            for edge, kind in enumerate(edge_type):
                if wanted(NAMES[kind]):
                    total += 1
                    kept += gates[layer] is None or gates[layer][edge] != 0
    return kept / total if total else None


class TestKeptShares:
    @given(st.integers(0, 10_000), st.booleans())
    @settings(deadline=None, max_examples=60)
    def test_they_equal_enumeration(self, seed, boolean) -> None:
        batches = random_batches(seed, boolean)
        metrics = counted(batches, boolean).get(across_workers=True, detailed=True)
        total = share_by_enumeration(batches)
        expected = {"kept": 1.0 if total is None else total, "divergence": 0.0, "changed": 0.0}
        for layer in range(LAYERS):
            share = share_by_enumeration(batches, layers=[layer])
            expected[f"kept_layer_{layer}"] = 1.0 if share is None else share
        for name in NAMES:
            share = share_by_enumeration(batches, wanted=lambda other, name=name: other == name)
            if share is not None:
                expected[f"_kept_type/{name}"] = share
        inverse = share_by_enumeration(batches, wanted=lambda name: name.endswith("^-1"))
        if inverse is not None:
            direct = share_by_enumeration(batches, wanted=lambda name: not name.endswith("^-1"))
            expected["_kept_inverse"] = inverse
            expected["_kept_direct"] = 1.0 if direct is None else direct
        assert metrics == pytest.approx(expected)

    def test_after_each_batch_the_share_is_the_same(self) -> None:
        metrics = counted(random_batches(3, True))
        brief = metrics.get(across_workers=False, detailed=False)
        assert brief["kept"] == metrics.get(across_workers=True, detailed=True)["kept"]
        assert set(brief) == {"kept", "divergence", "changed"}

    def test_only_the_most_frequent_labels_are_reported_in_both_directions(self) -> None:
        most_frequent = NAMES[2:4]
        assert most_frequent[1] == most_frequent[0] + "^-1" and "^-1" not in NAMES[4]
        batches = [([2, 4, 4, 3, 3], [[True] * 5] * LAYERS)]
        metrics = counted(batches, reported_edge_labels=1).get(across_workers=True, detailed=True)
        assert [name for name in metrics if "/" in name] == [f"_kept_type/{name}" for name in most_frequent]

    def test_graphs_without_inverse_edges_have_no_directions(self) -> None:
        metrics = counted([([2, 4], [[True, False]] * LAYERS)]).get(across_workers=True, detailed=True)
        assert "_kept_direct" not in metrics and "_kept_inverse" not in metrics


class TestMeans:
    def test_over_instances_and_not_over_batches(self) -> None:
        metrics = GraphMaskMetrics(1, NAMES, 5)
        metrics.count_instances(divergence=torch.tensor([0.5, 0.1, 0.3]), changed=torch.tensor([True, False, False]))
        metrics.count_instances(divergence=torch.tensor([0.1]), changed=torch.tensor([True]))
        metrics.count_instances(floor=torch.tensor([0.2, 0.4]))
        metrics.count_instances(random_changed=torch.tensor([True, True, False]))
        metrics.count_instances(random_changed=torch.tensor([False]))
        values = metrics.get(across_workers=True, detailed=True)
        assert values["divergence"] == pytest.approx(0.25)
        assert values["changed"] == pytest.approx(0.5)
        assert values["divergence_floor"] == pytest.approx(0.3)
        assert values["random_changed"] == pytest.approx(0.5)

    def test_what_was_not_measured_is_not_reported(self) -> None:
        values = GraphMaskMetrics(1, NAMES, 5).get(across_workers=True, detailed=True)
        assert values == {"kept": 1.0, "kept_layer_0": 1.0, "divergence": 0.0, "changed": 0.0}
        assert GraphMaskMetrics(1, NAMES, 5).get(across_workers=False, detailed=False)["kept"] == 1

    def test_reset(self) -> None:
        metrics = counted(random_batches(3, True))
        metrics.count_instances(divergence=torch.tensor([0.5]), changed=torch.tensor([True]))
        metrics.reset()
        fresh = GraphMaskMetrics(LAYERS, NAMES, 15)
        assert metrics.get(across_workers=True, detailed=True) == fresh.get(across_workers=True, detailed=True)

    def test_no_graph_is_kept_alive(self) -> None:
        metrics = GraphMaskMetrics(1, NAMES, 5)
        metrics.count_instances(divergence=torch.tensor([0.5], requires_grad=True) * 2, changed=torch.tensor([True]))
        metrics.count_gates(torch.tensor([2]), [torch.tensor([0.5], requires_grad=True) * 1])
        assert not any(value.requires_grad for value in metrics._sums.values())
