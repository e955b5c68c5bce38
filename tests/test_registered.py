"""What holds for every class that the plugin registers: it is exported, documented, and built from a config that is checked."""

import copy
import importlib
from typing import Any, Dict, List, Tuple

import pytest
from allennlp.common import Params, Registrable
from allennlp.common.checks import ConfigurationError
from allennlp.common.plugins import import_plugins
from allennlp.data import Vocabulary

from tests.compat.test_commands import write_tiny_bert
from tests.test_plugin import SNAPSHOT

import_plugins()

VOCABULARY = Vocabulary(
    counter={
        "tokens": {"plum": 2},
        "edge_labels": {"a": 2},
        "labels": {"b": 2},
        "role_labels": {"_": 2, "A0": 1},
        "lemmas": {"eat": 1},
    }
)
#: What AllenNLP or this package gives to constructors.
GIVEN: Dict[str, Any] = {
    "vocab": VOCABULARY,
    "serialization_dir": "folder",
    "node_dims": [4],
    "message_dims": [6],
    "num_relations": 5,
}

WORDS = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
LEMMAS = {"type": "embedding", "embedding_dim": 3, "vocab_namespace": "lemmas"}
ENCODER = {"type": "rgcn", "input_dim": 4, "hidden_dim": 6}


def feedforward(input_dim: int, output_dim: int) -> Dict[str, Any]:
    return {"input_dim": input_dim, "num_layers": 1, "hidden_dims": output_dim, "activations": "linear"}


#: Settings that a class cannot be built without.
REQUIRED: Dict[Tuple[str, str], Dict[str, Any]] = {
    ("DatasetReader", "conll2009_srl"): {"dependency_scheme": "universal_dependencies"},
    **{("EdgeFeature", name): {"node_dim": 4, "hidden_dim": 3} for name in SNAPSHOT["EdgeFeature"]},
    ("GraphEncoder", "entity_gcn"): {"input_dim": 4},
    ("GraphEncoder", "graph_attention"): {"input_dim": 4, "hidden_dim": 6, "activation": "tanh"},
    ("GraphEncoder", "pyg"): {"convolution": "GCNConv", "input_dim": 4, "hidden_dim": 6, "activation": "tanh"},
    ("GraphEncoder", "rgcn"): {"input_dim": 4, "hidden_dim": 6, "activation": "tanh"},
    ("GraphEncoder", "syntactic_gcn"): {"input_dim": 4, "hidden_dim": 6},
    ("Interpreter", "tuned_threshold"): {"interpreter": {"type": "gradient_x_message"}},
    ("Masker", "bilinear"): {"hidden_dim": 3},
    ("Masker", "edgewise"): {"hidden_dim": 3},
    ("Metric", "edge_node_invariance"): {"node_fields": ["nodes"]},
    ("Model", "gcn_srl"): {
        "text_field_embedder": WORDS,
        "predicate_lemma_embedder": {"token_embedders": {"lemmas": LEMMAS}},
        "scorer_lemma_embedder": {"token_embedders": {"lemmas": {**LEMMAS}}},
        "graph_encoder": ENCODER,
    },
    ("Model", "graph_classifier"): {"text_field_embedder": WORDS, "graph_encoder": ENCODER},
    ("Model", "graph_qa"): {
        "text_field_embedder": WORDS,
        "query_encoder": {"type": "bag_of_embeddings", "embedding_dim": 4},
        "graph_encoder": {**ENCODER, "input_dim": 9},
        "scorer": feedforward(10, 1),
    },
    ("Model", "star_graph_classifier"): {"graph_encoder": ENCODER},
    ("TokenEmbedder", "cached_transformer_mismatched"): {"model_name": "./bert"},
}


def get_base(name: str) -> Any:
    return next(base for base in Registrable._registry if base.__name__ == name)


def build(base: str, name: str, **settings: Any) -> Any:
    params = copy.deepcopy({"type": name, **REQUIRED.get((base, name), {}), **settings})
    given = GIVEN if name != "graphmask" else {**GIVEN, "target": build("Model", "star_graph_classifier")}
    return get_base(base).from_params(Params(params), **given)


REGISTERED = [(base, name) for base, names in SNAPSHOT.items() for name in names]


@pytest.fixture(autouse=True)
def in_an_empty_folder(request, tmp_path, monkeypatch) -> None:
    """The checkpointer locks the folder of the training."""
    monkeypatch.chdir(tmp_path)
    if "cached_transformer_mismatched" in request.node.name:
        write_tiny_bert(tmp_path / "bert")


@pytest.mark.parametrize("base, name", REGISTERED)
def test_every_class_is_exported_and_documented(base: str, name: str) -> None:
    registered = get_base(base).by_name(name)
    package = importlib.import_module(registered.__module__.rpartition(".")[0])
    assert getattr(package, registered.__name__) is registered and registered.__name__ in package.__all__
    line = f'`{base}` with name "{name}".'
    assert any(f"Registered as {article} {line}" in registered.__doc__ for article in ("a", "an"))


