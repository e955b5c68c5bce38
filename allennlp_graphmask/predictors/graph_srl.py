from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict, lazy_groups_of
from allennlp.data import DatasetReader, Instance
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers.propbank_srl.conll2009 import parse_conll2009
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.predictors.json_input import check_keys, integers_of, string_of, strings_of
from allennlp_graphmask.predictors.predicate_selection import check_parts_of_speech, select_predicates
from allennlp_graphmask.predictors.spacy_parser import SpacyParser
from allennlp_graphmask.pretrained import PARSER


class RequestedSentence(NamedTuple):
    """A sentence and the tokens in it whose arguments are asked for."""

    sentence: DependencySentence
    predicates: List[int]


@Predictor.register("graph_srl")
class GraphSrlPredictor(Predictor):
    """
    Labels the arguments of the predicates in raw text, in tokens with their dependency arcs, or in lines of a
    CoNLL-2009 file.

    An input is a JSON object of one of these forms:

    - `{"sentence": "She sings."}`: raw text, which may have several sentences. A spaCy pipeline parses it.
    - `{"tokens": [...], "lemmas": [...], "parts_of_speech": [...], "heads": [...], "dependency_labels":
      [...]}`, optionally with `"dependency_scheme"` and `"sentence_id"`. Heads are counted from 1, and the
      root has head 0, as in the columns of CoNLL files.
    - `{"conll": "1\\tShe\\t..."}`: one or more sentences in the columns of CoNLL-2009; the columns of the
      roles may be absent.

    Each may have `"predicates"`: the tokens whose arguments are asked for, counted from 0 through all
    sentences of the input. Otherwise they are those that the CoNLL columns mark, if any, or else the verbs
    without auxiliaries (`predicate_parts_of_speech`).

    The output for one input is `{"sentences": [{"tokens": [...], "predicates": [...]}]}`, with one entry in
    `predicates` for each predicate (none, for a sentence without any): `predicate` (`index`, `text`, `lemma`,
    `sense`) and its `arguments` (`role`, `head`, `text`, the phrase below the head by `start`, `end` and
    `phrase`, and `probability`).

    The output for one instance (`--use-dataset-reader`: the reader makes an instance of each predicate) is
    `{"tokens": [...], "sentence_id": ..., "prediction": {...}, "role_tags": [...]}`, `prediction` being such
    an entry.

    Registered as a `Predictor` with name "graph_srl".

    # Parameters

    model : `Model`
    dataset_reader : `DatasetReader`
    frozen : `bool`, optional (default = `True`)
    spacy_model : `str`, optional (default = `"pretrained:en-ewt-parser"`)
        The spaCy pipeline that parses raw text: the small one that comes with the package, or the name or folder of another.
        It is loaded when the first raw text comes.
    parser_dependency_scheme : `str`, optional (default = `None`)
        The dependency scheme of that pipeline, where its labels do not tell it.
    predicate_parts_of_speech : `List[str]`, optional (default = `["VERB"]`)
        The universal parts of speech that make a token a predicate, among VERB, NOUN, ADJ, ADV, PROPN.
    batch_size : `int`, optional (default = `64`)
        At most so many instances go through the model at once, however many one input has.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        frozen: bool = True,
        *,
        spacy_model: str = PARSER,
        parser_dependency_scheme: Optional[str] = None,
        predicate_parts_of_speech: Sequence[str] = ("VERB",),
        batch_size: int = 64,
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        check_parts_of_speech(predicate_parts_of_speech)
        self._parser = SpacyParser(spacy_model, parser_dependency_scheme)
        self._predicate_parts_of_speech = list(predicate_parts_of_speech)
        self._batch_size = batch_size

    # --- From JSON to instances

    def text_to_json(self, text: str) -> JsonDict:
        """The input that stands for raw text; `allennlp explain --text` asks for it."""
        return {"sentence": text}

    def json_to_sentences(self, inputs: JsonDict) -> List[RequestedSentence]:
        """
        The sentences of an input with their predicates.

        # Raises

        `ConfigurationError` if the input has none of the three forms, or is parsed in another dependency
        scheme than the model's.
        """
        forms = [key for key in ("sentence", "tokens", "conll") if key in inputs]
        if len(forms) != 1:
            raise ConfigurationError(
                'An input must have one of "sentence" (raw text), "tokens" (with their arcs) or "conll" '
                f"(lines in CoNLL-2009 columns); this one has {', '.join(sorted(map(repr, inputs))) or 'nothing'}."
            )
        if not hasattr(self._dataset_reader, "dependency_scheme"):
            raise ConfigurationError(
                f"{type(self._dataset_reader).__name__}, the dataset reader of this model, makes no "
                "instances of dependency trees. Predict from a file that it reads, with --use-dataset-reader."
            )
        read = {"sentence": self._read_text, "tokens": self._read_tokens, "conll": self._read_conll}[forms[0]]
        sentences = read(inputs)
        return (
            sentences
            if "predicates" not in inputs
            else _with_predicates(sentences, integers_of(inputs, "predicates"))
        )

    def _read_text(self, inputs: JsonDict) -> List[RequestedSentence]:
        check_keys(inputs, "raw text", ["sentence"], ["predicates"])
        parsed_sentences = self._parser.parse(string_of(inputs, "sentence"))
        if not parsed_sentences:
            return []
        scheme = self._parser.dependency_scheme
        expected = self._reader_scheme()
        if expected is not None and scheme != expected:
            raise ConfigurationError(
                f"This model was trained on dependency trees in the scheme '{expected}', but the spaCy "
                f"pipeline '{self._parser.model}' parses in '{scheme}'. Name a pipeline that parses in "
                f"'{expected}' by \"spacy_model\", give tokens with arcs in that scheme, or use a model trained "
                f"on '{scheme}' trees."
            )
        requested = []
        for parsed in parsed_sentences:
            sentence = DependencySentence(
                words=parsed.words,
                lemmas=parsed.lemmas,
                parts_of_speech=parsed.tags,
                heads=tuple(head - 1 for head in parsed.heads),
                dependency_labels=parsed.dependency_labels,
            )
            requested.append(
                RequestedSentence(sentence, self._select_predicates(sentence, parsed.coarse_tags))
            )
        return requested

    def _read_tokens(self, inputs: JsonDict) -> List[RequestedSentence]:
        required = ["tokens", "lemmas", "parts_of_speech", "heads", "dependency_labels"]
        check_keys(inputs, "tokens", required, ["dependency_scheme", "sentence_id", "predicates"])
        words = strings_of(inputs, "tokens")
        if not words:
            return []
        heads = integers_of(inputs, "heads")
        for position, head in enumerate(heads):
            if not 0 <= head <= len(words):
                raise ConfigurationError(
                    f"heads[{position}] is {head}, expected 1 to {len(words)} (tokens counted from 1) or 0 "
                    "(root)."
                )
        sentence = DependencySentence(
            words=tuple(words),
            lemmas=tuple(strings_of(inputs, "lemmas")),
            parts_of_speech=tuple(strings_of(inputs, "parts_of_speech")),
            heads=tuple(head - 1 for head in heads),
            dependency_labels=tuple(strings_of(inputs, "dependency_labels")),
            sentence_id=string_of(inputs, "sentence_id") if "sentence_id" in inputs else None,
        )
        scheme = string_of(inputs, "dependency_scheme") if "dependency_scheme" in inputs else None
        expected = self._reader_scheme()
        if scheme is not None and expected is not None and scheme != expected:
            raise ConfigurationError(
                f"This model was trained on dependency trees in the scheme '{expected}', but the input's "
                f"\"dependency_scheme\" is '{scheme}'. Parse it in '{expected}', or use a model "
                f"trained on '{scheme}' trees."
            )
        return [RequestedSentence(sentence, self._select_predicates(sentence))]

    def _read_conll(self, inputs: JsonDict) -> List[RequestedSentence]:
        check_keys(inputs, "CoNLL-2009 columns", ["conll"], ["predicates"])
        lines = string_of(inputs, "conll").split("\n")
        requested = []
        for sentence in parse_conll2009(lines, "conll", getattr(self._dataset_reader, "syntax", "gold")):
            marked = [predicate.index for predicate in sentence.predicates]
            requested.append(RequestedSentence(sentence, marked or self._select_predicates(sentence)))
        return requested

    def _reader_scheme(self) -> Optional[str]:
        return getattr(self._dataset_reader, "dependency_scheme", None)

    def _select_predicates(
        self, sentence: DependencySentence, coarse_tags: Optional[Sequence[str]] = None
    ) -> List[int]:
        return select_predicates(
            sentence.parts_of_speech,
            sentence.heads,
            sentence.dependency_labels,
            self._predicate_parts_of_speech,
            coarse_tags,
        )

    def _instances_of(self, requested: RequestedSentence) -> List[Instance]:
        senses = {predicate.index: predicate.sense for predicate in requested.sentence.predicates}
        # Without roles, also where CoNLL columns have them: inputs with and without roles could not be in one
        # batch.
        return [
            self._dataset_reader.text_to_instance(
                requested.sentence, Predicate(index, senses.get(index), roles=None)
            )
            for index in requested.predicates
        ]

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """One instance for each predicate of each sentence of the input."""
        return [
            instance
            for requested in self.json_to_sentences(inputs)
            for instance in self._instances_of(requested)
        ]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        instances = self.json_to_instances(json_dict)
        if len(instances) != 1:
            raise ConfigurationError(
                f"This input has {len(instances)} predicates, where one is expected. "
                'Name one by "predicates".'
            )
        return instances[0]

    # --- Predictions

    def _forward(self, instances: List[Instance]) -> List[Dict[str, Any]]:
        outputs = []
        for batch in lazy_groups_of(instances, self._batch_size):
            for instance in batch:
                self._dataset_reader.apply_token_indexers(instance)
            outputs.extend(self._model.forward_on_instances(batch))
        return outputs

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        sentences = [self.json_to_sentences(one_input) for one_input in inputs]
        instances = [
            instance
            for group in sentences
            for requested in group
            for instance in self._instances_of(requested)
        ]
        outputs = iter(self._forward(instances))
        return [
            {
                "sentences": [
                    {
                        "tokens": list(requested.sentence.words),
                        "predicates": [
                            to_plain_json(next(outputs)["prediction"]) for _ in requested.predicates
                        ],
                    }
                    for requested in group
                ]
            }
            for group in sentences
        ]

    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    def predict_batch_instance(self, instances: List[Instance]) -> List[JsonDict]:
        results = []
        for instance, output in zip(instances, self._forward(instances)):
            metadata = instance.fields["metadata"].metadata  # type: ignore[attr-defined]
            result = {
                "tokens": metadata["tokens"],
                "sentence_id": metadata.get("sentence_id"),
                "prediction": output["prediction"],
                "role_tags": output["role_tags"],
            }
            # AllenNLP's `sanitize` would write a missing sense as the string "None".
            results.append(to_plain_json(result))
        return results


def _with_predicates(sentences: List[RequestedSentence], predicates: List[int]) -> List[RequestedSentence]:
    """The same sentences with predicates counted from 0 through all of them."""
    num_tokens = sum(len(requested.sentence) for requested in sentences)
    for index in predicates:
        if not 0 <= index < num_tokens:
            raise ConfigurationError(
                f'"predicates" has {index}, but the input\'s {num_tokens} tokens are numbered from 0 to '
                f"{num_tokens - 1}."
            )
    result, first = [], 0
    for requested in sentences:
        after = first + len(requested.sentence)
        result.append(
            requested._replace(predicates=[index - first for index in predicates if first <= index < after])
        )
        first = after
    return result
