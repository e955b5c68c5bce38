import logging
from collections import Counter
from functools import partial
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Token, TokenIndexer
from allennlp.data.fields import Field, ListField, MetadataField, TensorField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import Tokenizer

from allennlp_graphmask.data.coreference import CoreferenceResolver, NoCoreference, check_clusters
from allennlp_graphmask.data.dataset_readers.multihop_qa.candidate_selection import (
    UNKNOWN,
    SelectedCandidates,
    select_candidates,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates import EntityCandidates
from allennlp_graphmask.data.dataset_readers.multihop_qa.json_objects import read_json_objects
from allennlp_graphmask.data.dataset_readers.multihop_qa.mention_graph import MENTION_RELATIONS, link_mentions
from allennlp_graphmask.data.dataset_readers.multihop_qa.mentions import (
    Phrase,
    QuestionMentions,
    align_clusters,
    describe_mentions,
    find_mentions,
)
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.tokenized_text import (
    TokenizedText,
    normalize_case,
    tokenize_texts,
)
from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.data.files import errors_at
from allennlp_graphmask.data.opaque_metadata import OpaqueMetadata
from allennlp_graphmask.data.tokenizers import PlainWordsTokenizer
from allennlp_graphmask.data.tokenizers.tokenization import tokenize

logger = logging.getLogger(__name__)

#: The readers of published formats, and the keys by which an object in one is recognised.
_FORMATS = {"wikihop": {"query", "supports"}, "hotpotqa_graph": {"question", "context"}}


class MultihopQaReader(RecordReader):
    """
    The base of readers for multi-hop question answering over mentions: one instance for each question, whose graph has as
    nodes the mentions in its supports of the candidates and of the query's subject.

    A mention is an exact match of tokens without regard to case (`normalize_case`). `find_mentions` describes
    nested matches and coreferent spans, `link_mentions` the relations. Each link is two edges with the same label, one in each direction.

    The fields of an instance (N mentions, C candidates):

    - `query`: a text.
    - `supports`: a list of texts, those in which there is a mention, in order; one without tokens if there is none.
    - `mention_spans`: row in `supports`, first and last token (inclusive). Shape: (N, 3), padding -1.
    - `mention_candidates`: the candidate that the mention stands for, -1 if it only stands for the subject. Shape: (N,),
      padding -1; `mention_spans` shows what is padding.
    - `mention_is_subject`: Shape: (N,), bool.
    - `candidate_mask`: Shape: (C,), bool.
    - `answer`: an index of candidates, -1 where it is not known. Shape: ().
    - `graph`: a `GraphField` whose nodes are the mentions, in order.
    - `metadata`: `id`, `query`, `relation`, `subject`, `subjects`, `candidates` (those kept), `candidates_found_by` (in words; `None` where
      they were given), `answer` (text), `supports`
      (all texts), `support_rows` (which of them each row of `supports` is), and for explanations `tokens` (of the rows, one
      after the other) and `nodes`, for each mention `text`, `support` (its number among all texts), `start_char` and `end_char`
      (exclusive) there, `start` and `end` (exclusive) in `tokens`, `candidate` (index or -1), `is_subject` and `kind`
      (`"candidate"`, `"subject"` or `"coreferent"`).

    Legal are: an answer that is never mentioned, a support without mentions, no mention at all, candidates given twice (they
    are one), empty supports, no support, no answer. Malformed questions stop the reading with a `ConfigurationError` that names
    the file and the question. What is left out because of the limits below is counted and logged once for each file.

    # Parameters

    tokenizer : `Tokenizer`, optional (default = `PlainWordsTokenizer()`)
        It must give the places of its tokens in the text (`idx`). For a transformer keep words as tokens and use indexers for
        mismatched tokens (`pretrained_transformer_mismatched`).
    token_indexers : `Dict[str, TokenIndexer]`, optional
        For query and supports. Default is `{"tokens": SingleIdTokenIndexer(lowercase_tokens=True)}`.
    coreference : `CoreferenceResolver`, optional (default = `NoCoreference()`)
    relations : `List[str]`, optional (default = `["DOC-BASED", "MATCH", "COREF", "COMPLEMENT"]`)
        The relations that there are links for. COMPLEMENT links what no other relation of the list does.
    match_within_supports : `bool`, optional (default = `False`)
        Whether MATCH also links mentions in the same support.
    max_nodes : `int`, optional (default = `500`)
        Further mentions, in the order of the text, are left out.
    max_query_tokens : `int`, optional
        Further tokens are left out.
    max_candidates : `int`, optional
        Further candidates are left out, and their mentions are not looked for.
    keep_answer : `bool`, optional (default = `True`)
        If the answer is known and beyond `max_candidates`, it takes the place of the last candidate kept. That is for training;
        set it to `False` for data that the model is evaluated on, where such a question then has no known answer.
    only_supports_with_mentions : `bool`, optional (default = `True`)
        Whether texts without a mention are left out of `supports`: no node depends on them.
    subject_in_query : `bool`, optional (default = `True`)
        Whether the field `query` holds the subject's name after the relation. A model that gets the subject's mentions by
        `mention_is_subject` does not need the name, and memorizes fewer names from few questions. A query without a known
        relation stays whole.
    """

    #: Whether a known answer that is not a candidate is an error, or is counted and becomes an unknown one.
    answer_must_be_candidate = True
    #: The keys that may hold a question's id.
    id_keys: Tuple[str, ...] = ("id",)
    #: Finds candidates and subjects in texts, for data sets that give none.
    entity_candidates: Optional[EntityCandidates] = None

    def __init__(
        self,
        tokenizer: Optional[Tokenizer] = None,
        token_indexers: Optional[Dict[str, TokenIndexer]] = None,
        coreference: Optional[CoreferenceResolver] = None,
        relations: Optional[List[str]] = None,
        match_within_supports: bool = False,
        max_nodes: int = 500,
        max_query_tokens: int = 25,
        max_candidates: int = 80,
        keep_answer: bool = True,
        only_supports_with_mentions: bool = True,
        subject_in_query: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        limits = {"max_nodes": max_nodes, "max_query_tokens": max_query_tokens, "max_candidates": max_candidates}
        for name, limit in limits.items():
            if limit < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {limit}.")
        for relation in relations or ():
            if relation not in MENTION_RELATIONS:
                raise ConfigurationError(
                    f"relations has {relation!r}, expected some of {', '.join(MENTION_RELATIONS)}."
                )
        self._tokenizer = tokenizer or PlainWordsTokenizer()
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer(lowercase_tokens=True)}
        self._coreference = coreference or NoCoreference()
        self._relations = MENTION_RELATIONS if relations is None else tuple(relations)
        self._match_within_supports = match_within_supports
        self._max_nodes = max_nodes
        self._max_query_tokens = max_query_tokens
        self._max_candidates = max_candidates
        self._keep_answer = keep_answer
        self._only_supports_with_mentions = only_supports_with_mentions
        self._subject_in_query = subject_in_query

    def question_from_json(self, content: Dict[str, Any]) -> MultihopQuestion:
        """
        Return the question in an object of the data set's JSON.

        # Raises

        `ConfigurationError` if a key is missing or has a value of the wrong type.
        """
        raise NotImplementedError

    def records(self, path: str) -> Iterator[Record]:
        counts: Counter[str] = Counter()
        num_objects = 0
        for found in read_json_objects(path):
            num_objects = found.number
            name = next((found.content[key] for key in self.id_keys if key in found.content), None)
            which = "without an id" if name is None else f"{name!r:.80}"
            place = f"question {which} (number {found.number}, byte {found.offset})"
            yield Record(place, partial(self._read_object, found.content, f"{path}, {place}", counts))
        self._log(path, counts)
        if not num_objects:
            logger.warning("%s: no instance: the list of questions is empty.", path)

    def _read_object(self, content: Dict[str, Any], place: str, counts: Counter[str]) -> List[Instance]:
        with errors_at(place):
            try:
                question = self.question_from_json(content)
            except ConfigurationError as error:
                raise ConfigurationError(f"{error.message}{self._recognise(content)}") from error
            instance, counts_of_question = self._build_instance(question)
        counts.update(counts_of_question)
        return [instance]

    def _recognise(self, content: Dict[str, Any]) -> str:
        """Return a sentence that names the reader of an object's format, if it is another one."""
        for name, keys in _FORMATS.items():
            if keys <= content.keys() and type(self) is not DatasetReader.by_name(name):
                return (
                    f" It has the keys of another format ({', '.join(sorted(keys))}), which the reader '{name}' reads."
                )
        return ""

    def _log(self, path: str, counts: Counter[str]) -> None:
        """Log what was read and what was left out."""
        of_answers = ("answer known", "answer among candidates", "answer mentioned")
        logger.info(
            "%s: %d questions, %d with an answer, which is among the candidates of %d and mentioned in %d; %d mentions, %d "
            "questions without any.",
            path,
            *(counts[name] for name in ("questions", *of_answers, "mentions", "without mention")),
        )
        num_known = counts["answer known"]
        num_no_candidate = num_known - counts["answer among candidates"]
        left_out = [
            (counts["queries cut"], f"queries were cut to {self._max_query_tokens} tokens"),
            (counts["candidates cut"], f"candidates beyond {self._max_candidates} a question were left out"),
            (counts["answers moved"], "answers beyond that limit were kept in place of another candidate"),
            (counts["answers cut"], "answers beyond that limit were left out and count as unknown"),
            (num_no_candidate, f"of {num_known} answers are not among the candidates and count as unknown"),
            (counts["nodes cut"], f"mentions beyond {self._max_nodes} a question were left out"),
            (counts["candidates merged"], "candidates were given twice and merged"),
        ]
        parts = [f"{number} {what}" for number, what in left_out if number]
        if parts:
            logger.warning("%s: %s.", path, "; ".join(parts))

    def text_to_instance(self, question: MultihopQuestion) -> Instance:
        """
        # Parameters

        question : `MultihopQuestion`
            `question_from_json` makes one of the data set's JSON. Without an answer the instance is one for prediction.
        """
        return self._build_instance(question)[0]

    def _build_instance(self, question: MultihopQuestion) -> Tuple[Instance, Counter[str]]:
        """Build a question's instance, and count what the log of its file reports."""
        query = self._tokenize_query(question)
        candidates = select_candidates(
            question,
            self._to_phrase,
            self._max_candidates,
            keep_answer=self._keep_answer,
            answer_must_be_candidate=self.answer_must_be_candidate,
        )
        supports = tokenize_texts(self._tokenizer, question.supports)
        found = self._find_mentions(question, candidates, supports)
        mentions = found.mentions[: self._max_nodes]
        counts = candidates.counts
        counts["questions"] = 1
        counts["queries cut"] = int(len(query) > self._max_query_tokens)
        counts["nodes cut"] = len(found.mentions) - len(mentions)
        counts["mentions"] = len(mentions)
        counts["without mention"] = int(not mentions)
        if candidates.answer != UNKNOWN:
            counts["answer mentioned"] = int(any(mention.candidate == candidates.answer for mention in mentions))

        # The supports that are rows of the field.
        rows = list(range(len(supports)))
        if self._only_supports_with_mentions:
            rows = sorted({mention.support for mention in mentions})
        row_of_support = {support: row for row, support in enumerate(rows)}
        edges, labels = link_mentions(
            [mention.support for mention in mentions],
            [mention.entity for mention in mentions],
            [[number for number in cluster if number < len(mentions)] for cluster in found.clusters],
            self._relations,
            match_within_supports=self._match_within_supports,
        )
        spans = [(row_of_support[mention.support], mention.first_token, mention.last_token) for mention in mentions]
        mention_candidates = torch.tensor([mention.candidate for mention in mentions], dtype=torch.long)
        mention_is_subject = torch.tensor([mention.is_subject for mention in mentions], dtype=torch.bool)
        metadata = {
            "explanation_kind": "question",
            "id": question.question_id,
            "query": question.query,
            "relation": question.relation,
            "subject": question.subjects[0] if len(question.subjects) == 1 else None,
            "subjects": list(question.subjects),
            "candidates": candidates.texts,
            "candidates_found_by": question.candidates_found_by,
            "answer": question.answer,
            "supports": list(question.supports),
            "support_rows": rows,
            **describe_mentions(mentions, supports, rows),
        }
        # `apply_token_indexers` adds the indexers: workers of a data loader must not send them along.
        fields: Dict[str, Field[Any]] = {
            "query": TextField(query[: self._max_query_tokens]),
            "supports": ListField([TextField(supports[support].tokens) for support in rows] or [TextField([])]),
            "mention_spans": TensorField(torch.tensor(spans, dtype=torch.long).reshape(-1, 3), padding_value=UNKNOWN),
            "mention_candidates": TensorField(mention_candidates, padding_value=UNKNOWN),
            "mention_is_subject": TensorField(mention_is_subject, padding_value=False),
            "candidate_mask": TensorField(torch.ones(len(candidates.texts), dtype=torch.bool), padding_value=False),
            "answer": TensorField(torch.tensor(candidates.answer), padding_value=UNKNOWN),
            "graph": GraphField(len(mentions), edges, labels, label_names=MENTION_RELATIONS),
            "metadata": MetadataField(OpaqueMetadata(metadata)),
        }
        return Instance(fields), counts

    def _find_mentions(
        self, question: MultihopQuestion, candidates: SelectedCandidates, supports: Sequence[TokenizedText]
    ) -> QuestionMentions:
        subjects = [phrase for phrase in dict.fromkeys(map(self._to_phrase, question.subjects)) if phrase]
        resolved = self._coreference.clusters(question.supports, question.coreference)
        clusters = [
            align_clusters(clusters_of_text, support.starts, support.ends)
            for clusters_of_text, support in zip(check_clusters(resolved, question.supports), supports)
        ]
        words = [support.get_words() for support in supports]
        return find_mentions(words, candidates.phrases, subjects, clusters)

    def _tokenize_query(self, question: MultihopQuestion) -> List[Token]:
        text = question.query
        if question.relation and text.startswith(question.relation):
            # As long as before, so that the tokens' places are those in the query.
            subject = text[len(question.relation) :] if self._subject_in_query else ""
            text = question.relation.replace("_", " ") + subject
        (tokens,) = tokenize(self._tokenizer, [text])
        if not tokens:
            raise ConfigurationError(f"the query {question.query!r} has no token.")
        return tokens

    def _to_phrase(self, text: str) -> Phrase:
        (tokens,) = tokenize(self._tokenizer, [text])
        return tuple(normalize_case(token.ensure_text()) for token in tokens)

    def apply_token_indexers(self, instance: Instance) -> None:
        query, supports = instance.fields["query"], instance.fields["supports"]
        assert isinstance(query, TextField) and isinstance(supports, ListField)
        for field in (query, *supports.field_list):
            assert isinstance(field, TextField)
            field.token_indexers = self._token_indexers
