import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.views.sentence.arc_layout import PAIR_GAP, ArcSpan, lay_out_arcs


@st.composite
def sentences(draw):
    sizes = draw(st.lists(st.floats(5, 120), min_size=1, max_size=12))
    word = st.integers(0, len(sizes) - 1)
    arcs = draw(st.lists(st.builds(ArcSpan, word, word, st.floats(0, 90)), max_size=20))
    return sizes, arcs


@given(sentences())
@settings(deadline=None, max_examples=150)
def test_nothing_lies_on_anything_else(sentence):
    sizes, arcs = sentence
    layout = lay_out_arcs(sizes, arcs, gap=13)
    words = [(centre - size / 2, centre + size / 2) for centre, size in zip(layout.centres, layout.sizes)]
    assert all(one[1] + 13 <= other[0] + 1e-6 for one, other in itertools.pairwise(words))
    ends = sorted(end + side * PAIR_GAP / 2 for placed in layout.arcs for end in placed[:2] for side in (-1, 1))
    assert all(second - first >= 3.9 for first, second in itertools.pairwise(ends))
    for first, second in itertools.combinations(layout.arcs, 2):
        one, other = sorted(first[:2]), sorted(second[:2])
        assert first.level != second.level or one[1] < other[0] or other[1] < one[0]


@given(sentences())
@settings(deadline=None, max_examples=100)
def test_words_have_space_and_labels_fit_under_their_arcs(sentence):
    sizes, arcs = sentence
    layout = lay_out_arcs(sizes, arcs, gap=13)
    assert all(size >= needed for size, needed in zip(layout.sizes, sizes))
    assert layout.centres[0] - layout.sizes[0] / 2 == pytest.approx(0)
    assert layout.length == pytest.approx(layout.centres[-1] + layout.sizes[-1] / 2)
    for arc, placed in zip(arcs, layout.arcs):
        if arc.source != arc.target:
            assert abs(placed.source_at - placed.target_at) >= arc.label_space - 1e-6
        for word, place in ((arc.source, placed.source_at), (arc.target, placed.target_at)):
            assert abs(place - layout.centres[word]) <= layout.sizes[word] / 2


def random_projective_tree(generator, first, last):
    """The head of words `first` to `last` and the arcs within, none of which cross."""
    head = generator.randint(first, last)
    arcs = []
    for low, high in ((first, head - 1), (head + 1, last)):
        while low <= high:
            cut = generator.randint(low, high)
            child, within = random_projective_tree(generator, low, cut)
            arcs += [(head, child), *within]
            low = cut + 1
    return head, arcs


@pytest.mark.parametrize("seed", range(20))
def test_a_projective_tree_is_drawn_without_crossings(seed):
    """No line up from a word meets the line along of another arc."""
    num_words = 14
    _, arcs = random_projective_tree(random.Random(seed), 0, num_words - 1)
    layout = lay_out_arcs([40] * num_words, [ArcSpan(*arc, 30) for arc in arcs], gap=13)
    # The two lines of each arc as (low end, high end, height).
    lines = []
    for source_at, target_at, level in layout.arcs:
        low, high = sorted((source_at, target_at))
        for half in (PAIR_GAP / 2, -PAIR_GAP / 2):
            lines.append((low - half, high + half, level * 25 + half))
    for low, high, height in lines:
        for *stems, other_height in lines:
            assert other_height <= height or not any(low < stem < high for stem in stems)


def test_no_words():
    assert lay_out_arcs([], [], gap=13).length == 0