#: Commands are built without a config, predictors from a model, views from an explanation; this interpreter needs an archive.
NOT_FROM_CONFIG = {("Interpreter", "graphmask")} | {
    pair for pair in REGISTERED if pair[0] in ("Predictor", "Subcommand", "View")
}


@pytest.mark.parametrize("base, name", [pair for pair in REGISTERED if pair not in NOT_FROM_CONFIG])
def test_every_class_is_built_by_its_name(base: str, name: str) -> None:
    assert type(build(base, name)) is get_base(base).by_name(name)


@pytest.mark.parametrize("base, name", [pair for pair in REGISTERED if pair not in NOT_FROM_CONFIG])
def test_unknown_settings_are_refused_by_name(base: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="treshold"):
        build(base, name, treshold=0.5)


@pytest.mark.parametrize("name", SNAPSHOT["DatasetReader"])
def test_readers_take_what_those_of_allennlp_take(name: str) -> None:
    assert build("DatasetReader", name, max_instances=3).max_instances == 3
    with pytest.raises(ConfigurationError, match="max_instances is -1"):
        build("DatasetReader", name, max_instances=-1)


@pytest.mark.parametrize("name", SNAPSHOT["Model"])
def test_models_take_what_those_of_allennlp_take(name: str) -> None:
    model = build("Model", name, regularizer={"regexes": [[".*", {"type": "l2", "alpha": 1.0}]]})
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    assert model.get_regularization_penalty().item() == pytest.approx(sum(float((one**2).sum()) for one in trained))


@pytest.mark.parametrize("base, name", [("Divergence", "saturating_kl"), ("Masker", "edgewise")])
def test_defaults(base: str, name: str) -> None:
    assert type(get_base(base).from_params(Params({}), **GIVEN)) is get_base(base).by_name(name)


