from typing import Dict, List, Optional, Sequence

import torch
from allennlp.common.util import is_distributed

from allennlp_graphmask.graph import inverse_relation, is_inverse_relation


class GraphMaskMetrics:
    """
    What GraphMask counts over an epoch: kept messages, divergences, changed predictions.

    Everything is kept as sums in tensors on the device of the batches, so that counting does not wait for a GPU; workers of a
    distributed run are summed once, when the epoch's metrics are asked for.

    # Parameters

    num_layers : `int`
    relation_names : `Sequence[str]`
        The name of each edge type.
    reported_edge_labels : `int`
        For how many of the most frequent edge labels the kept share is reported, for each direction.
    """

    _SCALARS = (
        "instances",
        "divergence",
        "changed",
        "floor",
        "floor_instances",
        "control_changed",
        "control_instances",
    )

    def __init__(self, num_layers: int, relation_names: Sequence[str], reported_edge_labels: int) -> None:
        self._num_layers = num_layers
        self._relation_names = list(relation_names)
        self._reported_edge_labels = reported_edge_labels
        self.reset()

    def reset(self) -> None:
        self._sums: Dict[str, torch.Tensor] = {}

    def _add(self, name: str, value: torch.Tensor) -> None:
        value = value.detach().double()
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def count_pass(self, divergence: torch.Tensor, changed: torch.Tensor) -> None:
        """The masked pass of a batch. Shapes: `(batch_size,)`."""
        self._add("instances", torch.tensor(float(divergence.numel()), device=divergence.device))
        self._add("divergence", divergence.sum())
        self._add("changed", changed.sum())

    def count_gates(self, edge_type: torch.Tensor, gates: Sequence[Optional[torch.Tensor]]) -> None:
        """
        The gates of a batch: for each layer a tensor of shape `(num_edges,)`, or `None` for a layer that is open.
        """
        num_types = len(self._relation_names)
        edges = torch.bincount(edge_type, minlength=num_types).double()  # Shape: (num_types,)
        kept = torch.stack(
            [
                edges
                if layer is None
                else torch.zeros_like(edges).index_add(0, edge_type, (layer.detach() != 0).double())
                for layer in gates
            ]
        )  # Shape: (num_layers, num_types)
        self._add("edges", edges)
        self._add("kept", kept)

    def count_floor(self, divergence: torch.Tensor) -> None:
        """A pass with all gates open. Shape: `(batch_size,)`."""
        self._add("floor", divergence.sum())
        self._add("floor_instances", torch.tensor(float(divergence.numel()), device=divergence.device))

    def count_control(self, changed: torch.Tensor) -> None:
        """A pass with random gates. Shape: `(batch_size,)`."""
        self._add("control_changed", changed.sum())
        self._add("control_instances", torch.tensor(float(changed.numel()), device=changed.device))

    def _reduced_sums(self) -> Dict[str, torch.Tensor]:
        """All sums, over all workers."""
        num_types = len(self._relation_names)
        empty = {name: torch.zeros((), dtype=torch.float64) for name in self._SCALARS}
        empty["edges"] = torch.zeros(num_types, dtype=torch.float64)
        empty["kept"] = torch.zeros(self._num_layers, num_types, dtype=torch.float64)
        sums = {name: self._sums.get(name, zeros) for name, zeros in empty.items()}
        if is_distributed():
            device = next((value.device for value in self._sums.values()), torch.device("cpu"))
            # One message for all sums: workers that have not counted something send zeros for it.
            flat = torch.cat([value.to(device).flatten() for value in sums.values()])
            torch.distributed.all_reduce(flat)
            parts = flat.split([value.numel() for value in sums.values()])
            sums = {name: part.view_as(value) for (name, value), part in zip(sums.items(), parts)}
        return {name: value.cpu() for name, value in sums.items()}

    def get(self, *, across_workers: bool, detailed: bool) -> Dict[str, float]:
        """
        The metrics: `kept` (share of all messages), `divergence` and `changed` (means over instances), and with `detailed`
        those per layer and edge type, of the floor and of the random control.
        """
        if not across_workers and not detailed:
            # After every batch of training, for the progress bar.
            return {
                "kept": _share(self._sums.get("kept"), self._sums.get("edges"), self._num_layers),
                "divergence": _ratio(self._sums.get("divergence"), self._sums.get("instances")),
                "changed": _ratio(self._sums.get("changed"), self._sums.get("instances")),
            }
        sums = self._reduced_sums()
        edges, kept = sums["edges"], sums["kept"]
        metrics = {
            "kept": _share(kept, edges, self._num_layers),
            "divergence": _ratio(sums["divergence"], sums["instances"]),
            "changed": _ratio(sums["changed"], sums["instances"]),
        }
        for layer in range(self._num_layers):
            metrics[f"kept_layer_{layer}"] = _share(kept[layer], edges, 1)
        if float(sums["floor_instances"]):
            metrics["divergence_floor"] = _ratio(sums["floor"], sums["floor_instances"])
        if float(sums["control_instances"]):
            metrics["random_changed"] = _ratio(sums["control_changed"], sums["control_instances"])
        metrics.update(self._per_edge_type(edges, kept))
        return metrics

    def _per_edge_type(self, edges: torch.Tensor, kept: torch.Tensor) -> Dict[str, float]:
        metrics = {}
        inverse = torch.tensor([is_inverse_relation(name) for name in self._relation_names], dtype=torch.bool)
        if bool(edges[inverse].any()):
            metrics["_kept_direct"] = _share(kept[:, ~inverse], edges[~inverse], self._num_layers)
            metrics["_kept_inverse"] = _share(kept[:, inverse], edges[inverse], self._num_layers)
        # The two directions of a label are two types.
        types_of_label: Dict[str, List[int]] = {}
        for edge_type, name in enumerate(self._relation_names):
            if edges[edge_type] > 0:
                label = inverse_relation(name) if is_inverse_relation(name) else name
                types_of_label.setdefault(label, []).append(edge_type)
        most_frequent = sorted(types_of_label.values(), key=lambda types: -int(edges[types].sum()))
        for types in most_frequent[: self._reported_edge_labels]:
            for edge_type in types:
                name = self._relation_names[edge_type]
                metrics[f"_kept_type/{name}"] = _share(kept[:, edge_type], edges[edge_type], self._num_layers)
        return metrics


def _ratio(numerator: Optional[torch.Tensor], denominator: Optional[torch.Tensor]) -> float:
    if numerator is None or denominator is None or not float(denominator):
        return 0.0
    return float(numerator) / float(denominator)


def _share(kept: Optional[torch.Tensor], edges: Optional[torch.Tensor], num_layers: int) -> float:
    """1.0 where there is nothing to drop."""
    if kept is None or edges is None:
        return 1.0
    total = float(edges.sum()) * num_layers
    return float(kept.sum()) / total if total else 1.0
