import json
from typing import Any, Dict, List

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, TextFieldTensors, Vocabulary
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding
from torch import nn

from allennlp_graphmask.models import GcnSemanticRoleLabeler
from allennlp_graphmask.models.gcn_srl import RoleScorer
from tests.data.dataset_readers.propbank_srl.conll_text import SHE_PLANS_TO_WIN, row, text
from tests.models.building import TRAINING, StockModelChecks, build_model, make_batch

LONG = "\n".join(
    [
        row(1, "The", 2, "det", roles=["_"]),
        row(2, "dog", 6, "nsubj", roles=["A0"]),
        row(3, "that", 4, "nsubj", roles=["_"]),
        row(4, "barked", 2, "acl:relcl", roles=["_"]),
        row(5, "yesterday", 4, "advmod", roles=["_"]),
        row(6, "Found", 0, "root", predicate=True, roles=["_"]),
        row(7, "her", 6, "obj", roles=["A1"]),
    ]
)
SHORT = row(1, "Go", 0, "root", predicate=True, roles=["A1"])
DATA = text(SHE_PLANS_TO_WIN, LONG, SHORT)


def lemma_embedder() -> Dict[str, Any]:
    lemmas = {"type": "embedding", "vocab_namespace": "lemmas", "embedding_dim": 4}
    return {"token_embedders": {"lemmas": lemmas}}


def config(with_lstm: bool = True) -> Dict[str, Any]:
    words = {"type": "embedding", "embedding_dim": 6}
    parts = {"type": "embedding", "vocab_namespace": "parts_of_speech", "embedding_dim": 3}
    lstm = {"type": "lstm", "input_size": 14, "hidden_size": 5, "bidirectional": True}
    return {
        "dataset_reader": {
            "type": "conll2009_srl",
            "dependency_scheme": "universal_dependencies",
            "token_indexers": {
                "tokens": {"type": "single_id", "lowercase_tokens": True},
                "part_of_speech": {"type": "single_id", "namespace": "parts_of_speech", "feature_name": "pos_"},
            },
        },
        "model": {
            "type": "gcn_srl",
            "dependency_scheme": "universal_dependencies",
            "text_field_embedder": {"token_embedders": {"tokens": words, "part_of_speech": parts}},
            "predicate_lemma_embedder": lemma_embedder(),
            "scorer_lemma_embedder": lemma_embedder(),
            "role_dim": 5,
            "graph_encoder": {"type": "syntactic_gcn", "input_dim": 10, "hidden_dim": 8, "num_layers": 2},
            **({"seq2seq_encoder": lstm} if with_lstm else {}),
        },
        **TRAINING,
    }


class TestWithLstm(StockModelChecks):
    with_lstm = True

    def prepare(self):
        data = self.TEST_DIR / "data.conll09"
        data.write_text(DATA)
        return config(self.with_lstm), data


class TestWithoutLstm(TestWithLstm):
    with_lstm = False


@pytest.fixture
def instances(tmp_path) -> List[Instance]:
    path = tmp_path / "data.conll09"
    path.write_text(DATA)
    return list(DatasetReader.from_params(Params(config()["dataset_reader"])).read(path))


@pytest.fixture
def vocabulary(instances) -> Vocabulary:
    return Vocabulary.from_instances(instances)


def build(vocabulary: Vocabulary, with_lstm: bool = True, **settings: Any) -> GcnSemanticRoleLabeler:
    return build_model({**config(with_lstm)["model"], **settings}, vocabulary)


@pytest.fixture
def batch(instances, vocabulary) -> Dict[str, Any]:
    return make_batch(instances, vocabulary)


