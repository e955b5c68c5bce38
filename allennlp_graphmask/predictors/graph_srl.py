from dataclasses import replace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict
from allennlp.data import DatasetReader, Instance
from allennlp.models import Model
from allennlp.predictors import Predictor
from pydantic import BaseModel

from allennlp_graphmask.data.dataset_readers.propbank_srl.columns import guess_format
from allennlp_graphmask.data.dataset_readers.propbank_srl.conll2009 import parse_conll2009
from allennlp_graphmask.data.dataset_readers.propbank_srl.conllu import parse_conllu
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.predictors.predicate_selection import PredicatePartOfSpeech, select_predicates
from allennlp_graphmask.predictors.spacy_parser import SpacyParser
from allennlp_graphmask.predictors.task_predictor import TaskPredictor
from allennlp_graphmask.pretrained import PARSER
from allennlp_graphmask.validation import Integer, String, validate


class _Form(BaseModel, extra="forbid"):
    id: String = None  # type: ignore[assignment]
    predicates: List[Integer] = None  # type: ignore[assignment]


class _Text(_Form):
    sentence: String


class _Tokens(_Form):
    tokens: List[String]
    lemmas: List[String]
    parts_of_speech: List[String]
    heads: List[Integer]
    dependency_labels: List[String]
    dependency_scheme: String = None  # type: ignore[assignment]
    sentence_id: String = None  # type: ignore[assignment]


class _ConllColumns(_Form):
    conll: String


class RequestedSentence(NamedTuple):
    """A sentence and the tokens in it whose arguments are asked for."""

    sentence: DependencySentence
    predicates: List[int]


