"""
Assertions for the tests of graph encoders and interpreters, this package's own and those of third parties. They are plain asserts
that need neither pytest nor AllenNLP's test classes. Their messages name the encoder, the layer and the largest difference.
"""

from allennlp_graphmask.testing.examples import TOLERANCES, example_graphs, example_states
from allennlp_graphmask.testing.gates import (
    assert_dropped_messages_may_be_infinite,
    assert_every_edge_counts,
    assert_gates_are_affine,
    assert_gates_are_differentiable,
    assert_gates_of_one_change_nothing,
    assert_messages_are_as_declared,
    assert_other_threads_are_unaffected,
)
from allennlp_graphmask.testing.graph_encoder import (
    assert_batch_equals_singles,
    assert_degenerate_graphs_work,
    assert_edge_order_does_not_matter,
    assert_equals_reference,
    assert_is_graph_encoder,
    assert_keeps_nothing_between_calls,
    assert_node_numbers_do_not_matter,
    assert_padding_does_not_matter,
    assert_unseen_relations_work,
)
from allennlp_graphmask.testing.interpreter import assert_is_interpreter
from allennlp_graphmask.testing.no_side_effects import assert_no_side_effects

__all__ = [
    "TOLERANCES",
    "assert_batch_equals_singles",
    "assert_dropped_messages_may_be_infinite",
    "assert_degenerate_graphs_work",
    "assert_edge_order_does_not_matter",
    "assert_equals_reference",
    "assert_every_edge_counts",
    "assert_gates_are_affine",
    "assert_gates_are_differentiable",
    "assert_is_graph_encoder",
    "assert_is_interpreter",
    "assert_keeps_nothing_between_calls",
    "assert_messages_are_as_declared",
    "assert_node_numbers_do_not_matter",
    "assert_no_side_effects",
    "assert_gates_of_one_change_nothing",
    "assert_other_threads_are_unaffected",
    "assert_padding_does_not_matter",
    "assert_unseen_relations_work",
    "example_graphs",
    "example_states",
]
