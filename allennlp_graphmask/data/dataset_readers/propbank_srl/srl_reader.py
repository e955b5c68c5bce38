import logging
from collections import Counter
from functools import partial
from typing import Any, ClassVar, Dict, Iterable, Iterator, List, Optional

from allennlp.data import DatasetReader, Instance, Token, TokenIndexer
from allennlp.data.fields import Field, MetadataField, SequenceLabelField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.data.dataset_readers.propbank_srl.columns import FORMATS, guess_format
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import check_scheme
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate, ReadSentence
from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.fields import GraphField, OpenSequenceLabelField
from allennlp_graphmask.data.opaque_metadata import OpaqueMetadata
from allennlp_graphmask.graph import inverse_relation

logger = logging.getLogger(__name__)

#: The role label of tokens that are not arguments.
NULL_ROLE = "_"


class SrlReader(RecordReader):
    """
    The base of readers for semantic role labelling: one instance for each predicate of a sentence with a dependency tree. The nodes
    of its graph are the sentence's tokens. For each arc of the tree there is an edge from head to dependent, labelled with the
    dependency label, and the inverse edge (`allennlp_graphmask.graph.inverse_relation`). Roots have no arc. Subclasses write
    `read_sentences`, from path or URL.

    An instance has the fields `tokens`, `predicate_lemma` (a text of one token), `predicate_indicator`, `graph`, `roles` (if
    they are known; -1 where a role was not seen in training) and `metadata`.

    # Parameters

    dependency_scheme : `str`
        What the trees are annotated in: `"universal_dependencies"`, `"clearnlp"` (spaCy's English pipelines), `"conll2008"`, or
        a name of your own. Labels that belong to another known scheme are refused.
    predicates : `str`, optional (default = `"all"`)
        `"all"`, or `"with_arguments"`: leave out predicates that are known to have no arguments; their number is logged once
        for each file. What a model predicts for these is then not scored, which gives a higher F1.
    token_indexers : `Dict[str, TokenIndexer]`, optional
        Default is `{"tokens": SingleIdTokenIndexer(lowercase_tokens=True)}`. Tokens have `text`, `lemma_`, `pos_` (the part of
        speech column) and `dep_`.
    lemma_indexers : `Dict[str, TokenIndexer]`, optional
        For the predicate's lemma. Default is `{"lemmas": SingleIdTokenIndexer("lemmas", feature_name="lemma_")}`.
    max_sentence_length : `int`, optional (default = `None`)
        Longer sentences are left out; their number is logged once for each file.
    """

    #: The name of the format in `columns.FORMATS`, if it is one of these.
    format_name: ClassVar[Optional[str]] = None

    def __init__(
        self,
        dependency_scheme: str,
        predicates: str = "all",
        token_indexers: Optional[Dict[str, TokenIndexer]] = None,
        lemma_indexers: Optional[Dict[str, TokenIndexer]] = None,
        max_sentence_length: Optional[int] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice(type(self).__name__, ("all", "with_arguments"), predicates=predicates)
        self.dependency_scheme = dependency_scheme
        self.predicates = predicates
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer(lowercase_tokens=True)}
        self._lemma_indexers = lemma_indexers or {"lemmas": SingleIdTokenIndexer("lemmas", feature_name="lemma_")}
        self._max_sentence_length = max_sentence_length

    def for_format(self, lines: Iterable[str]) -> Optional["SrlReader"]:
        """
        Return a reader with the settings of this one for the format of a file that starts with these lines; `None` if that is this
        one's, or not known.
        """
        name = guess_format(lines)
        if name is None or name == self.format_name:
            return None
        reader_class: Any = DatasetReader.by_name(FORMATS[name].reader)
        return reader_class(
            dependency_scheme=self.dependency_scheme,
            predicates=self.predicates,
            token_indexers=self._token_indexers,
            lemma_indexers=self._lemma_indexers,
            max_sentence_length=self._max_sentence_length,
            max_instances=self.max_instances,
        )

    def read_sentences(self, path: str) -> Iterator[ReadSentence]:
        """
        Yield the sentences of a file, with their predicates.

        # Raises

        `ConfigurationError` if the file, or what is left of it, cannot be read at all.
        """
        raise NotImplementedError

    def records(self, path: str) -> Iterator[Record]:
        num_sentences = num_predicates = num_left_out = 0
        counts: Counter[str] = Counter()
        for read in self.read_sentences(path):
            # Counted before the sentences are shared out: a worker's share of a file may have no predicate.
            if read.sentence is not None:
                num_selected = len(self._select_predicates(read.sentence))
                num_sentences += 1
                num_predicates += num_selected
                num_left_out += len(read.sentence.predicates) - num_selected
            yield Record(read.place, partial(self._build_instances, read, path, counts), self._explain_emptiness(read))
        if counts["too long"]:
            logger.warning(
                "%s: left out %d sentences of more than %d tokens.", path, counts["too long"], self._max_sentence_length
            )
        if num_left_out:
            logger.warning(
                "%s: left out %d predicates without arguments, as the reader's `predicates` is 'with_arguments'.",
                path,
                num_left_out,
            )
        elif num_sentences and not num_predicates:
            logger.warning("%s: no instance: no sentence has a predicate.", path)

    def _build_instances(self, read: ReadSentence, path: str, counts: Counter[str]) -> List[Instance]:
        sentence = read.get_sentence()
        check_scheme(sentence.dependency_labels, self.dependency_scheme, f"{path}, sentence {sentence.sentence_id}")
        if self._is_too_long(sentence):
            counts["too long"] += 1
            return []
        return [self.text_to_instance(sentence, predicate) for predicate in self._select_predicates(sentence)]

    def _explain_emptiness(self, read: ReadSentence) -> str:
        """Return why a sentence may have no instance."""
        if read.sentence is not None and self._is_too_long(read.sentence):
            return f"more than {self._max_sentence_length} tokens"
        return "no predicate" if self.predicates == "all" else "no predicate with arguments"

    def _is_too_long(self, sentence: DependencySentence) -> bool:
        return self._max_sentence_length is not None and len(sentence) > self._max_sentence_length

    def _select_predicates(self, sentence: DependencySentence) -> List[Predicate]:
        takes_all = self.predicates == "all"
        return [predicate for predicate in sentence.predicates if takes_all or predicate.roles != {}]

    def text_to_instance(self, sentence: DependencySentence, predicate: Predicate) -> Instance:
        """
        # Parameters

        sentence : `DependencySentence`
        predicate : `Predicate`
            Need not be one of the sentence's own; without roles (`None`) the instance is one for prediction.
        """
        check_scheme(sentence.dependency_labels, self.dependency_scheme, f"Sentence {sentence.text!r}")
        columns = (sentence.words, sentence.lemmas, sentence.parts_of_speech, sentence.dependency_labels)
        # `apply_token_indexers` adds the indexers: workers of a data loader must not send them along.
        text = TextField([Token(word, lemma_=lemma, pos_=tag, dep_=label) for word, lemma, tag, label in zip(*columns)])
        lemma = sentence.lemmas[predicate.index].lower()
        edges, labels = [], []
        for dependent, (head, label) in enumerate(zip(sentence.heads, sentence.dependency_labels)):
            if head != ROOT:
                edges += [(head, dependent), (dependent, head)]
                labels += [label, inverse_relation(label)]
        metadata: Dict[str, Any] = {
            "tokens": list(sentence.words),
            "lemmas": list(sentence.lemmas),
            "parts_of_speech": list(sentence.parts_of_speech),
            "heads": list(sentence.heads),
            "dependency_labels": list(sentence.dependency_labels),
            "dependency_scheme": self.dependency_scheme,
            "predicate_index": predicate.index,
            "predicate_sense": predicate.sense,
            "sentence_id": sentence.sentence_id,
        }
        fields: Dict[str, Field[Any]] = {
            "tokens": text,
            "predicate_lemma": TextField([Token(lemma, lemma_=lemma)]),
            "predicate_indicator": SequenceLabelField(
                [int(token == predicate.index) for token in range(len(sentence))], text
            ),
            "graph": GraphField(len(sentence), edges, labels),
        }
        if predicate.roles is not None:
            roles: List[str] = [predicate.roles.get(token, NULL_ROLE) for token in range(len(sentence))]
            fields["roles"] = OpenSequenceLabelField(roles, text, "role_labels")
            metadata["roles"] = dict(predicate.roles)
        fields["metadata"] = MetadataField(OpaqueMetadata(metadata))
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        for name, indexers in (("tokens", self._token_indexers), ("predicate_lemma", self._lemma_indexers)):
            field = instance.fields[name]
            assert isinstance(field, TextField)
            field.token_indexers = indexers
