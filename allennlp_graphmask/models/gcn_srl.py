from typing import Any, Dict, List, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import Seq2SeqEncoder, TextFieldEmbedder
from allennlp.nn import util
from torch import nn

from allennlp_graphmask.checked_parameters import ModelWithCheckedParameters
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import argument_spans
from allennlp_graphmask.data.fields.open_label_field import UNSEEN_LABEL
from allennlp_graphmask.focus import WHOLE_PREDICTION, Focus, unknown_focus, whole_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.metrics.semantic_role_f1 import SemanticRoleF1
from allennlp_graphmask.models.shared import check_dim
from allennlp_graphmask.modules.finite import check_finite
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.vocabulary_rows import add_label_rows
from allennlp_graphmask.modules.word_dropout import WordDropout
from allennlp_graphmask.rounding import most_probable


class RoleScorer(nn.Module):
    """
    Scores each role for each word of a sentence, given a predicate ([Marcheggiani and Titov,
    2017](https://arxiv.org/abs/1703.04826), section 4.3): `[h_word; h_predicate] . ReLU(U [u_lemma; v_role])`. The embedder gives
    u_lemma, of the predicate's lemma (or frame).
    """

    def __init__(self, state_dim: int, num_roles: int, lemma_embedder: TextFieldEmbedder, role_dim: int) -> None:
        super().__init__()
        self.lemma_embedder = lemma_embedder
        self.role_embedding = nn.Parameter(torch.empty(num_roles, role_dim))
        nn.init.xavier_uniform_(self.role_embedding)
        # U, in two parts: the lemma's part is the same for all roles, the role's part for all predicates.
        self.lemma_projection = nn.Linear(lemma_embedder.get_output_dim(), 2 * state_dim, bias=False)
        self.role_projection = nn.Linear(role_dim, 2 * state_dim, bias=False)

    def forward(
        self, word_states: torch.Tensor, predicate_states: torch.Tensor, predicate_lemma: TextFieldTensors
    ) -> torch.Tensor:
        """
        Compute the logits, shape `(batch_size, num_tokens, num_roles)`, from the states of words, shape
        `(batch_size, num_tokens, state_dim)`, and predicates, shape `(batch_size, state_dim)`, and one token for each
        instance.
        """
        # Shape: (batch_size, 1, 2 * state_dim)
        lemma = self.lemma_projection(self.lemma_embedder(predicate_lemma))
        role = self.role_projection(self.role_embedding)  # Shape: (num_roles, 2 * state_dim)
        word_weights, predicate_weights = (lemma + role).relu_().chunk(2, dim=-1)
        # Shape: (batch_size, num_tokens, num_roles)
        word_scores = torch.bmm(word_states, word_weights.transpose(1, 2))
        # Shape: (batch_size, 1, num_roles)
        predicate_scores = torch.bmm(predicate_states.unsqueeze(1), predicate_weights.transpose(1, 2))
        return word_scores + predicate_scores


