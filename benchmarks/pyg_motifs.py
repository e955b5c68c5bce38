"""
Explain models of PyTorch Geometric that find motifs in generated graphs, by this package and by PyG's own explainers. Nothing is read.

    python -m benchmarks.pyg_motifs --seeds 5 --processes 2 --json results/pyg_motifs.jsonl
    python -m benchmarks.pyg_motifs --data ba_house tree_grid --methods graphmask "PyG GNNExplainer" --nodes 10
    python -m benchmarks.pyg_motifs --table results/pyg_motifs.jsonl

For each data set and seed a model (three `GCNConv`s, whose outputs are concatenated; features are degrees) is trained to classify nodes by
their place, and nodes of motifs are explained. `accuracy` is that on a fifth of the nodes. Of the edges that can reach an explained node,
`auroc` is that of their scores for being in a motif; `fidelity+` and `fidelity-` are PyG's, of as many edges with the highest scores as a
motif has: the share of predictions that change without them, and with them alone. `needed` is how many of the edges with the highest
scores give the prediction without the others (found by bisection), of the `reach` edges that there are. Of methods that decide, `kept`
edges are kept on average, of which a share is `in motif`, and `changed` is the share of predictions that differ with the kept messages
alone, the others replaced as the method does. `altered` is the share of all predictions of the model that are others after it has been
explained. CPU seconds are those of one thread: `once` is training, `seconds` the mean of an explanation.
"""

import argparse
import bisect
import copy
import itertools
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any, Callable, Dict, List, Sequence, Tuple

import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch_geometric import seed_everything
from torch_geometric.datasets import ExplainerDataset
from torch_geometric.datasets.graph_generator import BAGraph, TreeGraph
from torch_geometric.datasets.motif_generator import CycleMotif, GridMotif, HouseMotif
from torch_geometric.explain import (
    CaptumExplainer,
    Explainer,
    ExplainerAlgorithm,
    Explanation,
    GNNExplainer,
    GraphMaskExplainer,
    PGExplainer,
    fidelity,
)
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks
from torch_geometric.nn import GCNConv
from torch_geometric.utils import k_hop_subgraph

from allennlp_graphmask.pyg import EdgeInterpreterAlgorithm, GraphMask
from benchmarks.tables import machine, markdown_table

NUM_LAYERS, MAX_DEGREE = 3, 10
CONFIG = {"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"}


