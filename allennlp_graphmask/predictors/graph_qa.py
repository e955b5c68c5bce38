from typing import Any, Dict, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict, lazy_groups_of
from allennlp.data import DatasetReader, Instance
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates import (
    EntityCandidates,
    FoundCandidates,
    Paragraph,
    titled_paragraph,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.wikihop import question_of_wikihop
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.predictors.json_input import check_keys, string_of, strings_of

#: What the output tells of each mention, of what the reader knows.
_MENTION_KEYS = ("text", "support", "start_char", "end_char", "candidate", "is_subject", "kind")


@Predictor.register("graph_qa")
class GraphQaPredictor(Predictor):
    """
    Answers questions by choosing among candidates that are mentioned in texts.

    An input is a JSON object of one of these forms:

    - `{"query": "country tern lighthouse", "candidates": [...], "supports": [...]}`, as WikiHop and MedHop have it,
      optionally with `"id"` and `"coreference"`. What else such data hold (`"answer"`, `"annotations"`, `"meta"`) is not read.
    - `{"question": "Where is Tern Lighthouse?", "paragraphs": [...]}`, optionally with `"candidates"`, `"subjects"` (what
      the question asks about; both are lists of texts), `"id"` and `"coreference"`. A paragraph is a text or
      `{"title": ..., "text": ...}`; a title goes before its text, as in HotpotQA.

    Where the second form has no candidates, they are the entities that a spaCy pipeline finds in the paragraphs, and where
    it has no subjects, they are those in the question: by the pipeline named by `spacy_model`, or by that of the model's
    reader (`hotpotqa_graph` has one). Without a pipeline candidates must be given, and there are no other subjects than
    those given.

    The output is `{"id": ..., "query": ..., "answer": ..., "ranking": [...], "mentions": [...]}`, for inputs and instances
    (`--use-dataset-reader`) alike: the `answer`, `null` if no candidate is mentioned; the candidates (at most as many as the
    reader's `max_candidates`) with `candidate` (number), `text`, `probability`, `score` (`null` where not mentioned) and
    `mentions` (numbers), the best first; and the mentions, which are the nodes of the graph, with `text`, `support` (number),
    `start_char` and `end_char` (exclusive) there, `candidate` (number, -1 for none), `is_subject` and `kind`
    (`"candidate"`, `"subject"` or `"coreferent"`). All numbers count from 0.

    Registered as a `Predictor` with name "graph_qa".

    # Parameters

    model : `Model`
    dataset_reader : `DatasetReader`
    frozen : `bool`, optional (default = `True`)
    spacy_model : `str`, optional (default = `None`)
        The spaCy pipeline that finds candidates and subjects, a name or a folder. It is loaded when the first question comes
        that needs it. By default that of the reader, if it has one.
    batch_size : `int`, optional (default = `32`)
        At most so many instances go through the model at once.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        frozen: bool = True,
        *,
        spacy_model: Optional[str] = None,
        batch_size: int = 32,
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        self._entity_candidates: Optional[EntityCandidates] = (
            getattr(dataset_reader, "entity_candidates", None)
            if spacy_model is None
            else EntityCandidates(spacy_model)
        )
        self._batch_size = batch_size

    # --- From JSON to instances

    def json_to_question(self, inputs: JsonDict) -> MultihopQuestion:
        """
        The question of an input.

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
        return self._read_query(inputs) if "query" in inputs else self._read_question(inputs)

    def _read_query(self, inputs: JsonDict) -> MultihopQuestion:
        check_keys(
            inputs,
            "a query",
            ["query", "candidates", "supports"],
            ["id", "coreference", "answer", "annotations", "meta"],
        )
        return question_of_wikihop({key: value for key, value in inputs.items() if key != "answer"})

    def _read_question(self, inputs: JsonDict) -> MultihopQuestion:
        check_keys(
            inputs, "a question", ["question", "paragraphs"], ["candidates", "subjects", "id", "coreference"]
        )
        question = string_of(inputs, "question").strip()
        if not question:
            raise ConfigurationError("'question' is empty.")
        paragraphs = _paragraphs_of(inputs)
        candidates, subjects = self._candidates_and_subjects(inputs, question, paragraphs)
        return MultihopQuestion(
            question_id=string_of(inputs, "id") if inputs.get("id") is not None else None,
            query=question,
            candidates=candidates,
            supports=tuple(paragraph.text for paragraph in paragraphs),
            subjects=subjects,
            coreference=inputs.get("coreference"),
        )

    def _candidates_and_subjects(
        self, inputs: JsonDict, question: str, paragraphs: List[Paragraph]
    ) -> FoundCandidates:
        given = {key: tuple(strings_of(inputs, key)) for key in ("candidates", "subjects") if key in inputs}
        if len(given) == 2 or (self._entity_candidates is None and "candidates" in given):
            return FoundCandidates(given["candidates"], given.get("subjects", ()))
        if self._entity_candidates is None:
            raise ConfigurationError(
                f'A question without "candidates" needs a spaCy pipeline that finds them, and {type(self._dataset_reader).__name__}, '
                'the dataset reader of this model, has none. Give "candidates", or name a pipeline by the predictor\'s '
                '"spacy_model" (--predictor-args \'{"spacy_model": "en_core_web_sm"}\').'
            )
        try:
            # Where candidates are given, the question alone is looked at.
            found = self._entity_candidates.find(question, [] if "candidates" in given else paragraphs)
        except ConfigurationError as error:
            raise ConfigurationError(
                f'{error.message} Or give "candidates" and "subjects" with the question.'
            ) from error
        found = found._replace(**given)
        if not found.candidates:
            raise ConfigurationError(
                'The spaCy pipeline finds no entities in "paragraphs" that could be candidates. Give "candidates".'
                if "candidates" not in given
                else "'candidates' is empty: a question needs at least one to choose from."
            )
        return found

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """The one instance of an input, in a list: this is how the predictor `graphmask` asks for instances."""
        return [self._json_to_instance(inputs)]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        if not isinstance(self._dataset_reader, MultihopQaReader):
            raise ConfigurationError(
                f"{type(self._dataset_reader).__name__}, the dataset reader of this model, makes no instances of questions. "
                "Predict from a file that it reads, with --use-dataset-reader."
            )
        return self._dataset_reader.text_to_instance(self.json_to_question(json_dict))

    # --- Predictions

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        return self.predict_batch_instance([self._json_to_instance(one_input) for one_input in inputs])

    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    def predict_batch_instance(self, instances: List[Instance]) -> List[JsonDict]:
        results: List[JsonDict] = []
        for batch in lazy_groups_of(instances, self._batch_size):
            for instance in batch:
                self._dataset_reader.apply_token_indexers(instance)
            outputs: List[Dict[str, Any]] = self._model.forward_on_instances(batch)
            results.extend(_result(output["metadata"], output["prediction"]) for output in outputs)
        return results


def _result(metadata: Dict[str, Any], prediction: Dict[str, Any]) -> JsonDict:
    result = {
        "id": metadata["id"],
        "query": metadata["query"],
        **prediction,
        "mentions": [{key: node[key] for key in _MENTION_KEYS} for node in metadata["nodes"]],
    }
    # AllenNLP's `sanitize` would write a missing answer as the string "None".
    return to_plain_json(result)


def _paragraphs_of(inputs: JsonDict) -> List[Paragraph]:
    values = inputs["paragraphs"]
    if not isinstance(values, list):
        raise ConfigurationError(f"'paragraphs' must be a list, got {values!r:.80}.")
    return [_paragraph(value, f"'paragraphs'[{number}]") for number, value in enumerate(values)]


def _paragraph(value: Any, name: str) -> Paragraph:
    if isinstance(value, str):
        return Paragraph(None, value)
    if not (
        isinstance(value, dict)
        and value.keys() == {"title", "text"}
        and all(isinstance(text, str) for text in value.values())
    ):
        raise ConfigurationError(
            f'{name} is {value!r:.80}, expected a text or {{"title": a text, "text": a text}}.'
        )
    return titled_paragraph(value["title"], [value["text"]])