@Model.register("gcn_srl")
class GcnSemanticRoleLabeler(ModelWithCheckedParameters):
    """
    Labels the arguments of a given predicate with a graph encoder over the sentence's dependency tree, after [Marcheggiani
    and Titov (2017)](https://arxiv.org/abs/1703.04826).

    Token embeddings, the embedding of the predicate's lemma (at the predicate only) and a feature that marks the predicate go
    through a `Seq2SeqEncoder`, or without one through a linear layer with layer normalisation and ReLU, then through the graph
    encoder, which has the tokens as nodes, then into a `RoleScorer`.

    Registered as a `Model` with name "gcn_srl".

    # Parameters

    text_field_embedder : `TextFieldEmbedder`
        Embeds the tokens: words, pretrained vectors, parts of speech, by one token indexer each.
    predicate_lemma_embedder : `TextFieldEmbedder`
        Embeds the predicate's lemma for the encoder's input.
    scorer_lemma_embedder : `TextFieldEmbedder`
        Embeds the predicate's lemma for the role scorer.
    graph_encoder : `GraphEncoder`
    seq2seq_encoder : `Seq2SeqEncoder`, optional (default = `None`)
    role_dim : `int`, optional (default = `128`)
        Size of the role embeddings.
    word_dropout : `WordDropout`, optional (default = `None`)
    dropout : `float`, optional (default = `0.0`)
        On the input of the sequence encoder, the input of the graph encoder and that of the scorer.
    dependency_scheme : `str`, optional (default = `None`)
        The scheme of the trees that the model is trained on, such as `"universal_dependencies"`. Instances with another scheme in
        their metadata are refused. Without it all are accepted.
    role_label_namespace : `str`, optional (default = `"role_labels"`)
    null_role : `str`, optional (default = `"_"`)
        The label of words that are not arguments.
    """

    default_predictor = "graph_srl"
    default_focus = "assigned"
    page_focus = "roles"
    without_focus = "the model assigns no such role to the predicate"
    foci = {WHOLE_PREDICTION: WHOLE_PREDICTION, "assigned": "assigned", "role": "each"}

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        predicate_lemma_embedder: TextFieldEmbedder,
        scorer_lemma_embedder: TextFieldEmbedder,
        graph_encoder: GraphEncoder,
        *,
        seq2seq_encoder: Optional[Seq2SeqEncoder] = None,
        role_dim: int = 128,
        word_dropout: Optional[WordDropout] = None,
        dropout: float = 0.0,
        dependency_scheme: Optional[str] = None,
        role_label_namespace: str = "role_labels",
        null_role: str = "_",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self.text_field_embedder = text_field_embedder
        self.predicate_lemma_embedder = predicate_lemma_embedder
        graph_encoder.check_contract()
        self.graph_encoder = graph_encoder
        self.seq2seq_encoder = seq2seq_encoder
        self.word_dropout = word_dropout
        self.dropout = nn.Dropout(dropout)
        self.dependency_scheme = dependency_scheme
        self._role_label_namespace = role_label_namespace
        self._null_role = null_role

        # One more to mark the predicate.
        input_dim = text_field_embedder.get_output_dim() + predicate_lemma_embedder.get_output_dim() + 1
        graph_dim = graph_encoder.get_input_dim()
        self.projection: Optional[nn.Module] = None
        if seq2seq_encoder is None:
            # The normalisation brings its own bias.
            self.projection = nn.Sequential(
                nn.Linear(input_dim, graph_dim, bias=False), nn.LayerNorm(graph_dim), nn.ReLU()
            )
        else:
            what = "text_field_embedder, predicate_lemma_embedder and 1 for the predicate"
            check_dim("seq2seq_encoder", seq2seq_encoder.get_input_dim(), input_dim, what)
            check_dim("graph_encoder", graph_dim, seq2seq_encoder.get_output_dim(), "seq2seq_encoder's output")
        self.role_scorer = RoleScorer(
            graph_encoder.get_output_dim(),
            vocab.get_vocab_size(role_label_namespace),
            scorer_lemma_embedder,
            role_dim,
        )
        self._role_f1 = SemanticRoleF1(vocab, label_namespace=role_label_namespace, null_label=null_role)

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """Make room for roles that were added to the vocabulary. AllenNLP calls this (`Model.extend_embedder_vocab`)."""
        num_roles = extended_vocab.get_vocab_size(self._role_label_namespace)
        self.role_scorer.role_embedding = add_label_rows(self.role_scorer.role_embedding, num_roles)

    def encode_nodes(
        self,
        tokens: TextFieldTensors,
        predicate_lemma: TextFieldTensors,
        predicate_indicator: torch.Tensor,
        graph: Graph,
        **_: Any,
    ) -> torch.Tensor:
        """
        Compute the input of the graph encoder, shape `(num_nodes, graph_encoder.get_input_dim())`. Passes with
        different interventions can share it, as `node_states` of `forward`.
        """
        mask = util.get_text_field_mask(tokens)  # Shape: (batch_size, num_tokens)
        if self.word_dropout is not None:
            tokens = self.word_dropout(tokens)
        words = self.text_field_embedder(tokens)  # Shape: (batch_size, num_tokens, token_dim)
        is_predicate = predicate_indicator.unsqueeze(-1).to(words.dtype)  # Shape: (batch_size, num_tokens, 1)
        lemma = self.predicate_lemma_embedder(predicate_lemma)  # Shape: (batch_size, 1, lemma_dim)
        inputs = self.dropout(torch.cat([words, lemma * is_predicate, is_predicate], dim=-1))
        if self.projection is not None:
            return self.projection(graph.flatten_nodes(inputs))
        assert self.seq2seq_encoder is not None
        return self.dropout(graph.flatten_nodes(self.seq2seq_encoder(inputs, mask)))

    def forward(
        self,
        tokens: TextFieldTensors,
        predicate_lemma: TextFieldTensors,
        predicate_indicator: torch.Tensor,
        graph: Graph,
        roles: Optional[torch.Tensor] = None,
        metadata: Optional[List[Dict[str, Any]]] = None,
        node_states: Optional[torch.Tensor] = None,
    ) -> Dict[str, Any]:
        """
        # Parameters

        predicate_lemma : `TextFieldTensors`
            The lemma of each instance's predicate, as a text of one token.
        predicate_indicator : `torch.Tensor`
            1 at the predicate, 0 elsewhere. Shape: `(batch_size, num_tokens)`.
        graph : `Graph`
            Its nodes are the tokens.
        roles : `torch.Tensor`, optional
            The role of each token, -1 for roles unseen in training. Shape: `(batch_size, num_tokens)`.
        node_states : `torch.Tensor`, optional
            The result of `encode_nodes`. Shape: `(num_nodes, node_dim)`.

        # Returns

        A dictionary with `logits`, shape `(batch_size, num_tokens, num_roles)`; `mask`, shape `(batch_size, num_tokens)`;
        `metadata` if given; and with `roles` the `loss`: cross-entropy, the mean over the batch's tokens.
        """
        self._check_dependency_scheme(metadata)
        mask = util.get_text_field_mask(tokens)
        if node_states is None:
            node_states = self.encode_nodes(tokens, predicate_lemma, predicate_indicator, graph)
        states = graph.pad_nodes(self.graph_encoder(node_states, graph), mask.size(1))
        states = self.dropout(states)  # Shape: (batch_size, num_tokens, state_dim)
        # Shape: (batch_size, state_dim)
        predicate_states = (states * predicate_indicator.unsqueeze(-1).to(states.dtype)).sum(1)
        logits = self.role_scorer(states, predicate_states, predicate_lemma)
        output: Dict[str, Any] = {"logits": logits, "mask": mask}
        if metadata is not None:
            output["metadata"] = metadata
        if roles is not None:
            targets = roles.masked_fill(~mask, UNSEEN_LABEL)
            summed = nn.functional.cross_entropy(
                logits.flatten(0, 1), targets.flatten(), ignore_index=UNSEEN_LABEL, reduction="sum"
            )
            output["loss"] = summed / mask.sum()
            self._role_f1(most_probable(logits), roles, mask)
        return output

    def _check_dependency_scheme(self, metadata: Optional[List[Dict[str, Any]]]) -> None:
        if self.dependency_scheme is None or metadata is None:
            return
        for instance in metadata:
            scheme = instance.get("dependency_scheme")
            if scheme is not None and scheme != self.dependency_scheme:
                raise ConfigurationError(
                    f"This model was trained on dependency trees in the scheme '{self.dependency_scheme}', but sentence "
                    f"{instance.get('sentence_id')!r} is parsed in '{scheme}'. Parse it in the model's scheme, or train a model "
                    "on such trees."
                )

    def get_foci(self, focus: str, batch: Dict[str, Any], output: Dict[str, Any], graph: Graph) -> List[Focus]:
        """
        Return the part of the prediction that a name stands for; see `Focus`. `"all"`: the label of every word, also that it has no
        role. `"assigned"`: the roles that the model assigns. The name of a role: the words to which it assigns this one. `"each"`: each
        role that it assigns, one after the other, in the order of their words. `"roles"`: those of `"assigned"` and, if they are several,
        then each of them.
        """
        mask, predicates = output["mask"], batch["predicate_indicator"].bool()
        roles = self.vocab.get_index_to_token_vocabulary(self._role_label_namespace)
        anchors = graph.first_node_of_graph() + predicates.long().argmax(-1)
        if focus == WHOLE_PREDICTION:
            return [whole_prediction(mask, graph, anchors=anchors)]
        best = most_probable(output["logits"])  # Shape: (batch_size, num_tokens)
        best = best.masked_fill(~mask, self.vocab.get_token_index(self._null_role, self._role_label_namespace))
        assigned = [
            list(dict.fromkeys(roles[one] for one in row if roles[one] != self._null_role)) for row in best.tolist()
        ]
        most = max(map(len, assigned), default=0)
        each = [[own[number : number + 1] for own in assigned] for number in range(most)]
        if focus == "assigned":
            chosen = [("assigned", assigned)]
        elif focus == "each":
            chosen = [("role", one) for one in each or [assigned]]
        elif focus == "roles":
            several = [[one * (len(own) > 1) for one, own in zip(part, assigned)] for part in each]
            chosen = [("assigned", assigned), *(("role", part) for part in several)]
        elif focus in roles.values() and focus != self._null_role:
            chosen = [("role", [[focus] if focus in own else [] for own in assigned])]
        else:
            known = ", ".join(sorted(set(roles.values()) - {self._null_role}))
            raise unknown_focus(self, focus, f"'all', 'assigned', 'each', 'roles' or a role of its vocabulary: {known}")
        return [self._focus_on_roles(*part, best, predicates, graph)._replace(anchors=anchors) for part in chosen]

    def _focus_on_roles(
        self, kind: str, chosen: List[List[str]], best: torch.Tensor, predicates: torch.Tensor, graph: Graph
    ) -> Focus:
        """Return the focus on the words whose most probable role, shape `(batch_size, num_tokens)`, is one of those chosen."""
        most = max(map(len, chosen), default=0)
        index = [
            [self.vocab.get_token_index(name, self._role_label_namespace) for name in names]
            + [-1] * (most - len(names))
            for names in chosen
        ]
        indices = torch.tensor(index, dtype=torch.long, device=best.device).view(len(chosen), 1, most)
        words = (best.unsqueeze(-1) == indices).any(-1)
        descriptions = [
            f"the role{'s' if len(names) > 1 else ''} {', '.join(names)} that the model assigns" if names else None
            for names in chosen
        ]
        # A role is scored from the states of its word and of the predicate.
        nodes = words | (predicates & words.any(-1, keepdim=True))
        return Focus(kind, descriptions, words, graph.flatten_nodes(nodes))

    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        """
        Add for each instance `role_tags` (a role or `"_"` for each token) and, if there are metadata, `prediction`: the predicate
        (index, text, lemma, sense) and its arguments, each with role, head, text, the phrase that its subtree spans (`start`,
        `end` exclusive, `phrase`) and probability.
        """
        check_finite(self, logits=output_dict["logits"])
        probabilities = output_dict["logits"].softmax(-1)
        best_roles = most_probable(output_dict["logits"])
        best_probabilities = probabilities.gather(-1, best_roles.unsqueeze(-1)).squeeze(-1).tolist()
        lengths = output_dict["mask"].sum(-1).tolist()
        names = self.vocab.get_index_to_token_vocabulary(self._role_label_namespace)
        tags = [[names[index] for index in row[:length]] for row, length in zip(best_roles.tolist(), lengths)]
        output_dict["role_tags"] = tags
        if "metadata" in output_dict:
            output_dict["prediction"] = [
                self._build_prediction(instance_tags, instance_probabilities, instance)
                for instance_tags, instance_probabilities, instance in zip(
                    tags, best_probabilities, output_dict["metadata"]
                )
            ]
        return output_dict

    def _build_prediction(
        self, tags: List[str], probabilities: List[float], metadata: Dict[str, Any]
    ) -> Dict[str, Any]:
        words = metadata["tokens"]
        predicate = metadata["predicate_index"]
        heads = [head for head, role in enumerate(tags) if role != self._null_role]
        arguments = [
            {
                "role": tags[head],
                "head": head,
                "text": words[head],
                "start": start,
                "end": end,
                "phrase": " ".join(words[start:end]),
                "probability": probabilities[head],
            }
            for head, (start, end) in zip(heads, argument_spans(metadata["heads"], heads, predicate))
        ]
        return {
            "predicate": {
                "index": predicate,
                "text": words[predicate],
                "lemma": metadata["lemmas"][predicate],
                "sense": metadata.get("predicate_sense"),
            },
            "arguments": arguments,
        }

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        return self._role_f1.get_metric(reset)
