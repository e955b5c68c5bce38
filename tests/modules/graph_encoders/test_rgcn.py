import pytest
import torch
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import Graph, num_relations
from allennlp_graphmask.modules import Rgcn
from allennlp_graphmask.testing import assert_is_graph_encoder

VOCABULARY = Vocabulary(counter={"edge_labels": {"a": 5, "a^-1": 4, "b": 3, "c": 2}})
NUM_RELATIONS = num_relations(VOCABULARY)


def build_matrix(transform, relation: int) -> torch.Tensor:
    """The whole matrix W_r, put together as the two decompositions define it."""
    matrix = transform.weight.new_zeros(transform.output_dim, transform.input_dim)
    if transform.coefficients is not None:
        for basis in range(transform.weight.size(0)):
            matrix = matrix + transform.coefficients[relation, basis] * transform.weight[basis, 0]
        return matrix
    _, num_blocks, height, width = transform.weight.shape
    for block in range(num_blocks):
        rows, columns = slice(block * height, (block + 1) * height), slice(block * width, (block + 1) * width)
        matrix[rows, columns] = transform.weight[relation, block]
    return matrix


def loop_reference(encoder: Rgcn, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    """The docstring's formula, one edge after another."""
    edges = list(zip(*graph.edge_index.tolist(), graph.edge_type.tolist()))
    for layer in encoder.layers:
        matrices = [build_matrix(layer.relation_transform, relation) for relation in range(NUM_RELATIONS)]
        new_states = []
        for node in range(graph.num_nodes):
            total = layer.self_transform.weight @ states[node] + layer.self_transform.bias
            for source, target, relation in edges:
                if target == node:
                    count = sum(v == node and r == relation for _, v, r in edges)
                    total = total + matrices[relation] @ states[source] / (count if encoder._normalise else 1)
            new_states.append(encoder.activation(total))
        states = torch.stack(new_states) if new_states else states.new_zeros(0, encoder.get_output_dim())
    return states


@pytest.mark.parametrize("aggregation", ["dense", "edge_list"])
@pytest.mark.parametrize("options", [{}, {"num_bases": 2}, {"num_blocks": 2}, {"normalise": False}])
def test_it_is_a_graph_encoder(aggregation: str, options) -> None:
    torch.manual_seed(0)
    encoder = Rgcn(VOCABULARY, 4, 6, dropout=0.3, aggregation=aggregation, **options)
    assert_is_graph_encoder(
        encoder,
        NUM_RELATIONS,
        reference=loop_reference,
        factorised=aggregation == "dense",
        isolates_infinite_messages=True,
    )
