from typing import Any, Dict, List, Optional, Union

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from spacy.language import Language

from allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates import (
    EntityCandidates,
    Paragraph,
    titled_paragraph,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import (
    MultihopQuestion,
    check_strings,
    value_of,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.spacy_entities import bare_name

_YES_AND_NO = ("yes", "no")


@DatasetReader.register("hotpotqa_graph")
class HotpotQaGraphReader(MultihopQaReader):
    """
    Reads HotpotQA (Yang et al., EMNLP 2018, https://arxiv.org/abs/1809.09600) and 2WikiMultihopQA (Ho et al., COLING 2020,
    https://arxiv.org/abs/2011.01060) as published, plain, .gz or .xz: one JSON list of objects with `_id` (or `id`),
    `question`, `context` (a list of `[title, [sentence, ...]]`) and, where it is known, `answer`. Other keys are ignored.

    These data sets ask for a part of the text and give no candidates: here the candidates are "yes" and "no", which have no
    mentions, and the entities that a spaCy pipeline finds in the supports, in the order of the text and without a leading article or
    a possessive ending; the entities of the question are its subjects. A support is a paragraph: its title, a full stop, and
    its sentences. Questions whose answer is none of these have the answer -1; how many is logged once for each file.

    Instances, limits and the other parameters are those of `MultihopQaReader`, from which this is derived.

    Registered as a `DatasetReader` with name "hotpotqa_graph".

    # Parameters

    pipeline : `Union[str, Language]`, optional (default = `"en_core_web_sm"`)
        The name or folder of a spaCy pipeline that finds entities, loaded when the first question is read; from Python, a
        pipeline.
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
        self.entity_candidates = EntityCandidates(pipeline, entity_labels, title_candidates)

    def question_from_json(self, content: Dict[str, Any]) -> MultihopQuestion:
        query = value_of(content, "question", str).strip()
        paragraphs = [
            _paragraph(paragraph, f"'context'[{number}]")
            for number, paragraph in enumerate(value_of(content, "context", list))
        ]
        answer = value_of(content, "answer", str, default=None)
        question_id = value_of(content, "_id" if "_id" in content or "id" not in content else "id", str)
        assert self.entity_candidates is not None
        found = self.entity_candidates.find(query, paragraphs)
        entities = (name for name in found.candidates if name.lower() not in _YES_AND_NO)
        return MultihopQuestion(
            question_id=question_id,
            query=query,
            candidates=(*_YES_AND_NO, *entities),
            supports=tuple(paragraph.text for paragraph in paragraphs),
            answer=None if answer is None else bare_name(answer) or answer,
            subjects=found.subjects,
            not_mentioned=frozenset(_YES_AND_NO),
        )


def _paragraph(paragraph: Any, name: str) -> Paragraph:
    if not (
        isinstance(paragraph, list)
        and len(paragraph) == 2
        and isinstance(paragraph[0], str)
        and isinstance(paragraph[1], list)
    ):
        raise ConfigurationError(
            f"{name} is {paragraph!r:.80}, expected a list of a title and a list of sentences."
        )
    title, sentences = paragraph
    check_strings(sentences, f"{name}[1]")
    return titled_paragraph(title, sentences)
