"""
What the two ways of aggregating in a relational graph encoder cost, side by side: as a matrix product (dense) and edge by
edge. A graph whose four relations together join all pairs of nodes goes through an `entity_gcn` of three layers and dimension
512, forward and backward, in two situations: with given gates (`masked`), and as a whole step of GraphMask, which is an
unmasked pass, the bilinear masker, a masked pass and the gradient of the masker (`graphmask`).

    python -m benchmarks.factorised_path [--nodes 50 150 500] [--ways dense edge_list] [--rounds 3]

CPU seconds of one thread, the least of the rounds; megabytes are the peak of the resident memory above that of the finished
model and batch after a run on a graph of two nodes (Linux only). Each case has a process of its own, so that none works in
memory that another one has left.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any, Callable, Dict

import torch
from allennlp.common import Lazy
from allennlp.data import Vocabulary
from allennlp.models import Model

from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, Graph
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.masked_model import LayerGates
from allennlp_graphmask.interpret.maskers import BilinearMasker
from allennlp_graphmask.modules import EntityGcn, Gate, intervening

#: The shares of DOC-BASED, MATCH, COREF and COMPLEMENT in graphs of questions.
RELATION_SHARES = {"DOC": 0.132, "MATCH": 0.081, "COREF": 0.042, "COMPLEMENT": 0.745}
DIM = 512


class NodeScorer(Model):
    """The least that GraphMask can explain: a graph encoder and one choice among the nodes."""

    def __init__(self, vocab: Vocabulary, graph_encoder: EntityGcn) -> None:
        super().__init__(vocab)
        self.graph_encoder = graph_encoder
        self.scorer = torch.nn.Linear(graph_encoder.get_output_dim(), 1)

    def forward(self, states: torch.Tensor, graph: Graph) -> Dict[str, torch.Tensor]:
        return {"logits": self.scorer(self.graph_encoder(states, graph)).squeeze(-1).unsqueeze(0)}


def complete_graph(num_nodes: int) -> Graph:
    """All pairs of different nodes, each by one relation."""
    nodes = torch.arange(num_nodes)
    edge_index = torch.cartesian_prod(nodes, nodes).t()
    edge_index = edge_index[:, edge_index[0] != edge_index[1]].contiguous()
    num_edges = edge_index.size(1)
    edge_type = torch.multinomial(torch.tensor(list(RELATION_SHARES.values())), num_edges, replacement=True)
    return Graph(
        edge_index=edge_index,
        edge_type=edge_type + NUM_RESERVED_RELATIONS,
        edge_graph=torch.zeros(num_edges, dtype=torch.long),
        nodes_per_graph=torch.tensor([num_nodes]),
        num_nodes=num_nodes,
    )


def masked_step(model: GraphMask, states: torch.Tensor, graph: Graph) -> Callable[[], None]:
    """Forward with gates and replacements that are given, and the gradients of these."""
    encoder = model.masked_model.encoder
    gates = []
    for dim in encoder.get_message_dims():
        gates.append(Gate(torch.rand(graph.num_edges).requires_grad_(), torch.randn(dim).requires_grad_()))

    def step() -> None:
        with intervening(encoder, LayerGates(gates)):
            encoder(states, graph).square().sum().backward()

    return step


def graphmask_step(model: GraphMask, states: torch.Tensor, graph: Graph) -> Callable[[], None]:
    """Compute what a step of training computes before the optimizer."""

    def step() -> None:
        model(states=states, graph=graph)["loss"].backward()

    return step


def memory(peak: bool) -> float:
    """Return the resident memory of this process in megabytes, or its peak since the last `forget_peak_memory`."""
    # Not `getrusage`, whose peak a process inherits from the one that started it, and which cannot be reset.
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM" if peak else "VmRSS"))
    return int(line.split()[1]) / 1024


def forget_peak_memory() -> None:
    """From now on the peak is that of what follows, not that of importing and of building the model."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def measure(situation: str, way: str, num_nodes: int, rounds: int) -> Dict[str, Any]:
    """One case, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vocab = Vocabulary(counter={"edge_labels": {label: 1 for label in RELATION_SHARES}})
    target = NodeScorer(vocab, EntityGcn(vocab, DIM, num_layers=3, aggregation=way))
    model = GraphMask(vocab, target, masker=Lazy(BilinearMasker)).train()
    model.in_training_run = True
    del target
    model.measures_controls = False
    make_step = {"masked": masked_step, "graphmask": graphmask_step}[situation]
    make_step(model, torch.randn(2, DIM), complete_graph(2))()  # warm-up; also makes the gradients' memory
    graph = complete_graph(num_nodes)
    step = make_step(model, torch.randn(num_nodes, DIM), graph)
    forget_peak_memory()
    before = memory(peak=False)
    seconds = []
    for _ in range(rounds):
        model.zero_grad(set_to_none=False)
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return {
        "situation": situation,
        "way": way,
        "nodes": num_nodes,
        "edges": graph.num_edges,
        "cpu_seconds": round(min(seconds), 4),
        "peak_megabytes": round(memory(peak=True) - before, 1),
        "model_megabytes": round(before, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--situations", nargs="+", default=["masked", "graphmask"])
    parser.add_argument("--ways", nargs="+", default=["dense", "edge_list"])
    parser.add_argument("--nodes", type=int, nargs="+", default=[50, 150, 500])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for situation in arguments.situations:
        for num_nodes in arguments.nodes:
            for way in arguments.ways:
                if arguments.in_this_process:
                    result = measure(situation, way, num_nodes, arguments.rounds)
                    sys.stdout.write(json.dumps(result) + "\n")
                    continue
                case = ["--situations", situation, "--ways", way, "--nodes", str(num_nodes)]
                case += ["--rounds", str(arguments.rounds), "--in-this-process"]
                subprocess.run([sys.executable, "-m", "benchmarks.factorised_path", *case], check=True)


if __name__ == "__main__":
    main()
