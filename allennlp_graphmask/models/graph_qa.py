from typing import Any, Dict, List, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import FeedForward, Seq2SeqEncoder, Seq2VecEncoder, TextFieldEmbedder
from allennlp.nn import util
from torch import nn

from allennlp_graphmask.checked_parameters import ModelWithCheckedParameters
from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.focus import WHOLE_PREDICTION, Focus, unknown_focus, whole_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.metrics import Mean
from allennlp_graphmask.models.shared import check_dim, compute_known_label_loss
from allennlp_graphmask.modules.finite import check_finite
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.rounding import logit_rounding, most_probable, rank_with_ties, shared_maximum

#: The index of an answer that is not known, or is not a candidate.
NO_ANSWER = -1
#: What the name of a focus on the answer against a candidate begins with.
AGAINST = "against:"


@Model.register("graph_qa")
class GraphQuestionAnswering(ModelWithCheckedParameters):
    """
    Answers a question by choosing among candidates, with a graph encoder over the mentions of the candidates and of the question's
    subject in supporting texts ([De Cao, Aziz and Titov, 2019](https://arxiv.org/abs/1808.09920), sections 2.2 to 2.4).

    A mention is the mean of its tokens' embeddings (optionally with those of the tokens around it), together with the encoded
    question. The graph encoder passes messages between mentions, each mention gets a score from its state and the question, and a
    candidate's score is the highest score of its mentions. A candidate without a mention is ruled out: it is not a class of the
    distribution.

    Registered as a `Model` with name "graph_qa".

    # Parameters

    text_field_embedder : `TextFieldEmbedder`
        Embeds the tokens of the supports and of the question.
    query_encoder : `Seq2VecEncoder`
        From the question's tokens to one vector.
    scorer : `FeedForward`
        From `[state; question]` of a mention to its score.
    graph_encoder : `GraphEncoder`, optional (default = `None`)
        Without it the model is a baseline that uses no edges.
    query_seq2seq_encoder : `Seq2SeqEncoder`, optional (default = `None`)
        Below `query_encoder`.
    mention_encoder : `FeedForward`, optional (default = `None`)
        From a mention's mean embedding (and the subject feature) to the vector that is concatenated with the question.
    node_encoder : `FeedForward`, optional (default = `None`)
        From `[mention; question]` to the graph encoder's input.
    use_subject_feature : `bool`, optional (default = `True`)
        Whether a mention's embedding gets one more number: 1 if it mentions the question's subject.
    context_size : `int`, optional (default = `0`)
        If positive, a mention is `[mention; left; right]`, with the mean embeddings of up to this number of tokens of the support
        before and after it, zeros where there are none. For embeddings without context, such as word vectors; the paper has
        contextual ones.
    dropout : `float`, optional (default = `0.0`)
        On embeddings, on the graph encoder's input and on the scorer's.
    mention_dropout : `float`, optional (default = `0.0`)
        On the mean of a mention's own tokens, before `dropout`. High values keep the model from learning names.
    """

    default_predictor = "graph_qa"
    foci = {WHOLE_PREDICTION: WHOLE_PREDICTION, "rival": "rival"}
    without_focus = "the answer has no such rival among the candidates that are mentioned"
    renamed_parameters = {"subject_flag": "use_subject_feature"}

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        query_encoder: Seq2VecEncoder,
        scorer: FeedForward,
        *,
        graph_encoder: Optional[GraphEncoder] = None,
        query_seq2seq_encoder: Optional[Seq2SeqEncoder] = None,
        mention_encoder: Optional[FeedForward] = None,
        node_encoder: Optional[FeedForward] = None,
        use_subject_feature: bool = True,
        context_size: int = 0,
        dropout: float = 0.0,
        mention_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self.text_field_embedder = text_field_embedder
        self.query_encoder = query_encoder
        self.query_seq2seq_encoder = query_seq2seq_encoder
        self.mention_encoder = mention_encoder
        self.node_encoder = node_encoder
        self.graph_encoder = graph_encoder
        self.scorer = scorer
        self.dropout = nn.Dropout(dropout)
        self.mention_dropout = nn.Dropout(mention_dropout)
        check_at_least("graph_qa", 0, context_size=context_size)
        self._context_size = context_size
        self._use_subject_feature = use_subject_feature

        embedding_dim = query_token_dim = text_field_embedder.get_output_dim()
        if query_seq2seq_encoder is not None:
            check_dim("query_seq2seq_encoder", query_seq2seq_encoder.get_input_dim(), embedding_dim, "embeddings")
            query_token_dim = query_seq2seq_encoder.get_output_dim()
        check_dim("query_encoder", query_encoder.get_input_dim(), query_token_dim, "the question's tokens")
        query_dim = query_encoder.get_output_dim()
        node_dim = embedding_dim * (3 if context_size else 1) + int(use_subject_feature)
        what = "mentions (with context_size and use_subject_feature)"
        if mention_encoder is not None:
            check_dim("mention_encoder", mention_encoder.get_input_dim(), node_dim, what)
            node_dim = mention_encoder.get_output_dim()
        node_dim += query_dim
        if graph_encoder is not None:
            graph_encoder.check_contract()
        for name, encoder in (("node_encoder", node_encoder), ("graph_encoder", graph_encoder)):
            if encoder is not None:
                check_dim(name, encoder.get_input_dim(), node_dim, f"{what} and the question")
                node_dim = encoder.get_output_dim()
        check_dim("scorer", scorer.get_input_dim(), node_dim + query_dim, "nodes and the question")
        if scorer.get_output_dim() != 1:
            raise ConfigurationError(
                f"scorer gives {scorer.get_output_dim()} numbers for a mention, expected 1: its score."
            )
        self._accuracy = Mean()
        self._mentioned_accuracy = Mean()
        self._answer_probability = Mean()

    def encode_query(self, query: TextFieldTensors) -> torch.Tensor:
        """Encode the question. Shape: `(batch_size, query_dim)`."""
        mask = util.get_text_field_mask(query)
        states = self.dropout(self.text_field_embedder(query))
        if self.query_seq2seq_encoder is not None:
            states = self.query_seq2seq_encoder(states, mask)
        return self.query_encoder(states, mask)

    def encode_nodes(
        self,
        query: TextFieldTensors,
        supports: TextFieldTensors,
        mention_spans: torch.Tensor,
        mention_is_subject: torch.Tensor,
        graph: Graph,
        **_: Any,
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """
        Compute the input of the graph encoder: the encoded question, shape `(batch_size, query_dim)`, and the mentions,
        shape `(num_nodes, node_dim)`. Passes with different interventions can share it, as `node_states` of `forward`.
        """
        encoded_query = self.encode_query(query)
        mentions = self.dropout(self._embed_mentions(supports, mention_spans, graph))
        if self._use_subject_feature:
            is_subject = graph.flatten_nodes(mention_is_subject).unsqueeze(-1).to(mentions.dtype)
            mentions = torch.cat([mentions, is_subject], dim=-1)
        if self.mention_encoder is not None:
            mentions = self.mention_encoder(mentions)
        nodes = torch.cat([mentions, graph.repeat_for_nodes(encoded_query)], dim=-1)
        if self.node_encoder is not None:
            nodes = self.node_encoder(nodes)
        return encoded_query, self.dropout(nodes)

    def _embed_mentions(self, supports: TextFieldTensors, mention_spans: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Shape: `(num_nodes, embedding_dim)`, or three times that with a context."""
        embedded = self.text_field_embedder(supports, num_wrapping_dims=1)
        mentions = self.mention_dropout(average_spans(embedded, mention_spans, graph))
        if not self._context_size:
            return mentions
        support, first, last = mention_spans.unbind(-1)
        lengths = util.get_text_field_mask(supports, num_wrapping_dims=1).sum(-1)
        end = lengths.gather(1, support.clamp(min=0)) - 1
        left = torch.stack([support, (first - self._context_size).clamp(min=0), first - 1], dim=-1)
        right = torch.stack([support, last + 1, torch.minimum(last + self._context_size, end)], dim=-1)
        context = [average_spans(embedded, spans, graph) for spans in (left, right)]
        return torch.cat([mentions, *context], dim=-1)

    def forward(
        self,
        query: TextFieldTensors,
        supports: TextFieldTensors,
        mention_spans: torch.Tensor,
        mention_candidates: torch.Tensor,
        mention_is_subject: torch.Tensor,
        candidate_mask: torch.Tensor,
        graph: Graph,
        answer: Optional[torch.Tensor] = None,
        metadata: Optional[List[Dict[str, Any]]] = None,
        node_states: Optional[Tuple[torch.Tensor, torch.Tensor]] = None,
    ) -> Dict[str, Any]:
        """
        # Parameters

        supports : `TextFieldTensors`
            From a `ListField`.
        mention_spans : `torch.Tensor`
            For each mention the support, its first and its last token (inclusive). Shape: `(batch_size, num_mentions, 3)`.
        mention_candidates : `torch.Tensor`
            The candidate that is mentioned, -1 for none. Shape: `(batch_size, num_mentions)`.
        mention_is_subject : `torch.Tensor`
            Shape: `(batch_size, num_mentions)`.
        candidate_mask : `torch.Tensor`
            Shape: `(batch_size, num_candidates)`.
        graph : `Graph`
            Its nodes are the mentions.
        answer : `torch.Tensor`, optional
            The right candidate, -1 if it is not known or not a candidate. Shape: `(batch_size,)`.
        node_states : `Tuple[torch.Tensor, torch.Tensor]`, optional
            The result of `encode_nodes`.

        # Returns

        A dictionary with `logits` and `mask`, the candidates that are mentioned, both of shape `(batch_size, num_candidates)`;
        `mention_scores`, shape `(batch_size, num_mentions)`; `metadata` if given; and with `answer` the `loss`: cross-entropy, the
        mean over the questions with a mentioned answer.
        """
        if node_states is None:
            node_states = self.encode_nodes(query, supports, mention_spans, mention_is_subject, graph)
        encoded_query, nodes = node_states
        states = nodes if self.graph_encoder is None else self.dropout(self.graph_encoder(nodes, graph))
        scores = self.scorer(torch.cat([states, graph.repeat_for_nodes(encoded_query)], dim=-1)).squeeze(-1)
        mention_scores = graph.pad_nodes(scores, mention_spans.size(1))  # Shape: (batch_size, num_mentions)

        batch_size, num_candidates = candidate_mask.shape
        # Mentions without a candidate go into a column of their own, which is cut off.
        column = mention_candidates.masked_fill(mention_candidates < 0, num_candidates)
        first_columns = torch.arange(batch_size, device=column.device).unsqueeze(-1) * (num_candidates + 1)
        candidate_scores = shared_maximum(
            mention_scores.reshape(-1, 1),
            (first_columns + column).flatten(),
            batch_size * (num_candidates + 1),
            rounding=logit_rounding(mention_scores).reshape(-1, 1),
            empty=torch.finfo(mention_scores.dtype).min,
        )
        logits = candidate_scores.view(batch_size, num_candidates + 1)[:, :num_candidates]
        mentioned = torch.zeros(batch_size, num_candidates + 1, dtype=torch.bool, device=column.device).scatter(
            1, column, True
        )[:, :num_candidates]
        mask = mentioned & candidate_mask.bool()
        output: Dict[str, Any] = {"logits": logits, "mask": mask, "mention_scores": mention_scores}
        if metadata is not None:
            output["metadata"] = metadata
        if answer is not None:
            output["loss"] = self._compute_loss(logits, mask, answer)
        return output

    def _compute_loss(self, logits: torch.Tensor, mask: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        """Return the loss, and count into the metrics."""
        logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
        is_known = answer != NO_ANSWER
        places = answer.clamp(min=0).unsqueeze(-1)  # Shape: (batch_size, 1)
        is_mentioned = mask.gather(1, places).squeeze(-1) & is_known
        is_right = (most_probable(logits) == answer) & is_mentioned
        probability = logits.detach().softmax(-1).gather(1, places).squeeze(-1) * is_mentioned
        self._accuracy(is_right[is_known])
        self._mentioned_accuracy(is_right[is_mentioned])
        self._answer_probability(probability[is_known])
        return compute_known_label_loss(logits, answer, is_mentioned)

    def get_foci(self, focus: str, batch: Dict[str, Any], output: Dict[str, Any], graph: Graph) -> List[Focus]:
        """
        Return the part of the prediction that a name stands for; see `Focus`. `"all"`: the answer among all candidates. `"rival"`: the
        answer against the second most probable candidate. `"against:TEXT"`: the answer against the candidate of this text.
        """
        mask, candidate_of = output["mask"], batch["mention_candidates"]
        of_node = graph.flatten_nodes(candidate_of)  # Shape: (num_nodes,)
        if focus == WHOLE_PREDICTION:
            scored = (of_node >= 0) & graph.repeat_for_nodes(mask).gather(
                1, of_node.clamp(min=0).unsqueeze(-1)
            ).squeeze(-1)
            return [whole_prediction(mask, graph, scored)]
        if focus != "rival" and not focus.startswith(AGAINST):
            raise unknown_focus(self, focus, f"'all', 'rival' or '{AGAINST}' and the text of a candidate")
        lowest = torch.finfo(output["logits"].dtype).min
        logits = output["logits"].masked_fill(~mask, lowest)
        pairs = torch.zeros_like(mask)
        descriptions: List[Optional[str]] = [None] * len(mask)
        for row, metadata in enumerate(batch.get("metadata") or [{}] * len(mask)):
            names = metadata.get("candidates") or [str(number) for number in range(mask.size(1))]
            answer = int(most_probable(logits[row]))
            others = mask[row].clone()
            others[answer] = False
            if focus != "rival":
                named = [
                    number for number, name in enumerate(names) if name.casefold() == focus[len(AGAINST) :].casefold()
                ]
                is_named = torch.zeros_like(others)
                is_named[named] = True
                others &= is_named
            if not (others.any() and mask[row, answer]):
                continue
            rival = int(most_probable(logits[row].masked_fill(~others, lowest)))
            pairs[row, [answer, rival]] = True
            descriptions[row] = f"the answer {names[answer]} rather than {names[rival]}"
        in_pair = graph.repeat_for_nodes(pairs).gather(1, of_node.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        return [Focus("rival", descriptions, pairs, in_pair & (of_node >= 0))]

    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        """
        Add for each instance, if there are metadata, `prediction`: the `answer` (`None` if no candidate is mentioned) and the
        `ranking`, all candidates with `candidate`, `text`, `probability` and `score` (`None` where not mentioned), and `mentions`,
        the nodes of its mentions, the highest scored first.
        """
        if "metadata" not in output_dict:
            return output_dict
        check_finite(self, mention_scores=output_dict["mention_scores"], logits=output_dict["logits"])
        mask = output_dict["mask"]
        logits = output_dict["logits"].masked_fill(~mask, float("-inf"))
        # A question without any mention has no distribution.
        probabilities = logits.softmax(-1).nan_to_num(0.0).tolist()
        rows = zip(
            output_dict["metadata"],
            output_dict["logits"].tolist(),
            mask.tolist(),
            probabilities,
            output_dict["mention_scores"].tolist(),
        )
        output_dict["prediction"] = [_build_prediction(*row) for row in rows]
        return output_dict

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        """
        Return `accuracy` and `answer_probability` (the mean probability of the right answer, 0 where it is not mentioned; on few
        questions less noisy than accuracy), over the questions with a known answer, and `mentioned_accuracy`, over those with a
        mentioned answer.
        """
        return {
            "accuracy": self._accuracy.get_metric(reset),
            "mentioned_accuracy": self._mentioned_accuracy.get_metric(reset),
            "answer_probability": self._answer_probability.get_metric(reset),
        }


def average_spans(embedded: torch.Tensor, spans: torch.Tensor, graph: Graph) -> torch.Tensor:
    """
    Average the embeddings, shape `(batch_size, num_supports, num_tokens, embedding_dim)`, of each span: its support,
    first and last token (inclusive), shape `(batch_size, num_mentions, 3)`. A span whose last token is before its first
    is empty, and gets zeros. The nodes of the graph are the mentions. Shape: `(num_nodes, embedding_dim)`.
    """
    batch_size, num_supports, num_tokens, _ = embedded.shape
    instance = torch.arange(batch_size, device=spans.device).view(-1, 1, 1).expand(-1, spans.size(1), 1)
    flat = graph.flatten_nodes(torch.cat([instance, spans], dim=-1))  # Shape: (num_nodes, 4)
    row, support, first, last = flat.unbind(-1)
    lengths = last - first + 1
    offsets = torch.arange(int(lengths.max().clamp(min=0)) if len(lengths) else 0, device=spans.device)
    inside = offsets < lengths.unsqueeze(-1)  # Shape: (num_nodes, longest)
    start = (row * num_supports + support) * num_tokens + first
    # Places outside a span read any token, which is then multiplied by zero; an empty span may start behind the last token.
    places = ((start.unsqueeze(-1) + offsets) * inside).flatten()
    tokens = embedded.flatten(0, 2).index_select(0, places).unflatten(0, inside.shape)
    return (tokens * inside.unsqueeze(-1)).sum(1) / lengths.clamp(min=1).unsqueeze(-1).to(tokens.dtype)


def _build_prediction(
    metadata: Dict[str, Any],
    logits: List[float],
    mentioned: List[bool],
    probabilities: List[float],
    mention_scores: List[float],
) -> Dict[str, Any]:
    mentions: Dict[int, List[int]] = {}
    for node, mention in enumerate(metadata["nodes"]):
        if mention["candidate"] != NO_ANSWER:
            mentions.setdefault(mention["candidate"], []).append(node)
    ranking = [
        {
            "candidate": candidate,
            "text": text,
            "probability": probabilities[candidate],
            "score": logits[candidate] if mentioned[candidate] else None,
            "mentions": _best_first(mentions.get(candidate, []), mention_scores),
        }
        for candidate, text in enumerate(metadata["candidates"])
    ]
    best_first = _best_first([number for number, score in enumerate(mentioned) if score], logits)
    ranking = [ranking[number] for number in best_first] + [entry for entry in ranking if entry["score"] is None]
    best = ranking[0] if ranking and ranking[0]["score"] is not None else None
    return {"answer": best["text"] if best else None, "ranking": ranking}


def _best_first(numbers: List[int], scores: List[float]) -> List[int]:
    """Sort what is numbered by its score; of equal scores the first comes first."""
    own = [-scores[number] for number in numbers]
    ranks = rank_with_ties(own, logit_rounding(torch.tensor(own)).tolist())
    return [number for _, number in sorted(zip(ranks, numbers))]
