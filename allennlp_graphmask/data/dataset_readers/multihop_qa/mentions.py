"""Finding the mentions that are the nodes of a question's graph."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from allennlp_graphmask.data.coreference import Cluster
from allennlp_graphmask.data.dataset_readers.multihop_qa.tokenized_text import TokenizedText

#: The candidate of a mention that does not stand for one.
NO_CANDIDATE = -1
#: The entity of a mention that was not found by its words.
NO_ENTITY = -1

Phrase = Tuple[str, ...]
#: First and last token, both included.
TokenSpan = Tuple[int, int]


class Mention(NamedTuple):
    """
    A part of a support that stands for a candidate, for a subject of the query, or for both.

    `entity` is the same number for mentions of the same words (candidates come first, then subjects), `NO_ENTITY` for one that
    was only found by coreference.
    """

    support: int
    first_token: int
    last_token: int
    candidate: int
    is_subject: bool
    entity: int

    @property
    def kind(self) -> str:
        """`"coreferent"`, `"candidate"` or `"subject"`: what it was found as; a candidate may be a subject too."""
        if self.entity == NO_ENTITY:
            return "coreferent"
        # A mention that was found as a subject may have got a candidate by coreference.
        return "candidate" if self.candidate == self.entity else "subject"


class PhraseFinder:
    """
    Finds phrases in texts, all given as words.

    Every occurrence counts except for those within a longer one: where "new york" and "new york city" are looked for, "new york city"
    has one. Occurrences that overlap otherwise all count.

    # Parameters

    phrases : `Sequence[Phrase]`
        All different. Empty ones are never found.
    """

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self._by_first_word: Dict[str, List[Tuple[Phrase, int]]] = defaultdict(list)
        for number, phrase in enumerate(phrases):
            if phrase:
                self._by_first_word[phrase[0]].append((phrase, number))
        for same_start in self._by_first_word.values():
            same_start.sort(key=lambda phrase: -len(phrase[0]))

    def find(self, words: Sequence[str]) -> Dict[TokenSpan, int]:
        """Return the number of the phrase at each place where there is one, in the order of the text."""
        found: Dict[TokenSpan, int] = {}
        words = tuple(words)
        covered = 0  # the end of the occurrence so far that ends last; all of them start earlier or here
        for start, word in enumerate(words):
            for phrase, number in self._by_first_word.get(word, ()):
                end = start + len(phrase)
                # Shorter phrases at this place lie within the first one that fits.
                if words[start:end] == phrase:
                    if end > covered:
                        found[start, end - 1] = number
                        covered = end
                    break
        return found


class QuestionMentions(NamedTuple):
    """The mentions of a question in the order of the text, and which of them are coreferent: `clusters` holds their numbers."""

    mentions: List[Mention]
    clusters: List[List[int]]


def find_mentions(
    supports: Sequence[Sequence[str]],
    candidates: Sequence[Phrase],
    subjects: Sequence[Phrase],
    clusters: Optional[Sequence[Sequence[Iterable[TokenSpan]]]] = None,
) -> QuestionMentions:
    """
    Find the mentions of candidates and subjects, by their words and by coreference.

    Among candidates, an occurrence within a longer one is not a mention, and the same among subjects. A candidate within a
    subject is a mention: the subject "Hanging Gardens of Mumbai" does not hide "Mumbai".

    A cluster that holds a mention of a candidate or a subject, by exactly its tokens, makes all of its spans mentions. They
    stand for the candidate that most of the cluster's own mentions stand for (the first in the text, if several do), unless
    they stand for one by their words, and for the subject if one of the cluster does. Other clusters are ignored. A span of
    several clusters is one mention; the first of them that has a candidate counts.

    The words of supports, candidates and subjects are equal where they match (`normalize_case`); all candidates are
    different, and so are all subjects. `clusters` has the coreferent spans of each support.
    """
    candidate_finder, subject_finder = PhraseFinder(candidates), PhraseFinder(subjects)
    # A subject that is a candidate has its number, also within another candidate's name, where it is none.
    number_of_candidate = {tuple(phrase): number for number, phrase in enumerate(candidates) if phrase}
    entity_of_subject = [
        number_of_candidate.get(tuple(phrase), len(candidates) + number) for number, phrase in enumerate(subjects)
    ]
    mentions: List[Mention] = []
    linked: List[List[int]] = []
    for support, words in enumerate(supports):
        by_candidate, by_subject = candidate_finder.find(words), subject_finder.find(words)
        found: Dict[TokenSpan, Mention] = {}
        for span, number in by_subject.items():
            found[span] = Mention(support, *span, NO_CANDIDATE, True, entity_of_subject[number])
        for span, number in by_candidate.items():
            found[span] = Mention(support, *span, number, span in by_subject, number)
        in_clusters = _add_coreferent(support, found, clusters[support] if clusters else ())
        number_of_span = {span: number for number, span in enumerate(sorted(found), start=len(mentions))}
        mentions += [found[span] for span in number_of_span]
        linked += [[number_of_span[span] for span in sorted(spans)] for spans in in_clusters]
    return QuestionMentions(mentions, linked)


def _add_coreferent(
    support: int, found: Dict[TokenSpan, Mention], clusters: Sequence[Iterable[TokenSpan]]
) -> List[Set[TokenSpan]]:
    """Add the coreferent mentions of a support to `found`; return the clusters that were used."""
    by_words = dict(found)
    used = []
    for cluster in clusters:
        spans = set(cluster)
        own = [by_words[span] for span in sorted(spans) if span in by_words]
        if not own:
            continue
        used.append(spans)
        counts = Counter(mention.candidate for mention in own if mention.candidate != NO_CANDIDATE)
        # `most_common` keeps the order of the text among equals.
        candidate = counts.most_common(1)[0][0] if counts else NO_CANDIDATE
        is_subject = any(mention.is_subject for mention in own)
        for span in spans:
            mention = found.get(span, Mention(support, *span, NO_CANDIDATE, False, NO_ENTITY))
            found[span] = mention._replace(
                candidate=candidate if mention.candidate == NO_CANDIDATE else mention.candidate,
                is_subject=mention.is_subject or is_subject,
            )
    return used


def align_clusters(
    clusters: Sequence[Cluster], token_starts: Sequence[int], token_ends: Sequence[int]
) -> List[Set[TokenSpan]]:
    """
    Turn spans `[start_char, end_char)` of one text into spans of its tokens, which start and end (exclusive) at these places:
    all the tokens that have a character in common with a span. Spans of white space only have none and are left out.
    """

    def align(start: int, end: int) -> TokenSpan:
        return bisect_right(token_ends, start), bisect_left(token_starts, end) - 1

    aligned = [{align(*span) for span in cluster} for cluster in clusters]
    return [{(first, last) for first, last in spans if first <= last} for spans in aligned]


def describe_mentions(
    mentions: Sequence[Mention], supports: Sequence[TokenizedText], rows: Sequence[int]
) -> Dict[str, Any]:
    """
    Return `tokens`, those of the supports of these numbers (`rows`, which hold the mentions, and perhaps others), one after the
    other, and `nodes`, a description of each mention.
    """
    tokens: List[str] = []
    first_token_of_support = {}
    for row in rows:
        first_token_of_support[row] = len(tokens)
        tokens += [token.ensure_text() for token in supports[row].tokens]
    nodes = []
    for mention in mentions:
        support = supports[mention.support]
        start, end = support.starts[mention.first_token], support.ends[mention.last_token]
        first_token = first_token_of_support[mention.support]
        nodes.append(
            {
                "text": support.text[start:end],
                "support": mention.support,
                "start_char": start,
                "end_char": end,
                "start": first_token + mention.first_token,
                "end": first_token + mention.last_token + 1,
                "candidate": mention.candidate,
                "is_subject": mention.is_subject,
                "kind": mention.kind,
            }
        )
    return {"tokens": tokens, "nodes": nodes}
