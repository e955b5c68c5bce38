"""The part of a graph that a model computes the states of some nodes from."""

from typing import Tuple

import torch
from torch_geometric.data import Data
from torch_geometric.utils import k_hop_subgraph

from allennlp_graphmask.pyg.model import ModelInput


def surroundings(data: Data, nodes: torch.Tensor, num_layers: int) -> Tuple[Data, torch.Tensor, torch.Tensor]:
    """
    Return the part of a graph around some nodes; the numbers that its nodes have in the graph, in ascending order, shape
    `(num_nodes_of_part,)`; and which edges of the graph it has, shape `(num_edges,)`, `torch.bool`.
    """
    # A step more than there are layers: what normalises a message is computed from all edges into its source.
    near, _, _, edges = k_hop_subgraph(nodes, num_layers + 1, data.edge_index, num_nodes=data.num_nodes)
    return data.subgraph(near), near, edges


def surroundings_of_call(call: ModelInput, num_layers: int) -> Tuple[ModelInput, torch.Tensor]:
    """
    Return the part of the graph around the nodes that are explained, where nodes are classified; and which edges of `call.graph` it has,
    shape `(num_edges,)`, `torch.bool`.
    """
    data = Data(x=call.x, edge_index=call.edge_index, **call.arguments)
    part, near, edges = surroundings(data, call.nodes.nonzero().squeeze(-1), num_layers)
    if call.has_self_loops:
        edges = torch.cat([edges, torch.zeros_like(call.nodes).index_fill(0, near, True)])
    arguments = {name: part[name] if name in part else value for name, value in call.arguments.items()}
    rows = torch.searchsorted(near, call.rows)
    return ModelInput(
        part.x,
        part.edge_index,
        arguments,
        rows,
        call.nodes[near],
        call.explained,
        call.num_relations,
        has_self_loops=call.has_self_loops,
    ), edges
