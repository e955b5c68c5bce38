import contextvars
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules import Gate, Messages, apply_gate, intervening
from allennlp_graphmask.testing import assert_no_side_effects, example_graphs
from tests.testing.encoders import NUM_RELATIONS, SoundEncoder

GRAPH = Graph.disjoint_union(example_graphs(NUM_RELATIONS))


@pytest.fixture
def encoder() -> SoundEncoder:
    torch.manual_seed(3)
    return SoundEncoder().eval()


@pytest.fixture
def states() -> torch.Tensor:
    return torch.randn(GRAPH.num_nodes, 4, generator=torch.Generator().manual_seed(4))


def drop_all(messages: Messages) -> Gate:
    return Gate(torch.zeros(messages.graph.num_edges))


class TestIntervening:
    def test_each_layer_asks_once_in_order(self, encoder, states) -> None:
        record: list = []
        with intervening(encoder, record.append):
            encoder(states, GRAPH)
            encoder(states, GRAPH)
        assert [messages.layer for messages in record] == [0, 1, 0, 1]
        assert all(messages.graph is GRAPH for messages in record)
        assert record[0].node_states is states

    def test_none_leaves_the_messages_alone(self, encoder, states) -> None:
        expected = encoder(states, GRAPH)
        with intervening(encoder, lambda messages: None):
            assert torch.equal(encoder(states, GRAPH), expected)

    def test_it_ends_with_its_context(self, encoder, states) -> None:
        expected = encoder(states, GRAPH)
        with intervening(encoder, drop_all):
            assert not torch.equal(encoder(states, GRAPH), expected)
        assert torch.equal(encoder(states, GRAPH), expected)

    @pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_it_ends_after_a_failure(self, encoder, states, failure) -> None:
        expected = encoder(states, GRAPH)

        def failing(messages: Messages) -> Gate:
            if messages.layer == 1:
                raise failure()
            return drop_all(messages)

        with pytest.raises(failure), intervening(encoder, failing):
            encoder(states, GRAPH)
        assert torch.equal(encoder(states, GRAPH), expected)

    def test_it_has_no_side_effects(self, encoder, states) -> None:
        def run() -> None:
            with intervening(encoder, drop_all):
                encoder(states, GRAPH)

        assert_no_side_effects(encoder, run, predict=lambda: encoder(states, GRAPH))

    def test_another_encoder_is_left_alone(self, encoder, states) -> None:
        torch.manual_seed(9)
        other = SoundEncoder().eval()
        expected = other(states, GRAPH)
        with intervening(encoder, drop_all):
            assert torch.equal(other(states, GRAPH), expected)
            # Also where two encoders hold the same numbers: they are told apart by identity.
            other.load_state_dict(encoder.state_dict())
            assert not torch.equal(other(states, GRAPH), encoder(states, GRAPH))

    def test_recorders_nest_with_one_that_answers(self, encoder, states) -> None:
        outer: list = []
        inner: list = []
        with intervening(encoder, drop_all):
            expected = encoder(states, GRAPH)
        for order in ([outer.append, drop_all, inner.append], [drop_all, outer.append, inner.append]):
            with intervening(encoder, order[0]), intervening(encoder, order[1]), intervening(encoder, order[2]):
                assert torch.equal(encoder(states, GRAPH), expected)
        assert len(outer) == len(inner) == 4
        # All of them look at the same messages, which are computed once.
        assert all(one is other for one, other in zip(outer, inner))

    def test_the_inner_context_ends_first(self, encoder, states) -> None:
        outer: list = []
        inner: list = []
        with intervening(encoder, outer.append):
            with intervening(encoder, inner.append):
                encoder(states, GRAPH)
            encoder(states, GRAPH)
        encoder(states, GRAPH)
        assert len(outer) == 4 and len(inner) == 2

    def test_two_answers_are_refused(self, encoder, states) -> None:
        expected = encoder(states, GRAPH)
        with pytest.raises(RuntimeError, match="Two interventions answered for layer 0"):
            with intervening(encoder, drop_all), intervening(encoder, drop_all):
                encoder(states, GRAPH)
        assert torch.equal(encoder(states, GRAPH), expected)

    def test_two_may_answer_for_different_layers(self, encoder, states) -> None:
        def drop_layer(layer: int):
            return lambda messages: drop_all(messages) if messages.layer == layer else None

        with intervening(encoder, drop_all):
            expected = encoder(states, GRAPH)
        with intervening(encoder, drop_layer(0)), intervening(encoder, drop_layer(1)):
            assert torch.equal(encoder(states, GRAPH), expected)

    @pytest.mark.parametrize("shape", [(), (1,), (GRAPH.num_edges + 1,), (GRAPH.num_edges, 1), (0,)])
    def test_a_scale_of_another_shape_is_refused(self, encoder, states, shape) -> None:
        """One that PyTorch would broadcast as well."""
        with pytest.raises(ValueError, match=rf"layer 0, whose {GRAPH.num_edges} messages need shape"):
            with intervening(encoder, lambda messages: Gate(torch.ones(shape))):
                encoder(states, GRAPH)


