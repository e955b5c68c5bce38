import logging
from pathlib import Path
from typing import Any, List

import pytest
from allennlp.data import Instance, Vocabulary
from allennlp.data.dataset_readers.dataset_reader import WorkerInfo

from allennlp_graphmask.data.dataset_readers import Conll2009SrlReader
from allennlp_graphmask.data.dataset_readers.propbank_srl import DependencySentence, Predicate
from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, relation_names
from tests.data.dataset_readers.propbank_srl.conll_text import HELLO, RAIN, SHE_PLANS_TO_WIN, change, row, text
from tests.data.malformed import refused
from tests.models.building import make_batch


def reader(**settings: Any) -> Conll2009SrlReader:
    return Conll2009SrlReader(**{"dependency_scheme": "universal_dependencies", **settings})


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "file.conll09"
    path.write_text(text(SHE_PLANS_TO_WIN, HELLO, RAIN))
    return path


def predicate_words(instances: List[Instance]) -> List[str]:
    return [instance["metadata"]["tokens"][instance["metadata"]["predicate_index"]] for instance in instances]


def warnings_in(caplog) -> List[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_an_instance(path):
    instances = list(reader().read(path))
    assert predicate_words(instances) == ["Plans", "Win", "Raining"]
    fields = instances[0].fields
    assert [token.text for token in fields["tokens"]] == ["She", "Plans", "to", "Win"]
    token = fields["tokens"][0]
    assert (token.lemma_, token.pos_, token.dep_) == ("she", "X", "nsubj")
    assert [token.text for token in fields["predicate_lemma"]] == ["plans"]
    assert fields["predicate_indicator"].labels == [0, 1, 0, 0]
    assert fields["roles"].labels == ["A0", "_", "_", "A1"]
    assert instances[1]["roles"].labels == ["A0", "_", "_", "_"]
    assert instances[1]["predicate_indicator"].labels == [0, 0, 0, 1]
    assert fields["metadata"].metadata == {
        "tokens": ["She", "Plans", "to", "Win"],
        "lemmas": ["she", "plans", "to", "win"],
        "parts_of_speech": ["X"] * 4,
        "heads": [1, -1, 3, 1],
        "dependency_labels": ["nsubj", "root", "mark", "xcomp"],
        "dependency_scheme": "universal_dependencies",
        "predicate_index": 1,
        "predicate_sense": "plans.01",
        "sentence_id": "1",
        "roles": {0: "A0", 3: "A1"},
    }


def test_arcs_are_edges_from_head_to_dependent_each_followed_by_its_inverse(path):
    graph = next(iter(reader().read(path)))["graph"]
    assert graph.num_nodes == 4
    assert list(zip(graph.edges, graph.labels)) == [
        ((1, 0), "nsubj"),
        ((0, 1), "nsubj^-1"),
        ((3, 2), "mark"),
        ((2, 3), "mark^-1"),
        ((1, 3), "xcomp"),
        ((3, 1), "xcomp^-1"),
    ]


def test_a_sentence_of_one_token_has_no_edge(tmp_path):
    path = tmp_path / "file"
    path.write_text(text(row(1, "Go", 0, "root", predicate=True, roles=["A1"])))
    (instance,) = reader().read(path)
    assert instance["graph"].edges == [] and instance["roles"].labels == ["A1"]
    assert make_batch([instance], Vocabulary.from_instances([instance]))["graph"].num_edges == 0


def test_predicates_that_are_left_out_are_counted(path, caplog):
    with caplog.at_level(logging.WARNING):
        assert predicate_words(reader(predicates="with_arguments").read(path)) == ["Plans", "Win"]
    [message] = warnings_in(caplog)
    assert f"{path}: left out 1 predicates" in message and "'with_arguments'" in message


def test_predicates_whose_roles_are_not_known_are_read(tmp_path):
    path = tmp_path / "prediction.conll09"
    path.write_text(text("\n".join("\t".join(line.split("\t")[:14]) for line in RAIN.split("\n"))))
    (instance,) = reader(predicates="with_arguments").read(path)
    assert "roles" not in instance.fields and "roles" not in instance["metadata"].metadata


def test_predicted_syntax(tmp_path):
    path = tmp_path / "file"
    sentence = change(change(change(RAIN, 0, 9, "2"), 1, 9, "0"), 0, 11, "nsubjpass")
    path.write_text(text(change(sentence, 0, 3, "RAIN")))
    settings = {"syntax": "predicted", "dependency_scheme": "clearnlp", "predicates": "all"}
    (instance,) = reader(**settings).read(path)
    assert instance["graph"].edges == [(1, 0), (0, 1)]
    assert instance["graph"].labels == ["nsubjpass", "nsubjpass^-1"]
    assert [token.text for token in instance["predicate_lemma"]] == ["rain"]


def test_trees_of_another_scheme_are_refused_by_file_and_sentence(tmp_path):
    path = tmp_path / "file.conll09"
    path.write_text(text(SHE_PLANS_TO_WIN, change(RAIN, 1, 10, "dobj")))
    instances = reader().read(path)
    assert predicate_words([next(instances), next(instances)]) == ["Plans", "Win"]
    with refused(f"{path}, sentence 2: ", "'dobj'", "'universal_dependencies'", "'clearnlp'"):
        list(instances)
    sentence = DependencySentence(("It", "rains"), ("it", "rain"), ("X", "X"), (1, -1), ("SBJ", "ROOT"))
    with refused("'It rains'", "'SBJ'", "'conll2008'"):
        reader().text_to_instance(sentence, Predicate(1))


def test_a_predicate_that_is_none_of_the_sentences_own():
    sentence = DependencySentence(("It", "rains"), ("it", "Rain"), ("X", "X"), (1, -1), ("nsubj", "root"))
    instance = reader().text_to_instance(sentence, Predicate(1))
    assert "roles" not in instance.fields
    assert instance["predicate_lemma"].tokens[0].text == "rain"
    assert instance["metadata"]["predicate_sense"] is None


def test_long_sentences_are_left_out_and_reported_once(path, caplog):
    long_reader = reader(max_sentence_length=1)
    with caplog.at_level(logging.WARNING):
        assert list(long_reader.read(path)) == []
    # Not also that there were no predicates: there are.
    assert warnings_in(caplog) == [f"{path}: left out 2 sentences of more than 1 tokens."]
    assert predicate_words(reader(max_sentence_length=4).read(path)) == ["Plans", "Win", "Raining"]


def test_a_file_without_predicates_is_warned_about(tmp_path, caplog):
    path = tmp_path / "file.conll09"
    path.write_text(text(HELLO))
    with caplog.at_level(logging.WARNING):
        assert list(reader().read(path)) == []
    assert warnings_in(caplog) == [f"{path}: no instance: no sentence has a predicate."]


def test_vocabulary_of_the_training_data(path, tmp_path, caplog):
    train = list(reader().read(path))
    vocabulary = Vocabulary.from_instances(train)
    known = vocabulary.get_token_to_index_vocabulary
    assert set(known("role_labels")) == {"_", "A0", "A1"}
    assert known("role_labels")["_"] == 0
    labels = {"nsubj", "mark", "xcomp", "punct"}
    assert set(known("edge_labels")) == labels | {label + "^-1" for label in labels}
    assert {"plans", "win"} <= set(known("lemmas")) and "plans" in known("tokens")

    dev = tmp_path / "dev.conll09"
    sentence = change(SHE_PLANS_TO_WIN, 0, 10, "expl")
    sentence = change(change(sentence, 0, 14, "AM-TMP"), 1, 1, "Hopes")
    dev.write_text(text(sentence))
    instances = list(reader().read(dev))
    with caplog.at_level(logging.WARNING):
        tensors = make_batch(instances, vocabulary)
    # The label, its inverse and the role: once each.
    assert len(warnings_in(caplog)) == 3
    a0, a1 = (known("role_labels")[role] for role in ("A0", "A1"))
    assert tensors["roles"].tolist() == [[-1, 0, 0, a1], [a0, 0, 0, 0]]
    unseen = [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION]
    names = relation_names(vocabulary)
    rest = [names.index(label) for label in ("mark", "mark^-1", "xcomp", "xcomp^-1")]
    assert tensors["graph"].edge_type.tolist() == (unseen + rest) * 2
    assert tensors["tokens"]["tokens"]["tokens"][0, 1] == vocabulary.get_token_index("@@UNKNOWN@@")
    assert tensors["predicate_lemma"]["lemmas"]["tokens"].shape == (2, 1)


def test_a_workers_empty_share_is_not_warned_about(path, caplog):
    shares = []
    with caplog.at_level(logging.WARNING):
        for worker in range(2):
            part = reader()
            part._set_worker_info(WorkerInfo(2, worker))
            shares.append(predicate_words(part.read(path)))
    # Sentences 1 and 3, and sentence 2, which has no predicate.
    assert shares == [["Plans", "Win", "Raining"], []]
    assert warnings_in(caplog) == []
