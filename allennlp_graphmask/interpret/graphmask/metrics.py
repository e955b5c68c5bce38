from typing import Dict, List, Optional, Sequence

import torch
from allennlp.nn.util import dist_reduce_sum

from allennlp_graphmask.graph import is_inverse_relation, split_relation
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution


class GraphMaskMetrics:
    """
    Counts of an epoch: kept messages, and means over instances (divergences, changed predictions).

    All of them are sums in tensors on the device of the batches, so that counting does not wait for a GPU; workers of a
    distributed run are summed once, when the metrics of the epoch are asked for. See `GraphMask` for
    `reported_edge_labels`.
    """

    _MEANS = ("divergence", "changed")
    #: From the name of a mean to that of its metric. Only reported if they were measured.
    _OPTIONAL_MEANS = {
        "objective": "objective",
        "floor": "divergence_floor",
        "random_changed": "random_changed",
        "dropped_changed": "dropped_changed",
        "verified_kept": "verified_kept",
        "verification_passes": "verification_passes",
    }

    def __init__(self, num_layers: int, relation_names: Sequence[str], reported_edge_labels: int) -> None:
        self._num_layers = num_layers
        self._reported_edge_labels = reported_edge_labels
        self.extend_relations(relation_names)

    def extend_relations(self, names: Sequence[str]) -> None:
        """Start counting again, for relations of these names."""
        self._relation_names = list(names)
        self.reset()

    def reset(self) -> None:
        num_types = len(self._relation_names)
        self._sums: Dict[str, torch.Tensor] = {
            "edges": torch.zeros(num_types, dtype=torch.float64),
            "kept": torch.zeros(self._num_layers, num_types, dtype=torch.float64),
        }
        for name in (*self._MEANS, *self._OPTIONAL_MEANS):
            # Sum and number of values.
            self._sums[name] = torch.zeros(2, dtype=torch.float64)

    def _add(self, name: str, value: torch.Tensor) -> None:
        self._sums[name] = self._sums[name].to(value.device) + value

    def count_instances(self, is_explained: Optional[torch.Tensor] = None, **values: torch.Tensor) -> None:
        """
        Count a value for each instance of a batch, or for those that are explained: `divergence` and `changed` of the masked pass,
        `floor` (the divergence of a pass with all gates open), `random_changed` (of a pass with random gates), `dropped_changed` (of one
        with all gates shut). Shape of each: `(batch_size,)`.
        """
        for name, value in values.items():
            value = (value if is_explained is None else value[is_explained]).detach().double()
            self._add(name, torch.stack([value.sum(), torch.ones_like(value).sum()]))

    def count_verified(self, attribution: EdgeAttribution, is_explained: torch.Tensor) -> None:
        """Count the messages that verified decisions keep, and the further passes that took. Shape: `(batch_size,)`."""
        assert attribution.verification is not None
        edges = is_explained[attribution.graph.edge_graph]
        kept = sum(((layer & edges).sum() for layer in attribution.kept), edges.new_zeros((), dtype=torch.long))
        self._add("verified_kept", torch.stack([kept, edges.sum() * attribution.num_layers]).double())
        self.count_instances(is_explained, verification_passes=attribution.verification.num_passes)

    def count_gates(
        self,
        edge_type: torch.Tensor,
        gates: Sequence[Optional[torch.Tensor]],
        is_explained: Optional[torch.Tensor] = None,
    ) -> None:
        """
        Count the gates of a batch: for each layer a tensor of shape `(num_edges,)`, or `None` for a layer that is open. Optionally
        only those of edges of instances that are explained, shape `(num_edges,)`, `torch.bool`.
        """
        counted = torch.ones_like(edge_type, dtype=torch.float64) if is_explained is None else is_explained.double()
        zeros = counted.new_zeros(len(self._relation_names))
        edges = zeros.index_add(0, edge_type, counted)  # Shape: (num_types,)
        kept = [
            edges if layer is None else zeros.index_add(0, edge_type, (layer.detach() != 0) * counted)
            for layer in gates
        ]
        self._add("edges", edges)
        self._add("kept", torch.stack(kept))  # Shape: (num_layers, num_types)

    def get(self, *, across_workers: bool, detailed: bool) -> Dict[str, float]:
        """
        Return `kept` (share of all messages), `divergence` and `changed` (means over instances), and with `detailed` the kept
        share of each layer and edge type, the divergence floor, the random control, and what verified decisions keep.
        """
        sums = {name: dist_reduce_sum(value) for name, value in self._sums.items()} if across_workers else self._sums
        edges, kept = sums["edges"].cpu(), sums["kept"].cpu()
        metrics = {"kept": _share(kept, edges, self._num_layers)}
        for name in self._MEANS:
            total, count = sums[name].tolist()
            metrics[name] = total / count if count else 0.0
        if not detailed:
            return metrics
        for layer in range(self._num_layers):
            metrics[f"kept_layer_{layer}"] = _share(kept[layer], edges, 1)
        for name, metric in self._OPTIONAL_MEANS.items():
            total, count = sums[name].tolist()
            if count:
                metrics[metric] = total / count
        metrics.update(self._get_per_edge_type(edges, kept))
        return metrics

    def num_edges(self) -> float:
        """Return the number of edges that all workers have counted."""
        return float(dist_reduce_sum(self._sums["edges"]).sum())

    def _get_per_edge_type(self, edges: torch.Tensor, kept: torch.Tensor) -> Dict[str, float]:
        metrics = {}
        inverse = torch.tensor([is_inverse_relation(name) for name in self._relation_names], dtype=torch.bool)
        if bool(edges[inverse].any()):
            metrics["_kept_direct"] = _share(kept[:, ~inverse], edges[~inverse], self._num_layers)
            metrics["_kept_inverse"] = _share(kept[:, inverse], edges[inverse], self._num_layers)
        # The two directions of a label are two types.
        types_of_label: Dict[str, List[int]] = {}
        for edge_type, name in enumerate(self._relation_names):
            if edges[edge_type] > 0:
                types_of_label.setdefault(split_relation(name)[0], []).append(edge_type)
        most_frequent = sorted(types_of_label.values(), key=lambda types: -int(edges[types].sum()))
        for types in most_frequent[: self._reported_edge_labels]:
            for edge_type in types:
                name = self._relation_names[edge_type]
                metrics[f"_kept_type/{name}"] = _share(kept[:, edge_type], edges[edge_type], self._num_layers)
        return metrics


def _share(kept: torch.Tensor, edges: torch.Tensor, num_layers: int) -> float:
    """1.0 where there is nothing to drop."""
    total = float(edges.sum()) * num_layers
    return float(kept.sum()) / total if total else 1.0