class TestThreads:
    def test_another_thread_is_unaffected(self, encoder, states) -> None:
        expected = encoder(states, GRAPH)
        with intervening(encoder, drop_all), ThreadPoolExecutor(1) as pool:
            assert torch.equal(pool.submit(encoder, states, GRAPH).result(), expected)

    def test_interventions_of_many_threads_at_once(self, encoder, states) -> None:
        """Each has gates of its own, all inside their contexts at the same time."""
        number_of_threads = 6
        barrier = threading.Barrier(number_of_threads, timeout=30)

        def run(number: int) -> torch.Tensor:
            scale = torch.full((GRAPH.num_edges,), number / number_of_threads)
            with torch.no_grad(), intervening(encoder, lambda messages: Gate(scale)):
                barrier.wait()
                output = encoder(states, GRAPH)
                barrier.wait()
            return output

        with ThreadPoolExecutor(number_of_threads) as pool:
            together = list(pool.map(run, range(number_of_threads)))
        barrier = threading.Barrier(1)
        for number, output in enumerate(together):
            assert torch.equal(run(number), output)

    def test_a_thread_may_take_the_interventions_along(self, encoder, states) -> None:
        """A copied context is the way to intervene in a worker thread on purpose."""
        with intervening(encoder, drop_all):
            expected = encoder(states, GRAPH)
            context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            assert torch.equal(pool.submit(context.run, encoder, states, GRAPH).result(), expected)


class TestMessages:
    def test_nothing_is_computed_before_it_is_asked_for(self) -> None:
        calls = []
        messages = Messages(0, torch.zeros(GRAPH.num_nodes, 4), GRAPH, lambda: calls.append(1) or torch.ones(2))
        assert messages.sources.shape == messages.targets.shape == (GRAPH.num_edges, 4)
        assert not calls
        assert messages.values is messages.values
        assert calls == [1]

    def test_sources_and_targets_are_the_ends_of_each_edge(self, states) -> None:
        messages = Messages(0, states, GRAPH, lambda: states)
        for edge, (source, target) in enumerate(GRAPH.edge_index.t().tolist()):
            assert torch.equal(messages.sources[edge], states[source])
            assert torch.equal(messages.targets[edge], states[target])

    def test_values_of_an_earlier_pass_are_not_computed_again(self, states) -> None:
        computed: list = []

        def values() -> torch.Tensor:
            computed.append(1)
            return torch.zeros(GRAPH.num_edges, 2)

        recorded = Messages(0, states, GRAPH, values)
        later = Messages(0, states.clone(), GRAPH, lambda: pytest.fail("computed again"))
        later.reuse(recorded)
        assert not computed  # it stays lazy
        assert later.values is recorded.values and len(computed) == 1

    def test_passes_share_what_depends_on_node_states_alone(self, states) -> None:
        recorded, later = (Messages(0, states, GRAPH, lambda: states) for _ in range(2))
        own = recorded.shared("self", lambda: states + 1)
        later.reuse(recorded)
        assert later.shared("self", lambda: states + 2) is own
        assert torch.equal(later.shared("rows", lambda: states + 3), states + 3)

    def test_messages_that_reuse_values_are_freed_with_their_pass(self, states) -> None:
        """A cycle of references would keep their tensors until the garbage collector runs."""
        recorded = Messages(0, states, GRAPH, lambda: states)
        later = Messages(0, states, GRAPH, lambda: states)
        later.reuse(recorded)
        reference = weakref.ref(later)
        gc.disable()
        try:
            del later
            assert reference() is None
        finally:
            gc.enable()


class TestApplyGate:
    values = torch.randn(GRAPH.num_edges, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    scale = torch.rand(GRAPH.num_edges, generator=torch.Generator().manual_seed(6), dtype=torch.float64)

    @pytest.mark.parametrize("kind", ["none", "one", "relation", "graph", "edge"])
    @pytest.mark.parametrize("boolean", [False, True])
    def test_against_a_loop(self, kind: str, boolean: bool) -> None:
        rows_of_edges = {
            "relation": GRAPH.edge_type.tolist(),
            "graph": GRAPH.edge_graph.tolist(),
            "edge": range(GRAPH.num_edges),
        }.get(kind, [0] * GRAPH.num_edges)
        rows = torch.randn(max(rows_of_edges) + 1, 3, dtype=torch.float64) * (kind != "none")
        replacement = {"none": None, "one": rows[0]}.get(kind, rows)
        scale = self.scale > 0.5 if boolean else self.scale
        gate = Gate(scale, replacement, per_relation=kind == "relation", per_graph=kind == "graph")
        actual = apply_gate(self.values, gate, GRAPH)
        for edge, row in enumerate(rows_of_edges):
            weight = float(scale[edge])
            expected = weight * self.values[edge] + (1 - weight) * rows[row]
            torch.testing.assert_close(actual[edge], expected, rtol=0, atol=1e-12)

    def test_no_gate(self) -> None:
        assert apply_gate(self.values, None, GRAPH) is self.values

    @pytest.mark.parametrize("poison", [float("inf"), float("-inf"), float("nan")])
    @pytest.mark.parametrize("replacement", [None, torch.ones(3, dtype=torch.float64)])
    def test_boolean_gates_keep_infinity_in(self, poison: float, replacement) -> None:
        values = self.values.clone()
        values[3] = poison
        keep = torch.ones(GRAPH.num_edges, dtype=torch.bool)
        keep[3] = False
        result = apply_gate(values, Gate(keep, replacement), GRAPH)
        assert torch.equal(result[3], torch.zeros(3) if replacement is None else replacement)
        assert torch.equal(result[:3], self.values[:3]) and torch.equal(result[4:], self.values[4:])
        # A number cannot: 0 * infinity is not a number.
        assert apply_gate(values, Gate(keep.double(), replacement), GRAPH)[3].isnan().all()
