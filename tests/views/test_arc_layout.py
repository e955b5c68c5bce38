import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.views.sentence.arc_layout import PAIR_GAP, ArcSpan, lay_out_arcs


@st.composite
def sentences(draw):
    rooms = draw(st.lists(st.floats(5, 120), min_size=1, max_size=12))
    word = st.integers(0, len(rooms) - 1)
    arcs = draw(st.lists(st.builds(ArcSpan, word, word, st.floats(0, 90)), max_size=20))
    return rooms, arcs


def segments(placed, half):
    """The two lines of an arc as (low end, high end, depth)."""
    low, high = sorted((placed.source_at, placed.target_at))
    return [
        (low - half, high + half, placed.level * 25 + half),
        (low + half, high - half, placed.level * 25 - half),
    ]


@given(sentences())
@settings(deadline=None, max_examples=150)
def test_nothing_lies_on_anything_else(sentence):
    rooms, arcs = sentence
    layout = lay_out_arcs(rooms, arcs, gap=13)
    for number in range(len(rooms) - 1):
        end = layout.centres[number] + layout.slots[number] / 2
        assert end + 13 <= layout.centres[number + 1] - layout.slots[number + 1] / 2 + 1e-6
    ends = sorted(
        place
        for placed in layout.arcs
        for middle in (placed.source_at, placed.target_at)
        for place in (middle - PAIR_GAP / 2, middle + PAIR_GAP / 2)
    )
    assert all(second - first >= 3.9 for first, second in zip(ends, ends[1:]))
    for first in range(len(arcs)):
        for second in range(first):
            one, other = (sorted(layout.arcs[number][:2]) for number in (first, second))
            if one[0] <= other[1] and other[0] <= one[1]:
                assert layout.arcs[first].level != layout.arcs[second].level


@given(sentences())
@settings(deadline=None, max_examples=100)
def test_words_have_room_and_labels_fit_under_their_arcs(sentence):
    rooms, arcs = sentence
    layout = lay_out_arcs(rooms, arcs, gap=13)
    assert all(slot >= room for slot, room in zip(layout.slots, rooms))
    assert layout.centres[0] - layout.slots[0] / 2 == pytest.approx(0)
    assert layout.length == pytest.approx(layout.centres[-1] + layout.slots[-1] / 2)
    for arc, placed in zip(arcs, layout.arcs):
        if arc.source != arc.target:
            assert abs(placed.source_at - placed.target_at) >= arc.label_room - 1e-6
        for word, place in ((arc.source, placed.source_at), (arc.target, placed.target_at)):
            assert abs(place - layout.centres[word]) <= layout.slots[word] / 2


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
    lines = [segment for placed in layout.arcs for segment in segments(placed, PAIR_GAP / 2)]
    for low, high, depth in lines:
        for other_low, other_high, other_depth in lines:
            for stem in (other_low, other_high):
                assert not (low < stem < high and other_depth > depth)


def test_no_words():
    assert lay_out_arcs([], [], gap=13).length == 0