@Predictor.register("graph_srl")
class GraphSrlPredictor(TaskPredictor):
    """
    Labels the arguments of the predicates in raw text, in tokens with their dependency arcs, or in lines of a CoNLL-2009 or CoNLL-U file.

    An input is a JSON object of one of these forms:

    - `{"sentence": "She sings."}`: raw text, which may have several sentences. A spaCy pipeline parses it.
    - `{"tokens": [...], "lemmas": [...], "parts_of_speech": [...], "heads": [...], "dependency_labels": [...]}`, optionally
      with `"dependency_scheme"` and `"sentence_id"`. Heads are counted from 1, and the root has head 0, as in the columns of
      CoNLL files.
    - `{"conll": "1\\tShe\\t..."}`: one or more sentences in the columns of CoNLL-2009 or CoNLL-U; the columns of the roles
      may be absent.

    Each may have an `"id"`, which becomes the `sentence_id` of its sentences, and `"predicates"`: the tokens whose arguments are asked for, counted from 0 through all sentences of the input.
    Otherwise they are those that the CoNLL columns mark, if any, or else the verbs (`predicate_parts_of_speech`), with
    auxiliaries but without modal verbs if the model was trained on all predicates.

    The output for one input is `{"sentences": [{"tokens": [...], "predicates": [...]}]}`, with one entry in `predicates` for
    each predicate (none, for a sentence without any): `predicate` (`index`, `text`, `lemma`, `sense`) and its `arguments`
    (`role`, `head`, `text`, the phrase below the head by `start`, `end` and `phrase`, and `probability`).

    The output for one instance (`--use-dataset-reader`: the reader makes an instance of each predicate) is `{"tokens": [...],
    "sentence_id": ..., "prediction": {...}, "role_tags": [...]}`, `prediction` being such an entry.

    Registered as a `Predictor` with name "graph_srl".

    # Parameters

    spacy_model : `str`, optional (default = `"pretrained:en-ewt-parser"`)
        The spaCy pipeline that parses raw text: the small one that comes with the package, or the name or folder of another.
        It is loaded when the first raw text comes.
    parser_dependency_scheme : `str`, optional (default = `None`)
        The dependency scheme of that pipeline, where it cannot be guessed from its labels.
    predicate_parts_of_speech : `List[str]`, optional (default = `["VERB"]`)
        The universal parts of speech that make a token a predicate, among VERB, NOUN, ADJ, ADV, PROPN.

    The others are those of `TaskPredictor`.
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
        super().__init__(model, dataset_reader, frozen, batch_size=batch_size)
        self._parser = SpacyParser(spacy_model, parser_dependency_scheme)
        self._parts_of_speech = validate(
            List[PredicatePartOfSpeech], predicate_parts_of_speech, ConfigurationError, "predicate_parts_of_speech"
        )
        self.why_empty = f"no predicate: no word is a {' or '.join(self._parts_of_speech)}"

    def text_to_json(self, text: str) -> JsonDict:
        """Return the input that stands for raw text, for `allennlp explain --text`."""
        return {"sentence": text}

    def conll_to_json(self, text: str) -> JsonDict:
        """Return the input that stands for sentences in columns, for files of `allennlp explain`."""
        return {"conll": text}

    def json_to_sentences(self, inputs: JsonDict) -> List[RequestedSentence]:
        """
        Read the sentences of an input with their predicates.

        # Raises

        `ConfigurationError` if the input has none of the three forms, or is parsed in another dependency scheme than the model's.
        """
        forms = [key for key in ("sentence", "tokens", "conll") if key in inputs]
        if len(forms) != 1:
            raise ConfigurationError(
                'An input must have one of "sentence" (raw text), "tokens" (with their arcs) or "conll" '
                f"(lines in CoNLL-2009 or CoNLL-U columns); this one has {', '.join(sorted(map(repr, inputs))) or 'nothing'}."
            )
        if not hasattr(self._dataset_reader, "dependency_scheme"):
            raise ConfigurationError(
                f"{type(self._dataset_reader).__name__}, the dataset reader of this model, makes no "
                "instances of dependency trees. Predict from a file that it reads, with --use-dataset-reader."
            )
        read: Dict[str, Tuple[Type[_Form], Callable[[Any], List[RequestedSentence]]]] = {
            "sentence": (_Text, self._parse_text),
            "tokens": (_Tokens, self._read_tokens),
            "conll": (_ConllColumns, self._read_conll),
        }
        form_type, read_form = read[forms[0]]
        form = validate(form_type, inputs, ConfigurationError)
        sentences = read_form(form)
        if form.id is not None:
            sentences = [
                requested._replace(sentence=replace(requested.sentence, sentence_id=form.id)) for requested in sentences
            ]
        return sentences if form.predicates is None else _replace_predicates(sentences, form.predicates)

    def _parse_text(self, form: _Text) -> List[RequestedSentence]:
        sentences = self._parser.parse(form.sentence)
        if sentences:
            self.check_scheme(
                self._parser.dependency_scheme,
                f"the component '{self._parser.component}' of the spaCy pipeline '{self._parser.model}' parses in",
                'name another pipeline by "spacy_model", or give tokens with their arcs',
            )
        return [RequestedSentence(sentence, self.select_predicates(sentence)) for sentence in sentences]

    def _read_tokens(self, form: _Tokens) -> List[RequestedSentence]:
        num_words = len(form.tokens)
        if not num_words:
            return []
        for position, head in enumerate(form.heads):
            if not 0 <= head <= num_words:
                raise ConfigurationError(
                    f"heads[{position}] is {head}, expected 1 to {num_words} (tokens counted from 1) or 0 (root)."
                )
        sentence = DependencySentence(
            words=tuple(form.tokens),
            lemmas=tuple(form.lemmas),
            parts_of_speech=tuple(form.parts_of_speech),
            heads=tuple(head - 1 for head in form.heads),
            dependency_labels=tuple(form.dependency_labels),
            sentence_id=form.sentence_id,
        )
        if form.dependency_scheme is not None:
            self.check_scheme(
                form.dependency_scheme, 'the input\'s "dependency_scheme" is', "parse it by another parser"
            )
        return [RequestedSentence(sentence, self.select_predicates(sentence))]

    def _read_conll(self, form: _ConllColumns) -> List[RequestedSentence]:
        lines = form.conll.split("\n")
        requested = []
        if guess_format(lines) == "CoNLL-U":
            sentences = parse_conllu(lines, "conll", propositions=False)
        else:
            sentences = parse_conll2009(lines, "conll", getattr(self._dataset_reader, "syntax", "gold"))
        for read in sentences:
            sentence = read.get_sentence()
            marked = [predicate.index for predicate in sentence.predicates]
            predicates = marked or self.select_predicates(sentence)
            requested.append(RequestedSentence(sentence, predicates))
        return requested

    def select_predicates(self, sentence: DependencySentence) -> List[int]:
        """Return the words that are predicates, by their universal parts of speech."""
        # To a model that never saw predicates without arguments, an auxiliary is a predicate with arguments.
        auxiliaries = getattr(self._dataset_reader, "predicates", None) == "all"
        return select_predicates(sentence, self._parts_of_speech, auxiliaries)

    def check_scheme(self, scheme: str, source: str, hint: str) -> None:
        """Raise a `ConfigurationError`, with the source and a hint, if the model was trained on trees in another scheme."""
        expected = getattr(self._dataset_reader, "dependency_scheme", None)
        if expected is not None and scheme != expected:
            raise ConfigurationError(
                f"This model was trained on dependency trees in the scheme '{expected}', but {source} '{scheme}'. Use trees "
                f"in '{expected}' ({hint}), or a model trained on '{scheme}' trees."
            )

    def build_instances(self, sentences: Sequence[RequestedSentence]) -> List[Instance]:
        """Build one instance for each predicate of each sentence."""
        instances = []
        for sentence, predicates in sentences:
            senses = {predicate.index: predicate.sense for predicate in sentence.predicates}
            for index in predicates:
                # Without roles, also where CoNLL columns have them: inputs with and without roles could not be in one batch.
                predicate = Predicate(index, senses.get(index), roles=None)
                instances.append(self._dataset_reader.text_to_instance(sentence, predicate))
        return instances

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """Build one instance for each predicate of each sentence of the input."""
        return self.build_instances(self.json_to_sentences(inputs))

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        sentences = [self.json_to_sentences(one_input) for one_input in inputs]
        outputs = self.run_model([instance for group in sentences for instance in self.build_instances(group)])

        def build_output(requested: RequestedSentence) -> JsonDict:
            predictions = [to_plain_json(next(outputs)["prediction"]) for _ in requested.predicates]
            return {"tokens": list(requested.sentence.words), "predicates": predictions}

        return [{"sentences": [build_output(requested) for requested in group]} for group in sentences]

    def build_result(self, metadata: Dict[str, Any], output: Dict[str, Any]) -> JsonDict:
        result = {
            "tokens": metadata["tokens"],
            "sentence_id": metadata.get("sentence_id"),
            "prediction": output["prediction"],
            "role_tags": output["role_tags"],
        }
        # AllenNLP's `sanitize` would write a missing sense as the string "None".
        return to_plain_json(result)


def _replace_predicates(sentences: List[RequestedSentence], predicates: List[int]) -> List[RequestedSentence]:
    """Give sentences predicates that are counted from 0 through all of them."""
    num_tokens = sum(len(requested.sentence) for requested in sentences)
    for index in predicates:
        if not 0 <= index < num_tokens:
            raise ConfigurationError(
                f'"predicates" has {index}, but the input\'s {num_tokens} tokens are numbered from 0 to {num_tokens - 1}.'
            )
    result, first = [], 0
    for requested in sentences:
        after = first + len(requested.sentence)
        result.append(requested._replace(predicates=[index - first for index in predicates if first <= index < after]))
        first = after
    return result
