from typing import Any, Dict

from allennlp.data import DatasetReader

from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import (
    MultihopQuestion,
    strings_of,
    value_of,
)


@DatasetReader.register("wikihop")
class WikiHopReader(MultihopQaReader):
    """
    Reads WikiHop and MedHop (Welbl, Stenetorp and Riedel, TACL 2018, https://arxiv.org/abs/1710.06481), masked or not, and
    other data in their format: one JSON list, plain, .gz or .xz, of objects with `id`, `query`, `candidates`, `supports` and,
    where it is known, `answer`; `coreference` may hold the supports' coreference (see `AnnotatedCoreference`), other keys are
    ignored. Files are read question by question and may be of any size.

    The first word of a query is its relation, which is split at `_`, the others are its subject; a question mark at its end
    (MedHop) does not belong to it. A known answer must be a candidate.

    Instances, limits and parameters are those of `MultihopQaReader`, from which this is derived.

    Registered as a `DatasetReader` with name "wikihop".
    """

    def question_from_json(self, content: Dict[str, Any]) -> MultihopQuestion:
        value_of(content, "id", str)
        return question_of_wikihop(content)


def question_of_wikihop(content: Dict[str, Any]) -> MultihopQuestion:
    """
    # Returns

    `MultihopQuestion`
        That of an object in WikiHop's format, whose `id`, `answer` and `coreference` may be absent.

    # Raises

    `ConfigurationError` if another key is missing or a value has the wrong type.
    """
    query = value_of(content, "query", str).strip()
    relation, _, subject = query.partition(" ")
    subject = subject.strip().removesuffix("?").rstrip()
    return MultihopQuestion(
        question_id=value_of(content, "id", str, default=None),
        query=query,
        candidates=strings_of(content, "candidates"),
        supports=strings_of(content, "supports"),
        answer=value_of(content, "answer", str, default=None),
        subjects=(subject,) if subject else (),
        relation=relation,
        coreference=content.get("coreference"),
    )
