from typing import Any, Dict, List, Optional, Tuple, Union

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from pydantic import AliasChoices, BaseModel, Field
from spacy.language import Language

from allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates import (
    Paragraph,
    build_titled_paragraph,
    find_candidates_by,
    strip_name,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.tokenized_text import normalize_case
from allennlp_graphmask.validation import String, validate

_YES_AND_NO = ("yes", "no")


class HotpotQaQuestion(BaseModel):
    """A question as published; other keys are ignored."""

    id: String = Field(validation_alias=AliasChoices("_id", "id"))
    question: String
    #: Titles and sentences.
    context: List[Tuple[String, List[String]]]
    answer: Optional[String] = None

    def build_paragraphs(self) -> List[Paragraph]:
        """Return the paragraphs as texts, the title of each before its sentences."""
        return [build_titled_paragraph(title, sentences) for title, sentences in self.context]


@DatasetReader.register("hotpotqa_graph")
class HotpotQaGraphReader(MultihopQaReader):
    """
    Reads HotpotQA (Yang et al., EMNLP 2018, https://arxiv.org/abs/1809.09600) and 2WikiMultihopQA (Ho et al., COLING 2020,
    https://arxiv.org/abs/2011.01060) as published, plain, .gz, .bz2 or .xz, by path or URL: one JSON list of objects with `_id`
    (or `id`), `question`, `context` (a list of `[title, [sentence, ...]]`) and, where it is known, `answer`. Other keys are
    ignored.

    These data sets ask for a part of the text and give no candidates: here the candidates are "yes" and "no", which have no
    mentions, and the entities that a spaCy pipeline finds in the supports, in the order of the text and without a leading article or
    a possessive ending; the entities of the question are its subjects. A support is a paragraph: its title, a full stop, and
    its sentences. A question has the answer -1 if its answer is not a candidate; their number is logged once for each file.

    Instances, limits and the other parameters are those of `MultihopQaReader`, from which this is derived.

    Registered as a `DatasetReader` with name "hotpotqa_graph".

    # Parameters

    pipeline : `Union[str, Language]`, optional (default = `"en_core_web_sm"`)
        The name or folder of a spaCy pipeline that finds entities, loaded when the first question is read; from Python, a
        pipeline. With `"pretrained:en-ewt-parser"`, which comes with the package, proper nouns, capitalised adjectives
        and dates take the place of entities.
    entity_labels : `List[str]`, optional (default = `None`)
        Only entities with one of these labels are candidates and subjects; by default all.
    title_candidates : `bool`, optional (default = `False`)
        Whether the titles of the paragraphs (without what is in brackets at their end) are candidates too, after the entities of
        their paragraph.
    max_query_tokens : `int`, optional (default = `60`)
    max_candidates : `int`, optional (default = `200`)
        A question's ten paragraphs have more entities than WikiHop has candidates.
    """

    answer_must_be_candidate = False
    id_keys = ("_id", "id")

    def __init__(
        self,
        pipeline: Union[str, Language] = "en_core_web_sm",
        entity_labels: Optional[List[str]] = None,
        title_candidates: bool = False,
        max_query_tokens: int = 60,
        max_candidates: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(max_query_tokens=max_query_tokens, max_candidates=max_candidates, **kwargs)
        self.entity_candidates = find_candidates_by(pipeline, entity_labels, title_candidates)

    def question_from_json(self, content: Dict[str, Any]) -> MultihopQuestion:
        question = validate(HotpotQaQuestion, content, ConfigurationError)
        query, answer = question.question.strip(), question.answer
        paragraphs = question.build_paragraphs()
        assert self.entity_candidates is not None
        found = self.entity_candidates.find(query, paragraphs)
        entities = tuple(name for name in found.candidates if normalize_case(name) not in _YES_AND_NO)
        return MultihopQuestion(
            question_id=question.id,
            query=query,
            candidates=(*_YES_AND_NO, *entities),
            supports=tuple(paragraph.text for paragraph in paragraphs),
            answer=None if answer is None else strip_name(answer, set(map(normalize_case, entities))) or answer,
            subjects=found.subjects,
            not_mentioned=frozenset(_YES_AND_NO),
            candidates_found_by=found.found_by,
        )
