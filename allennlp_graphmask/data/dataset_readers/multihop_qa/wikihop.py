from typing import Any, Dict, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from pydantic import BaseModel

from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion
from allennlp_graphmask.validation import String, validate


class WikiHopQuestion(BaseModel):
    """A question as an object in WikiHop's format holds it; other keys are ignored."""

    query: String
    candidates: List[String]
    supports: List[String]
    id: Optional[String] = None
    answer: Optional[String] = None
    #: Where they are given, the query is a question in words.
    subjects: Optional[List[String]] = None
    #: Checked by the `CoreferenceResolver` that reads it.
    coreference: Any = None

    def to_question(self) -> MultihopQuestion:
        """
        Split the query, unless its subjects are given: its first word is the relation, the others are the subject. A question mark at
        the end (MedHop) belongs to neither.

        # Raises

        `ConfigurationError` if there is no candidate or the query is empty.
        """
        query = self.query.strip()
        relation: Optional[str] = None
        subjects = self.subjects
        if subjects is None:
            relation, _, subject = query.partition(" ")
            subject = subject.strip().removesuffix("?").rstrip()
            subjects = [subject] if subject else []
        return MultihopQuestion(
            question_id=self.id,
            query=query,
            candidates=tuple(self.candidates),
            supports=tuple(self.supports),
            answer=self.answer,
            subjects=tuple(subjects),
            relation=relation,
            coreference=self.coreference,
        )


class _QuestionWithId(WikiHopQuestion):
    id: String


@DatasetReader.register("wikihop")
class WikiHopReader(MultihopQaReader):
    """
    Reads WikiHop and MedHop (Welbl, Stenetorp and Riedel, TACL 2018, https://arxiv.org/abs/1710.06481), masked or not, and
    other data in their format: one JSON list of objects with `id`, `query`, `candidates`, `supports` and, where it is known,
    `answer`; `coreference` may hold the supports' coreference (see `AnnotatedCoreference`), other keys are ignored. Files, plain,
    .gz, .bz2 or .xz, by path or URL, are read question by question and may be of any size.

    The first word of a query is its relation, which is split at `_`, the others are its subject; a question mark at its end
    (MedHop) does not belong to it. Where an object has `subjects`, a list of texts, its query is a question in words instead. A known
    answer must be a candidate.

    Instances, limits and parameters are those of `MultihopQaReader`, from which this is derived.

    Registered as a `DatasetReader` with name "wikihop".
    """

    def question_from_json(self, content: Dict[str, Any]) -> MultihopQuestion:
        return validate(_QuestionWithId, content, ConfigurationError).to_question()