class Removal(ExplainerAlgorithm):  # type: ignore[misc]  # PyG has no types
    """
    Remove edges and look: by how much the log likelihood of the prediction changes without each edge, or, `one_after_another`, the order in
    which edges go if it is always that without which the prediction stays the most likely (a tenth of them, while there are many). Nothing
    is learnt or approximated.
    """

    def __init__(self, one_after_another: bool) -> None:
        super().__init__()
        self.one_after_another = one_after_another

    def supports(self) -> bool:
        return True

    @torch.no_grad()
    def forward(self, model: Any, x: Any, edge_index: Any, *, target: Any, index: Any, **kwargs: Any) -> Explanation:
        kept = torch.ones(edge_index.size(1))

        def log_likelihood(without: List[int]) -> float:
            set_masks(model, kept.index_fill(0, torch.tensor(without).long(), 0.0), edge_index, apply_sigmoid=False)
            return float(model(x, edge_index).double().log_softmax(-1)[index, target[index]])

        scores, edges = torch.zeros(len(kept)), edges_that_reach(index, edge_index, len(x)).nonzero().flatten()
        # Those of equal effect go in any order, not in that of the generator, which attaches motifs last.
        left = edges[torch.randperm(len(edges))].tolist()
        if self.one_after_another:
            count = len(left)
            while left:
                ranked = sorted(left, key=lambda edge: log_likelihood([edge]))
                left = ranked[: -max(1, len(left) // 10)]
                for place, edge in enumerate(ranked[len(left) :], len(left)):
                    kept[edge], scores[edge] = 0.0, float(count - place)
        else:
            whole = log_likelihood([])
            for edge in left:
                scores[edge] = abs(log_likelihood([edge]) - whole)
        clear_masks(model)
        return Explanation(edge_mask=scores)


#: Those that take longest first.
DATA: Dict[str, Tuple[Callable[[], Any], Callable[[], Any]]] = {
    "ba_house": (lambda: BAGraph(300, 5), HouseMotif),
    "ba_cycle": (lambda: BAGraph(300, 5), lambda: CycleMotif(6)),
    "ba_grid": (lambda: BAGraph(300, 5), GridMotif),
    "tree_cycle": (lambda: TreeGraph(8, 2), lambda: CycleMotif(6)),
    "tree_grid": (lambda: TreeGraph(8, 2), GridMotif),
}

METHODS: Dict[str, Callable[[], Any]] = {
    "graphmask": GraphMask,
    "integrated_gradients": lambda: EdgeInterpreterAlgorithm("integrated_gradients", completeness_tolerance=None),
    "integrated_gradients, signed": lambda: EdgeInterpreterAlgorithm(
        "integrated_gradients", signed=True, completeness_tolerance=None
    ),
    "gradient_x_message": lambda: EdgeInterpreterAlgorithm("gradient_x_message"),
    "random": lambda: EdgeInterpreterAlgorithm("random"),
    "PyG GNNExplainer": lambda: GNNExplainer(epochs=100),
    "PyG PGExplainer": lambda: PGExplainer(epochs=20),
    "PyG captum": lambda: CaptumExplainer("IntegratedGradients"),
    "each edge removed": lambda: Removal(one_after_another=False),
    "edges removed one after another": lambda: Removal(one_after_another=True),
    "graphmask_per_instance": lambda: EdgeInterpreterAlgorithm("graphmask_per_instance"),
    "PyG GraphMaskExplainer": lambda: GraphMaskExplainer(NUM_LAYERS, epochs=100, log=False),
}
#: Those that do not only rank edges.
DECIDING = ("graphmask", "graphmask_per_instance")


class Gcn(torch.nn.Module):
    """The model to explain."""

    def __init__(self, num_classes: int, hidden_dim: int = 20) -> None:
        super().__init__()
        dims = [MAX_DEGREE + 1, *[hidden_dim] * NUM_LAYERS]
        self.convolutions = torch.nn.ModuleList(GCNConv(*pair) for pair in zip(dims, dims[1:]))
        self.classifier = torch.nn.Linear(NUM_LAYERS * hidden_dim, num_classes)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        states = []
        for convolution in self.convolutions:
            x = convolution(x, edge_index).relu()
            states.append(x)
        return self.classifier(torch.cat(states, dim=-1))


def prepare(name: str, seed: int, num_motifs: int) -> Tuple[Any, Gcn, torch.Tensor, float]:
    """Generate the data and train the model. Return both, which nodes it was trained on, and its accuracy on the others."""
    seed_everything(seed)
    graph, motif = DATA[name]
    data = ExplainerDataset(graph(), motif(), num_motifs=num_motifs)[0]
    degrees = torch.bincount(data.edge_index[1], minlength=data.num_nodes)
    data.x = F.one_hot(degrees.clamp(max=MAX_DEGREE), MAX_DEGREE + 1).float()
    is_train = torch.rand(data.num_nodes) < 0.8
    model = Gcn(int(data.y.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    for _ in range(1000):
        optimizer.zero_grad()
        F.cross_entropy(model(data.x, data.edge_index)[is_train], data.y[is_train]).backward()
        optimizer.step()
    is_right = model.eval()(data.x, data.edge_index).argmax(-1) == data.y
    return data, model, is_train, float(is_right[~is_train].float().mean())


def explain(method: str, original: Gcn, data: Any, is_train: torch.Tensor, nodes: List[int]) -> Dict[str, float]:
    """Explain the nodes by a method, on a copy of the model, and measure it."""
    model, algorithm = copy.deepcopy(original), METHODS[method]()
    predicted = predict(model, data)
    phenomenon = isinstance(algorithm, PGExplainer)
    kind, target = ("phenomenon", {"target": predicted}) if phenomenon else ("model", {})
    explainer = Explainer(model, algorithm, kind, CONFIG, edge_mask_type="object")
    trained_with = is_train.nonzero().flatten()
    start = time.process_time()
    if isinstance(algorithm, GraphMask):
        algorithm.fit(model, data, index=trained_with)
    elif phenomenon:
        for epoch, node in itertools.product(range(20), trained_with[:100].tolist()):
            algorithm.train(epoch, model, data.x, data.edge_index, target=predicted, index=node)
    once = time.process_time() - start
    figures: Dict[str, List[float]] = {
        name: []
        for name in ("auroc", "fidelity+", "fidelity-", "needed", "reach", "kept", "in motif", "changed", "seconds")
    }
    motif_edges = int(data.edge_mask.sum() / max(int((data.node_mask > 0).sum()), 1) * motif_size(data))
    for node in nodes:
        start = time.process_time()
        explanation = explainer(data.x, data.edge_index, index=node, **target)
        figures["seconds"].append(time.process_time() - start)
        explanation.edge_mask = explanation.edge_mask.detach()  # captum's asks for a gradient
        reaches = edges_that_reach(node, data.edge_index, data.num_nodes)
        truth = data.edge_mask[reaches] > 0
        if truth.any() and not truth.all():
            figures["auroc"].append(roc_auc_score(truth, explanation.edge_mask[reaches]))
        if method in DECIDING:
            kept = explanation.edge_kept
            figures["kept"].append(int(kept.sum()))
            figures["in motif"] += (data.edge_mask[kept] > 0).float().tolist()
            figures["changed"].append(float(explanation.changed))
        # On the model as it was: PyG's GraphMaskExplainer alters its own.
        intact = Explainer(original, algorithm, kind, CONFIG, edge_mask_type="object")
        positive, negative = fidelity(intact, explanation.threshold("topk_hard", max(motif_edges, 1)))
        figures["fidelity+"].append(positive)
        figures["fidelity-"].append(negative)
        figures["needed"].append(count_needed(intact, explanation, reaches, node))
        figures["reach"].append(int(reaches.sum()))
    altered = float((predict(model, data) != predicted).float().mean())
    return {**{name: fmean(values) for name, values in figures.items() if values}, "once": once, "altered": altered}


def edges_that_reach(node: int, edge_index: torch.Tensor, num_nodes: int) -> torch.Tensor:
    """Return which edges can have an effect on a node's prediction. Shape: `(num_edges,)`, `torch.bool`."""
    return torch.isin(edge_index[1], k_hop_subgraph(node, NUM_LAYERS - 1, edge_index, num_nodes=num_nodes)[0])


def count_needed(explainer: Explainer, explanation: Any, reaches: torch.Tensor, node: int) -> int:
    """Return how many of the edges that reach the node, those with the highest scores, give its prediction alone."""
    x, edge_index, edges = explanation.x, explanation.edge_index, reaches.nonzero().flatten()
    ranked = edges[explanation.edge_mask[edges].argsort(descending=True)]
    predicted = explainer.get_prediction(x, edge_index)[node].argmax()

    def suffice(count: int) -> bool:
        kept = torch.zeros(len(reaches)).index_fill(0, ranked[:count], 1.0)
        return bool(explainer.get_masked_prediction(x, edge_index, edge_mask=kept)[node].argmax() == predicted)

    return bisect.bisect_left(range(len(ranked)), True, key=suffice)


def motif_size(data: Any) -> int:
    """Return the number of nodes of a motif: the nodes of motifs that hang together by edges of motifs."""
    inside = data.edge_index[:, data.edge_mask > 0]
    first = int((data.node_mask > 0).nonzero()[0])
    return len(k_hop_subgraph(first, 10, inside, num_nodes=data.num_nodes)[0])


def predict(model: Gcn, data: Any) -> torch.Tensor:
    """Return the class of each node."""
    with torch.no_grad():
        return model(data.x, data.edge_index).argmax(-1)


def measure(arguments: argparse.Namespace, name: str, seed: int) -> List[Dict[str, Any]]:
    """Measure all methods on one data set with one seed. Return a line for each, which is written as soon as it is measured."""
    torch.set_num_threads(1)
    data, model, is_train, accuracy = prepare(name, seed, arguments.motifs)
    candidates = (data.node_mask > 0).nonzero().flatten()
    nodes = candidates[torch.randperm(len(candidates))][: arguments.nodes].tolist()
    fewer = {
        **dict.fromkeys(("graphmask_per_instance", "edges removed one after another"), max(1, len(nodes) // 5)),
        "PyG GraphMaskExplainer": arguments.nodes_graph_mask_explainer,
    }
    lines = []
    for method in sorted(arguments.methods, key=list(METHODS).index):
        seed_everything(seed)
        figures = explain(method, model, data, is_train, nodes[: fewer.get(method)])
        lines.append({"data": name, "seed": seed, "accuracy": accuracy, "method": method, **figures})
        print(json.dumps(lines[-1]), flush=True)
        if arguments.json is not None:
            with open(arguments.json, "a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
    return lines


def table(lines: List[Dict[str, Any]]) -> str:
    """
    Return the means over seeds of what lines were written of: for each method and data set `auroc` with `needed` in brackets, then the
    mean over the data sets of this and of the other figures.
    """
    names = [name for name in DATA if any(line["data"] == name for line in lines)]

    def mean(method: str, column: str, data: Sequence[str]) -> float:
        """Return the mean over data sets of their means over seeds."""
        of_data = [
            [line[column] for line in lines if (line["data"], line["method"]) == (name, method) and column in line]
            for name in data
        ]
        return fmean(fmean(values) for values in of_data) if all(of_data) else float("nan")

    rows = []
    for method in METHODS:
        if any(line["method"] == method for line in lines):
            cells = [
                f"{100 * mean(method, 'auroc', data):.1f} ({mean(method, 'needed', data):.1f})"
                for data in [*([name] for name in names), names]
            ]
            shares = [f"{100 * mean(method, column, names):.1f} %" for column in ("fidelity+", "fidelity-", "altered")]
            seconds = [f"{mean(method, column, names):.4f}" for column in ("once", "seconds")]
            rows.append([method, *cells, *shares, *seconds])
    return markdown_table(["method", *names, "mean", "fidelity+", "fidelity-", "altered", "once", "seconds"], rows)


def main() -> None:
    """Measure what the arguments ask for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=25, help="the number of nodes that are explained")
    parser.add_argument("--nodes-graph-mask-explainer", type=int, default=1, help="of them by PyG's GraphMaskExplainer")
    parser.add_argument("--motifs", type=int, default=80)
    parser.add_argument(
        "--processes", type=int, default=1, help="data sets and seeds that are measured at the same time"
    )
    parser.add_argument("--json", type=Path, help="a file to which the figures of each run are appended as a line")
    parser.add_argument("--table", type=Path, help="print the table of such a file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.table is not None:
        lines = [json.loads(line) for line in arguments.table.read_text(encoding="utf-8").splitlines()]
        print(table(lines))
        return
    pairs = itertools.product(sorted(arguments.data, key=list(DATA).index), range(arguments.seeds))
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        measured = [pool.submit(measure, arguments, *pair) for pair in pairs]
    print(table([line for future in measured for line in future.result()]))
    print(machine())


if __name__ == "__main__":
    main()
