from collections import Counter
from typing import Callable, Dict, List, NamedTuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.multihop_qa.mentions import Phrase
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion

#: The index of an answer that is not known.
UNKNOWN = -1


class SelectedCandidates(NamedTuple):
    """
    The candidates of a question that are kept, the words that are looked for in the supports for each, and the index of the
    answer among them or `UNKNOWN`. `counts` are of what was merged, left out or moved, for the log.
    """

    texts: List[str]
    phrases: List[Phrase]
    answer: int
    counts: Counter[str]


def select_candidates(
    question: MultihopQuestion,
    to_phrase: Callable[[str], Phrase],
    max_candidates: int,
    *,
    keep_answer: bool,
    answer_must_be_candidate: bool,
) -> SelectedCandidates:
    """
    Merge candidates of the same words (`to_phrase` gives them without their case), and leave out those beyond the limit. With
    `keep_answer`, an answer beyond it takes the place of the last candidate that is kept. Raise a `ConfigurationError` if the
    answer must be a candidate and is not.
    """
    # The first spelling of each candidate, and where it is.
    index_of_phrase: Dict[Phrase, int] = {}
    texts: List[str] = []
    phrases: List[Phrase] = []
    for text in question.candidates:
        phrase = to_phrase(text)
        if phrase not in index_of_phrase:
            index_of_phrase[phrase] = len(texts)
            texts.append(text)
            phrases.append(() if text in question.not_mentioned else phrase)
    counts = Counter({"candidates merged": len(question.candidates) - len(texts)})
    answer = UNKNOWN
    if question.answer is not None:
        counts["answer known"] = 1
        answer = index_of_phrase.get(to_phrase(question.answer), UNKNOWN)
        if answer == UNKNOWN and answer_must_be_candidate:
            raise ConfigurationError(
                f"the answer {question.answer!r} is not among the candidates {texts!r:.300}. Leave 'answer' out where it is not "
                "known."
            )
        counts["answer among candidates"] = int(answer != UNKNOWN)
    if len(texts) > max_candidates:
        counts["candidates cut"] = len(texts) - max_candidates
        kept = list(range(max_candidates))
        if answer >= max_candidates and keep_answer:
            counts["answers moved"] = 1
            kept[-1], answer = answer, max_candidates - 1
        elif answer >= max_candidates:
            counts["answers cut"] = 1
            answer = UNKNOWN
        texts, phrases = [texts[index] for index in kept], [phrases[index] for index in kept]
    return SelectedCandidates(texts, phrases, answer, counts)
