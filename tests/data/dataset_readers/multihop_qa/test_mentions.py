from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.multihop_qa import PhraseFinder, find_mentions
from allennlp_graphmask.data.dataset_readers.multihop_qa.mentions import Mention, align_clusters

WORDS = st.sampled_from("abc")
TEXTS = st.lists(WORDS, max_size=10)
PHRASES = st.lists(st.lists(WORDS, max_size=3).map(tuple), max_size=5, unique=True)


def occurrences(words, phrases):
    """All places of all phrases, less those that lie within a longer one."""
    places = {
        (start, start + len(phrase) - 1): number
        for number, phrase in enumerate(phrases)
        for start in range(len(words))
        if phrase and tuple(words[start : start + len(phrase)]) == phrase
    }
    return {
        place: number
        for place, number in places.items()
        if not any(other != place and other[0] <= place[0] and place[1] <= other[1] for other in places)
    }


@given(TEXTS, PHRASES)
@settings(deadline=None, max_examples=300)
def test_phrases_as_by_trying_all_places(words, phrases):
    found = PhraseFinder(phrases).find(words)
    assert found == occurrences(words, phrases)
    assert list(found) == sorted(found)


def brute_force(supports, candidates, subjects, clusters):
    """The rules of `find_mentions`, support by support and span by span."""
    mentions, kinds, links = [], [], set()
    for support, words in enumerate(supports):
        as_candidate, as_subject = occurrences(words, candidates), occurrences(words, subjects)
        exact = set(as_candidate) | set(as_subject)
        used = [set(cluster) for cluster in clusters[support] if set(cluster) & exact]
        for span in sorted(exact.union(*used)):
            mine = [cluster for cluster in used if span in cluster]
            candidate = as_candidate.get(span, -1)
            for cluster in mine:
                votes = Counter(as_candidate[other] for other in sorted(cluster) if other in as_candidate)
                if candidate == -1 and votes:
                    most = max(votes.values())
                    candidate = next(voted for voted in votes if votes[voted] == most)
            is_subject = span in as_subject or any(other in as_subject for c in mine for other in c)
            entity = as_candidate.get(span, -1)
            if entity == -1 and span in as_subject:
                number = as_subject[span]
                entity = (
                    candidates.index(subjects[number]) if subjects[number] in candidates else len(candidates) + number
                )
            mentions.append(Mention(support, *span, candidate, is_subject, entity))
            # The words of a subject can be those of a candidate, which it then may be by coreference.
            kinds.append(
                "candidate"
                if span in as_candidate or candidate == entity != -1
                else "subject"
                if span in as_subject
                else "coreferent"
            )
        places = {mention[:3]: number for number, mention in enumerate(mentions)}
        for cluster in used:
            numbers = [places[(support, *span)] for span in cluster]
            links |= {(a, b) for a in numbers for b in numbers if a != b}
    return mentions, kinds, links


@st.composite
def questions(draw):
    supports = draw(st.lists(TEXTS, max_size=3))
    clusters = []
    for words in supports:
        spans = [(first, last) for first in range(len(words)) for last in range(first, min(first + 3, len(words)))]
        cluster = st.lists(st.sampled_from(spans), max_size=4) if spans else st.just([])
        clusters.append(draw(st.lists(cluster, max_size=3)))
    return supports, draw(PHRASES), draw(PHRASES), clusters


@given(questions())
@settings(deadline=None, max_examples=300)
def test_mentions_as_by_the_rules(question):
    found = find_mentions(*question)
    mentions, kinds, links = brute_force(*question)
    assert found.mentions == mentions
    assert [mention.kind for mention in mentions] == kinds
    assert {(a, b) for cluster in found.clusters for a in cluster for b in cluster if a != b} == links


def test_coreferent_mentions_take_what_their_cluster_stands_for():
    supports = [["ada", "says", "she", "is", "ada", "or", "bo"], ["she"]]
    clusters = [[[(0, 0), (2, 2), (4, 4), (6, 6)], [(3, 3), (5, 5)]], [[(0, 0)]]]
    found = find_mentions(supports, [("bo",), ("ada",)], [("bo",)], clusters)
    # "she" is Ada by two to one; Bo stays Bo; all are the subject because Bo is. The other clusters name nothing.
    assert found.mentions == [
        Mention(0, 0, 0, 1, True, 1),
        Mention(0, 2, 2, 1, True, -1),
        Mention(0, 4, 4, 1, True, 1),
        Mention(0, 6, 6, 0, True, 0),
    ]
    assert found.mentions[1].kind == "coreferent"
    assert found.clusters == [[0, 1, 2, 3]]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=6),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=4),
)
def test_spans_of_characters_to_tokens(gaps_and_lengths, starts_and_lengths):
    starts, ends, place = [], [], 0
    for gap, length in gaps_and_lengths:
        starts.append(place + gap)
        place += gap + length
        ends.append(place)
    cluster = [(start, start + length) for start, length in starts_and_lengths]
    expected = set()
    for start, end in cluster:
        inside = [token for token, (a, b) in enumerate(zip(starts, ends)) if a < end and start < b]
        if inside:
            expected.add((inside[0], inside[-1]))
    assert align_clusters([cluster], starts, ends) == [expected]