def lemmas(indices: List[int]) -> TextFieldTensors:
    return {"lemmas": {"tokens": torch.tensor(indices).unsqueeze(-1)}}


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_role_scores_equal_the_formula(dtype: torch.dtype, tolerance: float):
    """`[h_word; h_predicate] . ReLU(U [u_lemma; v_role])`, word by word and role by role."""
    torch.manual_seed(0)
    batch_size, num_tokens, state_dim, num_roles, lemma_dim, role_dim = 3, 4, 5, 6, 7, 2
    embedding = Embedding(embedding_dim=lemma_dim, num_embeddings=9)
    scorer = RoleScorer(state_dim, num_roles, BasicTextFieldEmbedder({"lemmas": embedding}), role_dim).to(dtype)
    words = torch.randn(batch_size, num_tokens, state_dim, dtype=dtype)
    predicates = torch.randn(batch_size, state_dim, dtype=dtype)
    indices = [2, 5, 5]
    scores = scorer(words, predicates, lemmas(indices))
    # Shape: (2 * state_dim, lemma_dim + role_dim)
    u = torch.cat([scorer.lemma_projection.weight, scorer.role_projection.weight], dim=1)
    expected = torch.zeros(batch_size, num_tokens, num_roles, dtype=dtype)
    for instance in range(batch_size):
        for token in range(num_tokens):
            for role in range(num_roles):
                lemma_and_role = torch.cat([embedding.weight[indices[instance]], scorer.role_embedding[role]])
                states = torch.cat([words[instance, token], predicates[instance]])
                expected[instance, token, role] = states @ torch.relu(u @ lemma_and_role)
    torch.testing.assert_close(scores, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("with_lstm", [True, False])
def test_logits_equal_a_model_written_out(vocabulary, instances, with_lstm: bool):
    """One instance at a time, without padding, from the embeddings to the logits."""
    model = build(vocabulary, with_lstm).double()
    logits = model(**make_batch(instances, vocabulary))["logits"]
    for number, instance in enumerate(instances):
        batch = make_batch([instance], vocabulary)
        words = model.text_field_embedder(batch["tokens"])[0]  # Shape: (num_tokens, 9)
        predicate = instance["metadata"]["predicate_index"]
        lemma = model.predicate_lemma_embedder(batch["predicate_lemma"])[0, 0]
        # The lemma's embedding and the flag stand at the predicate only.
        extra = torch.zeros(len(words), 5, dtype=torch.float64)
        extra[predicate] = torch.cat([lemma, lemma.new_ones(1)])
        inputs = torch.cat([words, extra], dim=-1)
        if with_lstm:
            assert model.projection is None
            states = model.seq2seq_encoder(inputs.unsqueeze(0), torch.ones(1, len(words)).bool())[0]
        else:
            linear, norm, _ = model.projection
            states = inputs @ linear.weight.T  # no bias: the normalisation has one
            states = (states - states.mean(-1, keepdim=True)) / (
                states.var(-1, unbiased=False, keepdim=True) + norm.eps
            ).sqrt()
            states = (states * norm.weight + norm.bias).clamp(min=0)
        states = model.graph_encoder(states, batch["graph"])
        expected = model.role_scorer(states.unsqueeze(0), states[predicate : predicate + 1], batch["predicate_lemma"])
        torch.testing.assert_close(logits[number, : len(words)], expected[0], rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_the_loss_ignores_padding_and_unseen_roles(vocabulary, instances, batch):
    model = build(vocabulary)
    roles, mask = batch["roles"].clone(), batch["tokens"]["tokens"]["tokens"] != 0
    output = model(**batch)
    log_probabilities = output["logits"].log_softmax(-1)
    terms = [-log_probabilities[instance, token, roles[instance, token]] for instance, token in mask.nonzero().tolist()]
    assert float(output["loss"]) == pytest.approx(float(sum(terms)) / len(terms), rel=1e-5)
    assert torch.equal(output["mask"], mask)

    # Whatever stands in the padding changes nothing.
    padded = {**batch, "roles": torch.where(mask, roles, torch.ones_like(roles))}
    assert torch.equal(model(**padded)["loss"], output["loss"])

    # Unseen roles: their terms are left out of the sum.
    unseen = roles.clone()
    unseen[0, 0] = -1
    left = [term for term, place in zip(terms, mask.nonzero().tolist()) if place != [0, 0]]
    assert float(model(**{**batch, "roles": unseen})["loss"]) == pytest.approx(float(sum(left)) / len(terms), rel=1e-5)
    nothing_known = torch.full_like(roles, -1)
    assert float(model(**{**batch, "roles": nothing_known})["loss"]) == 0.0


def test_without_roles_there_is_no_loss_and_nothing_is_scored(vocabulary, batch):
    model = build(vocabulary)
    del batch["roles"]
    assert "loss" not in model(**batch)
    assert set(model.get_metrics().values()) == {0.0}


def test_metrics_are_those_of_the_predicted_labels(vocabulary, batch):
    model = build(vocabulary)
    output = model(**batch)
    mask, roles = output["mask"], batch["roles"]
    best = output["logits"].argmax(-1)
    predicted, gold = (best != 0) & mask, (roles != 0) & mask
    right = int((predicted & gold & (best == roles)).sum())
    metrics = model.get_metrics(reset=True)
    assert metrics["precision"] == pytest.approx(right / max(1, int(predicted.sum())))
    assert metrics["recall"] == pytest.approx(right / int(gold.sum()))
    assert model.get_metrics()["recall"] == 0.0


@pytest.mark.parametrize("with_lstm", [True, False])
@pytest.mark.parametrize("training", [False, True])
def test_node_states_computed_before_give_the_same_output(vocabulary, batch, with_lstm: bool, training: bool):
    dropout = {"dropout": 0.4, "word_dropout": {"alpha": 1.0}}
    model = build(vocabulary, with_lstm, **dropout).train(training)
    torch.manual_seed(3)
    whole = model(**batch)
    torch.manual_seed(3)
    states = model.encode_nodes(**batch)
    in_two_parts = model(**batch, node_states=states)
    assert torch.equal(whole["logits"], in_two_parts["logits"])
    assert torch.equal(whole["loss"], in_two_parts["loss"])


def test_words_are_dropped_in_training_only(vocabulary, batch):
    with_dropout = build(vocabulary, word_dropout={"alpha": 1e9})
    without = build(vocabulary)
    without.load_state_dict(with_dropout.state_dict(), strict=False)
    assert torch.equal(with_dropout(**batch)["logits"], without(**batch)["logits"])
    # With such an alpha all words are dropped.
    tokens = {name: dict(tensors) for name, tensors in batch["tokens"].items()}
    words = tokens["tokens"]["tokens"]
    tokens["tokens"]["tokens"] = torch.where(words == 0, words, torch.ones_like(words))
    dropped = with_dropout.train()(**batch)["logits"]
    assert torch.equal(dropped, without(**{**batch, "tokens": tokens})["logits"])
    assert not torch.equal(dropped, without(**batch)["logits"])


def test_a_vocabulary_without_roles_is_refused(instances):
    for instance in instances:
        instance.fields.pop("roles")
    with pytest.raises(ConfigurationError, match="'role_labels' lacks '_'"):
        build(Vocabulary.from_instances(instances))


def test_trees_of_another_scheme_are_refused_by_name(vocabulary, batch):
    model = build(vocabulary)
    batch["metadata"][2]["dependency_scheme"] = "clearnlp"
    with pytest.raises(ConfigurationError) as caught:
        model(**batch)
    assert "'universal_dependencies', but sentence '2' is parsed in 'clearnlp'" in str(caught.value)
    # The sentence has no scheme, the model has none, there are no metadata.
    batch["metadata"][2]["dependency_scheme"] = None
    model(**batch)
    batch["metadata"][2]["dependency_scheme"] = "clearnlp"
    build(vocabulary, dependency_scheme=None)(**batch)
    model(**{**batch, "metadata": None})


def test_predictions_in_words(vocabulary, instances, batch):
    model = build(vocabulary)
    output = model(**batch)
    # Predict the gold roles with certainty.
    certain = nn.functional.one_hot(batch["roles"], output["logits"].size(-1)) * 50.0
    readable = model.make_output_human_readable({**output, "logits": certain})
    assert readable["role_tags"] == [instance["roles"].labels for instance in instances]
    plans, win, found, go = readable["prediction"]
    assert plans["predicate"] == {"index": 1, "text": "Plans", "lemma": "plans", "sense": "plans.01"}
    assert plans["arguments"] == [
        {"role": "A0", "head": 0, "text": "She", "start": 0, "end": 1, "phrase": "She", "probability": 1.0},
        {"role": "A1", "head": 3, "text": "Win", "start": 2, "end": 4, "phrase": "to Win", "probability": 1.0},
    ]
    assert [argument["phrase"] for argument in win["arguments"]] == ["She"]
    phrases = [(argument["role"], argument["phrase"]) for argument in found["arguments"]]
    assert phrases == [("A0", "The dog that barked yesterday"), ("A1", "her")]
    # A predicate may be its own argument.
    assert go["arguments"][0]["phrase"] == "Go" and go["arguments"][0]["head"] == go["predicate"]["index"]
    json.dumps(readable["prediction"])


@torch.no_grad()
def test_probabilities_are_those_of_the_predicted_roles(vocabulary, batch):
    model = build(vocabulary)
    output = model(**batch)
    probabilities = output["logits"].softmax(-1)
    for number, prediction in enumerate(model.make_output_human_readable(output)["prediction"]):
        for argument in prediction["arguments"]:
            role = vocabulary.get_token_index(argument["role"], "role_labels")
            expected = float(probabilities[number, argument["head"], role])
            assert argument["probability"] == pytest.approx(expected)
            assert expected == pytest.approx(float(probabilities[number, argument["head"]].max()))


def test_predictions_without_metadata(vocabulary, batch):
    del batch["metadata"]
    model = build(vocabulary)
    readable = model.make_output_human_readable(model(**batch))
    assert "prediction" not in readable
    assert [len(tags) for tags in readable["role_tags"]] == [4, 4, 7, 1]


def test_overfitting_a_few_sentences(vocabulary, batch):
    """The graph, the marked predicate and the lemma are enough to distinguish the two predicates of a sentence."""
    model = build(vocabulary).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.get_metrics(reset=True)
    model.eval()(**batch)
    assert set(model.get_metrics(reset=True).values()) == {1.0}
