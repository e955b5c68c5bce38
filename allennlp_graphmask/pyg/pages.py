"""From PyG's `Explanation` to ours, with its files, views and pages."""

from typing import Any, Optional, Sequence

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation import Explanation
from allennlp_graphmask.version import VERSION


def to_explanation(found: Any, *, node_names: Optional[Sequence[str]] = None) -> Explanation:
    """
    Return an explanation that `GraphMask` or `EdgeInterpreterAlgorithm` gave to PyG, of one graph, in this package's own form. It has the
    edges with a score or a kept message in some layer, and the nodes that these join or that are explained: for a prediction of a few
    nodes a small part of the graph.

    # Parameters

    found : `torch_geometric.explain.Explanation`
    node_names : `Sequence[str]`, optional (default = their numbers)
        The names of all nodes of the graph.

    # Raises

    `ConfigurationError` if it is not from one of these algorithms, or of a batch of several graphs.
    """
    if "edge_mask_per_layer" not in found or "edge_kept_per_layer" not in found or len(found.changed) != 1:
        raise ConfigurationError(
            "Expected an explanation of one graph by an algorithm of allennlp_graphmask.pyg, which has edge_mask_per_layer and "
            f"edge_kept_per_layer; got {found}."
        )
    scores, kept = found.edge_mask_per_layer.cpu(), found.edge_kept_per_layer.cpu()
    counts = ((scores != 0) | kept).any(-1)
    edge_index = found.edge_index.cpu()[:, counts]
    index = None if found.get("index") is None else found.index.reshape(-1).cpu()
    level = found._model_config.task_level.value
    explained = torch.empty(0, dtype=torch.long) if index is None or level != "node" else index
    nodes = torch.cat([edge_index.flatten(), explained]).unique()
    names = [str(node) if node_names is None else node_names[node] for node in nodes.tolist()]
    edge_type = found.get("edge_type")
    types = ["edge"] * len(counts) if edge_type is None else [str(number) for number in edge_type.tolist()]
    target = found.target.reshape(-1) if index is None else found.target.reshape(-1)[index.to(found.target.device)]
    edges = [
        {"source": source, "target": end, "type": types[number], "score": tuple(score), "kept": tuple(is_kept)}
        for source, end, number, score, is_kept in zip(
            *torch.searchsorted(nodes, edge_index).tolist(),
            counts.nonzero().flatten().tolist(),
            scores[counts].tolist(),
            kept[counts].tolist(),
        )
    ]
    return Explanation.from_fields(
        {
            "kind": "graph",
            "tokens": [],
            "nodes": [{"id": number, "text": name, "start": None, "end": None} for number, name in enumerate(names)],
            "num_layers": scores.size(1),
            "num_edges": len(edges),
            "edges": edges,
            "focus": None
            if not len(explained)
            else {
                "name": "index",
                "kind": level,
                "description": f"the class of {', '.join(names[place] for place in torch.searchsorted(nodes, explained))}",
                "nodes": tuple(torch.searchsorted(nodes, explained).tolist()),
                "trained": None,
            },
            "verification": None,
            "prediction": {
                "original": ("class " if len(target) == 1 else "classes ") + ", ".join(map(str, target.tolist())),
                "masked": None,
                "changed": bool(found.changed),
            },
            "divergence": {"name": found.divergence_name, "value": float(found.divergence)},
            "constraint": None,
            "interpreter": {"name": found.interpreter_name},
            "provenance": {
                "versions": {"allennlp_graphmask": VERSION, "torch": str(torch.__version__)},
                "config_sha256": None,
                "weights_sha256": None,
                "seeds": {},
            },
            "input": None,
            "metadata": {"layers": found.layer_names},
        }
    )
