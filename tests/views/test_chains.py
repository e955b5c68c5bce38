import itertools
import random

import pytest

from allennlp_graphmask.views.question.chains import find_chains
from allennlp_graphmask.views.relation_styles import WEAK_RELATION
from tests.explanation.explanations import question_explanation


def _graph(num_nodes, edges, scores):
    support = " ".join("x" * num_nodes)
    return question_explanation([support], [(0, 2 * node, 2 * node + 1) for node in range(num_nodes)], edges, scores)


def _cost(explanation, chain):
    edges = [explanation.edges[number] for _, number in chain]
    return (
        sum(edge.type == WEAK_RELATION for edge in edges),
        len(edges),
        max((-edge.score[layer] for edge, (layer, _) in zip(edges, chain)), default=float("-inf")),
    )


def _all_chains(explanation, source):
    """Every sequence of kept hops from a node, at most one a layer, as (layer, edge) pairs, by where it ends."""
    choices = [
        [None, *(number for number, edge in enumerate(explanation.edges) if edge.kept[layer])]
        for layer in range(explanation.num_layers)
    ]
    for chosen in itertools.product(*choices):
        node, chain = source, []
        for layer, number in enumerate(chosen):
            if number is None:
                continue
            if explanation.edges[number].source != node:
                break
            node = explanation.edges[number].target
            chain.append((layer, number))
        else:
            yield node, chain


@pytest.mark.parametrize("seed", range(25))
def test_is_the_best_of_all_chains(seed):
    generator = random.Random(seed)
    edges = [(*generator.choices(range(6), k=2), generator.choice(["MATCH", WEAK_RELATION])) for _ in range(12)]
    scores = [[round(generator.random(), 3) for _ in edges] for _ in range(3)]
    explanation = _graph(6, edges, scores)
    sources, targets = [0, 1], [2, 3, 4, 5]
    costs = {target: [] for target in targets}
    for source in sources:
        for node, chain in _all_chains(explanation, source):
            if node in targets and chain:
                costs[node].append(_cost(explanation, chain))
    best = {target: min(of_target) for target, of_target in costs.items() if of_target}
    found = find_chains(explanation, sources, targets)
    assert set(found) == set(best)
    for target, chain in found.items():
        assert _cost(explanation, [(hop.layer, hop.number) for hop in chain]) == best[target]
        assert chain[0].edge.source in sources and chain[-1].edge.target == target
        assert all(hop.edge.kept[hop.layer] for hop in chain)
        for first, second in itertools.pairwise(chain):
            assert first.edge.target == second.edge.source and first.layer < second.layer
    first, *others = found or [None]
    assert first == next(iter(best), None)
    assert [best[target] for target in others] == sorted(best[target] for target in others)


def test_a_chain_of_matches_comes_before_a_shorter_one_over_complement():
    explanation = _graph(3, [(0, 2, WEAK_RELATION), (0, 1, "MATCH"), (1, 2, "DOC-BASED")], [[0.99, 0.6, 0.6]] * 2)
    [chain] = find_chains(explanation, [0], [2]).values()
    assert [(hop.layer, hop.edge.type) for hop in chain] == [(0, "MATCH"), (1, "DOC-BASED")]


def test_hops_do_not_go_back_in_layers():
    explanation = _graph(3, [(0, 1, "MATCH"), (1, 2, "MATCH")], [[0.1, 0.9], [0.9, 0.1]])
    assert find_chains(explanation, [0], [1, 2]) == {1: find_chains(explanation, [0], [1])[1]}


def test_an_answer_that_is_the_subject():
    assert find_chains(_graph(2, [(0, 1, "MATCH")], [[0.9]]), [0], [0]) == {}