BAG = {"type": "bag_of_embeddings", "embedding_dim": 3}
LSTM = {"type": "lstm", "hidden_size": 5}
#: Settings that make no sense, by class. The error must contain their names and values, or what follows them in a tuple.
WRONG: Dict[Tuple[str, str], List[Any]] = {
    ("DatasetReader", "conll2009_srl"): [{"syntax": "silver"}, {"predicates": "some"}],
    ("DatasetReader", "nltk_propbank"): [{"predicates": "some"}],
    ("DatasetReader", "universal_propositions"): [{"predicates": "some"}],
    ("DatasetReader", "graph_jsonl"): [{"classify": "edges"}],
    ("DatasetReader", "star_graphs"): [
        {"num_colours": 1},
        {"variant": "other"},
        {"min_leaves": 20},
        ({"num_dev": -1}, "'dev'", "-1"),
    ],
    ("DatasetReader", "wikihop"): [
        *({name: 0} for name in ("max_nodes", "max_query_tokens", "max_candidates")),
        ({"relations": ["COREFERENCE"]}, "'COREFERENCE'", "DOC-BASED, MATCH"),
    ],
    ("Divergence", "margin_hinge"): [{"margin": 0.0}, {"margin": -1.0}],
    ("GraphEncoder", "entity_gcn"): [{"num_layers": 0}],
    ("Masker", "edgewise"): [{"num_hidden_layers": 0}, ({"features": ["gradiant"]}, "gradiant")],
    ("Objective", "all_budgets"): [({"prices": [2.0, 1.0]}, "prices"), ({"shares": [0.0, 0.5]}, "shares")],
    ("GraphEncoder", "graph_attention"): [
        {"num_layers": 0},
        {"num_heads": 0},
        {"num_heads": 4},
        ({"num_heads": 4, "average_last_layer": True}, "num_heads = 4"),
    ],
    ("GraphEncoder", "pyg"): [
        {"num_layers": 0},
        {"convolution": "GcnConv"},
        {"convolution": "Linear"},
        ({"convolution": "GATConv", "parameters": {"heads": 4}}, "heads = 4", "6"),
        ({"parameters": {"head": 4}}, "GCNConv", "head"),
        ({"parameters": {"cached": True}}, "GCNConv", "cached"),
        ({"convolution": "EdgeConv"}, "EdgeConv"),
        ({"convolution": "HypergraphConv"}, "HypergraphConv"),
        ({"parameters": {"flow": "target_to_source"}}, "GCNConv", "'target_to_source'"),
    ],
    ("GraphEncoder", "rgcn"): [
        {"num_layers": 0},
        {"num_bases": 2, "num_blocks": 3},
        {"num_blocks": 3},
        {"num_bases": 0},
        {"aggregation": "sparse"},
    ],
    ("GraphEncoder", "syntactic_gcn"): [{"num_layers": 0}],
    ("Interpreter", "attention"): [{"heads": "sum"}, {"min_attention_ratio": -1}],
    ("Interpreter", "erasure_search"): [{"criterion": "score"}, {"allowance": -1}, {"max_messages": -2}],
    ("Interpreter", "gnn_explainer"): [
        {"num_epochs": -1},
        {"learning_rate": 0.0},
        {"size_coefficient": -0.1},
        {"entropy_coefficient": -0.1},
        {"initial_std": -1.0},
        {"size_reduction": "max"},
    ],
    ("Interpreter", "graphmask"): [({}, "archive_file")],
    ("Interpreter", "graphmask_per_instance"): [
        {"num_steps": -1},
        {"learning_rate": 0.0},
        {"baseline_learning_rate": -1.0},
        {"multiplier_learning_rate": -1.0},
        {"penalty_scaling": -1.0},
        {"eval_every": 0},
        {"gates": "hard"},
        {"allowance": -0.1},
        {"initial_multiplier": 40.0},
    ],
    ("Interpreter", "information_bottleneck"): [
        {"beta": -1.0},
        {"num_steps": -1},
        {"samples_per_step": 0},
        {"learning_rate": 0.0},
        {"min_std": 0.0},
        {"score": "bits"},
    ],
    ("Interpreter", "integrated_gradients"): [{"num_steps": 0}, {"completeness_tolerance": -1.0}],
    ("Interpreter", "random"): [{"threshold": 0.5, "top_fraction": 0.5}, {"top_fraction": 1.2}, {"top_fraction": -0.1}],
    ("Metric", "edge_fidelity"): [{"positions": "median"}],
    ("Metric", "edge_swap"): [{"fraction": 1.5}],
    ("Metric", "edge_sufficiency"): [{"fractions": []}, {"fractions": [1.5]}],
    ("Metric", "propbank_role_f1"): [({"null_label": "O"}, "'O'"), ({"label_namespace": "tags"}, "'tags'")],
    ("Model", "gcn_srl"): [
        ({"seq2seq_encoder": {**LSTM, "input_size": 7}}, "seq2seq_encoder", "7", "expected 8"),
        ({"seq2seq_encoder": {**LSTM, "input_size": 8}}, "graph_encoder", "4", "expected 5"),
        ({"role_label_namespace": "tags"}, "'tags'"),
    ],
    ("Model", "graph_classifier"): [
        {"classify": "edges"},
        {"pooling": "min"},
        {"label_namespace": "taste_labels"},
        ({"graph_encoder": {**ENCODER, "input_dim": 7}}, "graph_encoder", "7", "expected 4"),
        ({"text_encoder": BAG}, "text_encoder", "3", "expected 4"),
        ({"node_encoder": feedforward(2, 4)}, "node_encoder", "2", "expected 4"),
    ],
    ("Model", "graph_qa"): [
        ({"query_encoder": BAG}, "query_encoder", "3", "expected 4"),
        ({"query_seq2seq_encoder": {**LSTM, "input_size": 3}}, "query_seq2seq_encoder", "3", "expected 4"),
        ({"mention_encoder": feedforward(3, 4)}, "mention_encoder", "3", "expected 5"),
        ({"node_encoder": feedforward(7, 4)}, "node_encoder", "7", "expected 9"),
        ({"graph_encoder": {**ENCODER, "input_dim": 7}}, "graph_encoder", "7", "expected 9"),
        ({"scorer": feedforward(7, 1)}, "scorer", "7", "expected 10"),
        ({"scorer": feedforward(10, 2)}, "scorer", "2", "expected 1"),
        ({"use_subject_feature": False}, "graph_encoder", "9", "expected 8", "use_subject_feature"),
        ({"context_size": 3}, "graph_encoder", "9", "expected 17", "context_size"),
        {"context_size": -1},
    ],
    ("Model", "graphmask"): [
        {"gates": "hard"},
        {"multiplier_follows": "score"},
        {"epochs_per_layer": 0},
        {"constraint": "kept"},
        {"allowance": -0.1},
        {"initial_multiplier": 40.0},
        {"initial_multiplier": -3.0},
        {"encoder": "gcn"},
        ({"constraint": "score"}, "score_metric"),
        ({"constraint": "changed", "score_metric": "f1"}, "score_metric"),
    ],
    ("Model", "star_graph_classifier"): [{"label_namespace": "taste_labels"}],
    ("TrainerCallback", "graphmask"): [{"max_changed": -0.1}, {"max_changed": 5.0}],
}


@pytest.mark.parametrize(
    "base, name, case", [(*pair, case) for pair, cases in WRONG.items() for case in cases], ids=str
)
def test_wrong_settings_are_refused_by_name_and_value(base: str, name: str, case: Any) -> None:
    settings, *words = case if isinstance(case, tuple) else (case, *case, *map(str, case.values()))
    with pytest.raises(ConfigurationError) as caught:
        build(base, name, **settings)
    for unknown in ("Extra parameters", "has no parameter"):
        assert unknown not in str(caught.value), "a setting that the class does not have"
    assert [word for word in words if word not in str(caught.value)] == []
