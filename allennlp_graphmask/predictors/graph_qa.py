from dataclasses import replace
from typing import Annotated, Any, Callable, Dict, List, Optional, cast

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict
from allennlp.data import DatasetReader, Instance
from allennlp.models import Model
from allennlp.predictors import Predictor
from pydantic import BaseModel, WrapValidator

from allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates import (
    EntityCandidates,
    FoundCandidates,
    Paragraph,
    build_titled_paragraph,
    find_candidates_by,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.hotpotqa_graph import HotpotQaQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.wikihop import WikiHopQuestion
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.predictors.task_predictor import TaskPredictor
from allennlp_graphmask.pretrained import PARSER
from allennlp_graphmask.validation import String, validate

#: What the output has of the description of each mention in the metadata.
_MENTION_KEYS = ("text", "support", "start_char", "end_char", "candidate", "is_subject", "kind")


class _Query(WikiHopQuestion, extra="forbid"):
    """A question as WikiHop and MedHop have it, with keys that are not read."""

    answer: Any = None
    annotations: Any = None
    meta: Any = None


class _TitledText(BaseModel, extra="forbid"):
    title: String
    text: String


def _read_paragraph(value: Any, read_titled_text: Callable[[Any], _TitledText]) -> Paragraph:
    if isinstance(value, str):
        return Paragraph(None, validate(String, value, ConfigurationError, "paragraphs"))
    titled = read_titled_text(value)
    return build_titled_paragraph(titled.title, [titled.text])


class _Question(BaseModel, extra="forbid"):
    """A question in words."""

    question: String
    paragraphs: List[Annotated[_TitledText, WrapValidator(_read_paragraph)]]
    candidates: List[String] = None  # type: ignore[assignment]
    subjects: List[String] = None  # type: ignore[assignment]
    id: Optional[String] = None
    coreference: Any = None


@Predictor.register("graph_qa")
class GraphQaPredictor(TaskPredictor):
    """
    Answers questions by choosing among candidates that are mentioned in texts.

    An input is a JSON object of one of these forms:

    - `{"query": "country tern lighthouse", "candidates": [...], "supports": [...]}`, as WikiHop and MedHop have it,
      optionally with `"id"` and `"coreference"`. Other keys of such data (`"answer"`, `"annotations"`, `"meta"`) are not read.
    - `{"question": "Where is Tern Lighthouse?", "paragraphs": [...]}`, optionally with `"candidates"`, `"subjects"` (what
      the question asks about; both are lists of texts), `"id"` and `"coreference"`. A paragraph is a text or
      `{"title": ..., "text": ...}`; a title goes before its text, as in HotpotQA.
    - `{"_id": ..., "question": ..., "context": [[title, [sentence, ...]], ...]}`, as HotpotQA and 2WikiMultihopQA have it. Other
      keys of such data are not read.

    Where candidates are not given, they are the titles of the paragraphs and the names that a spaCy pipeline finds in them, and
    where subjects are not given, they are the names in the question. The pipeline is that of `spacy_model`, or of the model's
    reader (`hotpotqa_graph` has one), whose names are entities; or else the small one that comes with the package, whose names
    are proper nouns, capitalised adjectives and dates. The metadata `candidates_found_by` of the instance, and so of its
    explanation, state it.

    The output is `{"id": ..., "query": ..., "answer": ..., "ranking": [...], "mentions": [...]}`, for inputs and instances
    (`--use-dataset-reader`) alike: the `answer`, `null` if no candidate is mentioned; the candidates (at most as many as the
    reader's `max_candidates`) with `candidate` (number), `text`, `probability`, `score` (`null` where not mentioned) and
    `mentions` (numbers), the best first; and the mentions, which are the nodes of the graph, with `text`, `support` (number),
    `start_char` and `end_char` (exclusive) there, `candidate` (number, -1 for none), `is_subject` and `kind`
    (`"candidate"`, `"subject"` or `"coreferent"`). All numbers count from 0.

    Registered as a `Predictor` with name "graph_qa".

    # Parameters

    spacy_model : `str`, optional (default = `None`)
        The spaCy pipeline that finds candidates and subjects, a name or a folder. It is loaded when the first question comes
        that needs it. By default that of the reader, if it has one, or else `pretrained:en-ewt-parser`.

    The others are those of `TaskPredictor`; the default of `batch_size` is 32.
    """

    text_unit = "file"

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        frozen: bool = True,
        *,
        spacy_model: Optional[str] = None,
        batch_size: int = 32,
    ) -> None:
        super().__init__(model, dataset_reader, frozen, batch_size=batch_size)
        of_reader: Optional[EntityCandidates] = getattr(dataset_reader, "entity_candidates", None)
        if spacy_model is not None or of_reader is None:
            self._entity_candidates = find_candidates_by(spacy_model or PARSER, titles=True)
        else:
            self._entity_candidates = of_reader

    def text_to_json(self, text: str) -> JsonDict:
        """Return the input that stands for lines of text, the question and its paragraphs, for `allennlp explain`."""
        question, *paragraphs = [line.strip() for line in text.splitlines() if line.strip()] or [""]
        return {"question": question, "paragraphs": paragraphs}

    def json_to_question(self, inputs: JsonDict) -> MultihopQuestion:
        """
        Read the question of an input.

        # Raises

        `ConfigurationError` if the input has neither of the two forms, naming the key that is wrong.
        """
        if not isinstance(inputs, dict):
            raise ConfigurationError(
                f"An input must be a JSON object, got {inputs!r:.80}. A file that is one list of questions is predicted from "
                "with --use-dataset-reader."
            )
        if ("query" in inputs) == ("question" in inputs):
            raise ConfigurationError(
                'An input must have either "query" (with "candidates" and "supports", as WikiHop has it) or "question" (with '
                f'"paragraphs"); this one has {", ".join(sorted(map(repr, inputs))) or "nothing"}.'
            )
        if "query" in inputs:
            return replace(validate(_Query, inputs, ConfigurationError).to_question(), answer=None)
        if "context" in inputs:
            published = validate(HotpotQaQuestion, inputs, ConfigurationError)
            form = _Question(question=published.question, paragraphs=[], id=published.id)
            paragraphs = published.build_paragraphs()
        else:
            form = validate(_Question, inputs, ConfigurationError)
            paragraphs = cast(List[Paragraph], form.paragraphs)  # `_read_paragraph` makes them
        query = form.question.strip()
        if not query:
            raise ConfigurationError("question is empty.")
        found = self._find_candidates(form, query, paragraphs)
        return MultihopQuestion(
            question_id=form.id,
            query=query,
            candidates=found.candidates,
            supports=tuple(paragraph.text for paragraph in paragraphs),
            subjects=found.subjects,
            coreference=form.coreference,
            candidates_found_by=found.found_by,
        )

    def _find_candidates(self, form: _Question, query: str, paragraphs: List[Paragraph]) -> FoundCandidates:
        """Find the candidates and subjects that are not given."""
        given = {key: tuple(getattr(form, key)) for key in ("candidates", "subjects") if key in form.model_fields_set}
        if len(given) == 2:
            return FoundCandidates(given["candidates"], given["subjects"])
        try:
            # Where candidates are given, the question alone is looked at.
            found = self._entity_candidates.find(query, [] if "candidates" in given else paragraphs)
        except ConfigurationError as error:
            raise ConfigurationError(
                f'{error.message} Or give "candidates" and "subjects" with the question.'
            ) from error
        if "candidates" in given:
            return FoundCandidates(given["candidates"], found.subjects)
        if not paragraphs:
            raise ConfigurationError(
                "paragraphs is empty: the answer is looked for in at least one. In plain text they are the lines after the question."
            )
        if not found.candidates:
            raise ConfigurationError(
                f"The spaCy pipeline '{self._entity_candidates.pipeline.name}' finds no {self._entity_candidates.names} in "
                '"paragraphs" that could be candidates. Give "candidates".'
            )
        return found._replace(subjects=given.get("subjects", found.subjects))

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        if not isinstance(self._dataset_reader, MultihopQaReader):
            raise ConfigurationError(
                f"{type(self._dataset_reader).__name__}, the dataset reader of this model, makes no instances of questions. "
                "Predict from a file that it reads, with --use-dataset-reader."
            )
        return [self._dataset_reader.text_to_instance(self.json_to_question(inputs))]

    def build_result(self, metadata: Dict[str, Any], output: Dict[str, Any]) -> JsonDict:
        result = {
            "id": metadata["id"],
            "query": metadata["query"],
            **output["prediction"],
            "mentions": [{key: node[key] for key in _MENTION_KEYS} for node in metadata["nodes"]],
        }
        # AllenNLP's `sanitize` would write a missing answer as the string "None".
        return to_plain_json(result)
